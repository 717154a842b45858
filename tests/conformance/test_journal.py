"""What every journal keeps to: the one in SQLite, in both of its modes, and the one in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from typing import Protocol
from uuid import UUID

import pytest
from journal_entries import a_change, a_message, a_notice, an_acceptance, numbered_id

from bridge.adapters.sqlite_journal import LockTerms, open_journal
from bridge.core.errors import UnavailableError
from bridge.core.facts import (
    Absent,
    CancelRequested,
    DependencyEnded,
    Ending,
    EndMark,
    Refused,
    StartMark,
    SubmissionBegun,
    Submitted,
    TaskStarted,
)
from bridge.core.job import SlurmId, task_id
from bridge.core.lifecycle import Job, Phase
from bridge.core.progress import Bookmark
from bridge.core.retry import LONGEST_WAIT
from bridge.core.settings import JournalSettings
from bridge.core.sweep import tasks_of
from bridge.ports import (
    Acceptance,
    Admission,
    CancelJournal,
    Change,
    DependencyJournal,
    IntakeJournal,
    LifecycleJournal,
    Notice,
    Outbox,
    ProgressJournal,
    ProgressNote,
    PullJournal,
    QueryJournal,
)
from bridge.testing.clock import START, FakeClock
from bridge.testing.memory_journal import MemoryJournal
from bridge.wire.event import Message

ALL = 1000
BEGUN = SubmissionBegun(at=START)
REFUSED = Refused(at=START, words="no")


class Journal(
    IntakeJournal,
    ProgressJournal,
    QueryJournal,
    LifecycleJournal,
    DependencyJournal,
    PullJournal,
    CancelJournal,
    Outbox,
    Protocol,
):
    def last_notice(self, routing_keys: Sequence[str]) -> str | None: ...
    def prune(self, before: datetime) -> int: ...
    def close(self) -> None: ...


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def _in_wal(folder: Path, clock: FakeClock) -> Journal:
    return open_journal(JournalSettings(path=str(folder / "j"), disk="local"), clock=clock)


def _on_network(folder: Path, clock: FakeClock) -> Journal:
    return open_journal(
        JournalSettings(path=str(folder / "j"), disk="network"),
        clock=clock,
        lock_terms=LockTerms(clock=clock, pause=lambda _: None),
    )


def _in_memory(_folder: Path, clock: FakeClock) -> Journal:
    return MemoryJournal(clock)


@pytest.fixture(params=[_in_wal, _on_network, _in_memory])
def journal(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Journal]:
    make: Callable[[Path, FakeClock], Journal] = request.param
    opened = make(tmp_path, clock)
    yield opened
    opened.close()


def _submit(journal: Journal, number: int) -> Job:
    """Brings a new job into the queue."""
    acceptance = an_acceptance(number)
    begun = a_change(acceptance.job, BEGUN)
    submitted = a_change(begun.job, Submitted(at=START, slurm_id=SlurmId(str(number))))
    journal.admit([acceptance])
    assert journal.record([begun, submitted]) == ()
    return submitted.job


def _fail(journal: Journal, number: int) -> Job:
    """Brings a new job to its end."""
    acceptance = an_acceptance(number)
    journal.admit([acceptance])
    begun = a_change(acceptance.job, BEGUN)
    refused = a_change(begun.job, REFUSED)
    assert journal.record([begun, refused]) == ()
    return refused.job


def _send_all(journal: Journal) -> None:
    journal.mark_sent([it.position for it in journal.unsent(ALL)])


def _untold(journal: Journal) -> list[str]:
    return [it.message.event_id for it in journal.unsent(ALL)]


def test_an_accepted_job_is_recorded_with_its_message_and_its_event(journal: Journal) -> None:
    acceptance = an_acceptance(1, request=b"\x00\xff as it came")

    assert journal.admit([acceptance]) == (Admission.RECORDED,)

    assert journal.jobs([numbered_id(1)]) == (acceptance.job,)
    assert journal.request(numbered_id(1)) == b"\x00\xff as it came"
    assert [it.message for it in journal.unsent(ALL)] == list(acceptance.messages)


def test_the_same_job_again_is_a_duplicate_and_changes_nothing(journal: Journal) -> None:
    job = _submit(journal, 1)
    before = journal.unsent(ALL)

    assert journal.admit([an_acceptance(1, request=b"spelled otherwise")]) == (Admission.DUPLICATE,)

    assert journal.jobs([job.job_id]) == (job,)
    assert journal.request(job.job_id) == b"request 1"
    assert journal.unsent(ALL) == before


def test_the_same_id_with_other_content_is_a_conflict_and_changes_nothing(journal: Journal) -> None:
    job = _submit(journal, 1)
    before = journal.unsent(ALL)

    assert journal.admit([an_acceptance(1, fingerprint="another")]) == (Admission.CONFLICT,)

    assert journal.jobs([job.job_id]) == (job,)
    assert journal.unsent(ALL) == before


def test_entries_of_one_call_are_answered_in_order(journal: Journal) -> None:
    answers = journal.admit(
        [
            an_acceptance(1),
            a_notice(),
            an_acceptance(1),
            an_acceptance(1, fingerprint="another"),
            a_notice(),
            an_acceptance(2),
        ]
    )

    assert answers == (
        Admission.RECORDED,
        Admission.RECORDED,
        Admission.DUPLICATE,
        Admission.CONFLICT,
        Admission.DUPLICATE,
        Admission.RECORDED,
    )
    assert _untold(journal) == [f"{numbered_id(1)}/1", "rejected/testbed/1", f"{numbered_id(2)}/1"]


def test_a_call_without_entries_is_answered_by_nothing(journal: Journal) -> None:
    assert journal.admit([]) == ()
    assert journal.record([]) == ()
    journal.mark_sent([])
    assert journal.jobs([]) == ()


def test_a_notice_that_was_sent_is_still_a_duplicate(journal: Journal) -> None:
    journal.admit([a_notice()])
    _send_all(journal)

    assert journal.admit([a_notice()]) == (Admission.DUPLICATE,)
    assert journal.unsent(ALL) == ()


def _of_one_message(*numbers: int, fingerprint: str = "same") -> Acceptance:
    first, *others = (an_acceptance(it, fingerprint=fingerprint) for it in numbers)
    return replace(first, siblings=tuple(others))


def test_the_jobs_of_one_message_are_recorded_together_in_their_order(journal: Journal) -> None:
    assert journal.admit([_of_one_message(3, 1, 2)]) == (Admission.RECORDED,)
    found = [it.job_id for it in journal.waiting(ALL, now=START)]
    assert found == [numbered_id(3), numbered_id(1), numbered_id(2)]
    assert journal.request(numbered_id(2)) == b"request 2"
    assert [it.message.event_id for it in journal.unsent(ALL)] == [
        f"{numbered_id(it)}/1" for it in (3, 1, 2)
    ]


def test_the_jobs_of_one_message_come_again_as_one_duplicate(journal: Journal) -> None:
    journal.admit([_of_one_message(1, 2)])
    assert journal.admit([_of_one_message(1, 2)]) == (Admission.DUPLICATE,)
    assert len(journal.waiting(ALL, now=START)) == 2


def test_of_the_jobs_of_one_message_that_is_known_none_is_recorded_again(journal: Journal) -> None:
    journal.admit([an_acceptance(2)])
    assert journal.admit([_of_one_message(1, 2)]) == (Admission.DUPLICATE,)
    assert [it.job_id for it in journal.waiting(ALL, now=START)] == [numbered_id(2)]


def test_one_job_that_is_taken_keeps_out_all_of_its_message(journal: Journal) -> None:
    journal.admit([an_acceptance(2, fingerprint="other"), an_acceptance(3)])
    assert journal.admit([_of_one_message(3, 1, 2)]) == (Admission.CONFLICT,)
    found = [it.job_id for it in journal.waiting(ALL, now=START)]
    assert found == [numbered_id(2), numbered_id(3)]


def test_a_reply_is_told_to_its_queue_and_is_no_event_of_the_job(journal: Journal) -> None:
    acceptance = an_acceptance(1)
    journal.admit([acceptance])
    change = a_change(acceptance.job, REFUSED)
    reply = Message(
        event_id="reply/1",
        routing_key="testbed.reply",
        body=b"{}",
        reply_to="results",
        correlation_id="7",
    )
    assert journal.record([replace(change, messages=(*change.messages, reply))]) == ()
    assert [it.message for it in journal.unsent(ALL)][-1] == reply
    assert journal.admit([Notice(message=reply)]) == (Admission.DUPLICATE,)


def test_a_reply_that_is_recorded_already_does_not_stop_the_change(journal: Journal) -> None:
    acceptance = an_acceptance(1)
    reply = Message(event_id="reply/1", routing_key="testbed.reply", body=b"{}", reply_to="results")
    journal.admit([acceptance, Notice(message=reply)])
    change = a_change(acceptance.job, REFUSED)
    assert journal.record([replace(change, messages=(*change.messages, reply))]) == ()
    assert [it.message for it in journal.unsent(ALL)].count(reply) == 1


def test_an_event_id_that_is_in_use_fails_the_whole_call(journal: Journal) -> None:
    journal.admit([a_notice("taken")])
    clash = replace(an_acceptance(2), messages=(a_message("taken"),))

    with pytest.raises(ValueError, match="taken"):
        journal.admit([an_acceptance(1), clash])

    assert journal.jobs([numbered_id(1), numbered_id(2)]) == ()
    assert _untold(journal) == ["taken"]


def test_an_event_id_that_is_in_use_fails_all_changes_of_the_call(journal: Journal) -> None:
    journal.admit([a_notice("taken"), an_acceptance(1), an_acceptance(2)])
    first, second = (a_change(an_acceptance(it).job, BEGUN) for it in (1, 2))

    with pytest.raises(ValueError, match="taken"):
        journal.record([first, replace(second, messages=(a_message("taken"),))])

    assert [it.phase for it in journal.waiting(ALL, now=START)] == [Phase.ACCEPTED, Phase.ACCEPTED]


def test_waiting_jobs_come_in_the_order_of_acceptance(journal: Journal) -> None:
    journal.admit([an_acceptance(it) for it in (3, 1, 2)])
    journal.record([a_change(an_acceptance(1).job, BEGUN)])

    assert [it.job_id for it in journal.waiting(ALL, now=START)] == [
        numbered_id(it) for it in (3, 1, 2)
    ]
    assert [it.phase for it in journal.waiting(2, now=START)] == [Phase.ACCEPTED, Phase.SUBMITTING]


def test_a_job_waits_unseen_until_its_next_attempt_may_be_submitted(journal: Journal) -> None:
    journal.admit([an_acceptance(1), an_acceptance(2)])
    later = START + timedelta(minutes=1)
    backing_off = replace(an_acceptance(1).job, attempt=2, not_before=later, revision=2)
    assert journal.record([Change(job=backing_off, messages=())]) == ()

    too_early = journal.waiting(ALL, now=later - timedelta(microseconds=1))
    in_time = journal.waiting(ALL, now=later)

    assert [it.job_id for it in too_early] == [numbered_id(2)]
    assert [it.job_id for it in in_time] == [numbered_id(1), numbered_id(2)]
    assert journal.waiting(1, now=START) == too_early


def test_a_clock_that_was_set_back_lets_no_attempt_wait_for_longer_than_any_does(
    journal: Journal,
) -> None:
    journal.admit([an_acceptance(1), an_acceptance(2)])
    for number, wait in ((1, LONGEST_WAIT), (2, LONGEST_WAIT + timedelta(microseconds=1))):
        job = replace(an_acceptance(number).job, attempt=2, not_before=START + wait, revision=2)
        assert journal.record([Change(job=job, messages=())]) == ()
    assert [it.job_id for it in journal.waiting(ALL, now=START)] == [numbered_id(2)]


def test_a_clock_that_was_set_back_a_little_makes_no_wait_longer(journal: Journal) -> None:
    journal.admit([an_acceptance(1)])
    later = START + timedelta(minutes=5)
    job = replace(an_acceptance(1).job, attempt=2, not_before=later, revision=2)
    assert journal.record([Change(job=job, messages=())]) == ()

    def found(now: datetime) -> list[str]:
        return [it.job_id for it in journal.waiting(ALL, now=now)]

    # The job was written at START: up to a minute is between two machines' clocks.
    assert found(START - timedelta(minutes=1)) == []
    assert found(START - timedelta(minutes=1, microseconds=1)) == [numbered_id(1)]
    assert found(START - timedelta(minutes=40)) == [numbered_id(1)]


def test_each_phase_is_waiting_or_live_or_over(journal: Journal) -> None:
    journal.admit([an_acceptance(number) for number, _ in enumerate(Phase)])
    for number, phase in enumerate(Phase):
        job = replace(an_acceptance(number).job, phase=phase, revision=2)
        assert journal.record([Change(job=job, messages=())]) == ()

    assert {it.phase for it in journal.waiting(ALL, now=START)} == {
        Phase.ACCEPTED,
        Phase.SUBMITTING,
    }
    assert {it.phase for it in journal.live()} == {Phase.QUEUED, Phase.HELD, Phase.RUNNING}
    assert {it.phase for it in journal.blocked()} == {Phase.BLOCKED}
    assert {it.phase for it in journal.pulling()} == {Phase.PULLING}


def test_jobs_answers_those_that_are_recorded_once_each(journal: Journal) -> None:
    one, two = _submit(journal, 1), _submit(journal, 2)
    wanted = [numbered_id(it) for it in (1, 2, 9, 1)]

    found = journal.jobs(iter(wanted))

    assert sorted(found, key=lambda it: it.job_id) == [one, two]


def test_the_message_of_an_unknown_job_is_a_key_error(journal: Journal) -> None:
    with pytest.raises(KeyError):
        journal.request(numbered_id(1))


def test_a_change_is_recorded_with_its_events(journal: Journal) -> None:
    job = _submit(journal, 1)
    started = a_change(job, StartMark(at=START, restart=0, started_at=START, node="n1"))
    ended = a_change(started.job, EndMark(at=START, restart=0, ended_at=START, exit_code=7))

    assert journal.record([started]) == ()
    assert journal.record([ended]) == ()

    assert journal.live() == (ended.job,)
    assert [it.message.routing_key for it in journal.unsent(ALL)] == [
        "testbed.accepted",
        "testbed.queued",
        "testbed.started",
        "testbed.exited",
    ]


def test_of_two_changes_to_one_revision_the_later_one_is_left_out(journal: Journal) -> None:
    acceptance = an_acceptance(1)
    journal.admit([acceptance, an_acceptance(2)])
    winner = a_change(acceptance.job, BEGUN)
    loser = replace(winner, messages=(a_message("never told"),))
    neighbour = a_change(an_acceptance(2).job, BEGUN)

    assert journal.record([winner]) == ()
    assert journal.record([loser, neighbour]) == (numbered_id(1),)

    assert set(journal.waiting(ALL, now=START)) == {winner.job, neighbour.job}
    assert "never told" not in _untold(journal)


@pytest.mark.parametrize("revision", [0, 1, 3])
def test_a_change_that_does_not_follow_is_left_out(journal: Journal, revision: int) -> None:
    acceptance = an_acceptance(1)
    journal.admit([acceptance])
    odd = replace(acceptance.job, phase=Phase.SUBMITTING, revision=revision)

    assert journal.record([Change(job=odd, messages=())]) == (numbered_id(1),)
    assert journal.waiting(ALL, now=START) == (acceptance.job,)


def test_a_change_of_a_job_that_is_not_recorded_is_left_out(journal: Journal) -> None:
    change = a_change(an_acceptance(1).job, BEGUN)

    assert journal.record([change]) == (numbered_id(1),)
    assert journal.jobs([numbered_id(1)]) == ()


def test_a_cancel_is_remembered_of_a_job_that_is_not_known_yet(journal: Journal) -> None:
    journal.remember_cancel(numbered_id(1), at=START)
    journal.remember_cancel(numbered_id(1), at=START + timedelta(days=1))
    journal.admit([an_acceptance(1), an_acceptance(2)])

    assert journal.cancels([numbered_id(it) for it in (1, 2, 3, 1)]) == {numbered_id(1)}
    assert journal.cancels([]) == frozenset()
    assert journal.jobs([numbered_id(1)]) == (an_acceptance(1).job,)


def test_a_cancel_has_overtaken_each_job_that_does_not_know_of_it_and_is_not_over(
    journal: Journal,
) -> None:
    for number, phase in enumerate(Phase):
        journal.admit([an_acceptance(it) for it in (number, number + 100, number + 200)])
        unaware = replace(an_acceptance(number).job, phase=phase, revision=2)
        aware = replace(
            an_acceptance(number + 100).job, phase=phase, revision=2, cancel_requested_at=START
        )
        assert journal.record([Change(job=it, messages=()) for it in (unaware, aware)]) == ()
        for it in (unaware, aware):
            journal.remember_cancel(it.job_id, at=START)
    journal.remember_cancel(numbered_id(999), at=START)

    overtaken = {it.phase for it in journal.jobs(journal.overtaken())}
    assert len(journal.overtaken()) == len(overtaken)
    assert overtaken == set(Phase) - {Phase.FINISHED, Phase.FAILED, Phase.CANCELLED}


def test_jobs_to_cancel_are_those_that_slurm_has(journal: Journal) -> None:
    for number, phase in enumerate(Phase):
        journal.admit([an_acceptance(number), an_acceptance(number + 100)])
        wanted = replace(
            an_acceptance(number).job, phase=phase, revision=2, cancel_requested_at=START
        )
        unwanted = replace(an_acceptance(number + 100).job, phase=phase, revision=2)
        changes = [Change(job=it, messages=()) for it in (wanted, unwanted)]
        assert journal.record(changes) == ()

    assert [it.phase for it in journal.cancelling()] == [Phase.QUEUED, Phase.HELD, Phase.RUNNING]
    assert all(it.cancel_requested_at == START for it in journal.cancelling())


def test_pruning_takes_old_cancels(journal: Journal) -> None:
    journal.remember_cancel(numbered_id(1), at=START)
    journal.remember_cancel(numbered_id(2), at=START + timedelta(days=1))

    assert journal.prune(START + timedelta(hours=1)) == 1

    assert journal.cancels([numbered_id(1), numbered_id(2)]) == {numbered_id(2)}


def _news(journal: Journal, *, unknown_before: datetime = START) -> set[tuple[int, int, str]]:
    """Who waits, for whom, and how that one has ended."""
    return {
        (UUID(it.job_id).int, UUID(it.dependency).int, it.ending or "started")
        for it in journal.news(ALL, unknown_before=unknown_before)
    }


def _free(journal: Journal, number: int, *ended: int) -> Job:
    """Tells a job that these have finished."""
    (job,) = journal.jobs([numbered_id(number)])
    for it in ended:
        told = DependencyEnded(at=START, job_id=numbered_id(it), ending=Ending.FINISHED)
        change = a_change(job, told)
        assert journal.record([change]) == ()
        job = change.job
    return job


def test_a_job_that_waits_for_others_is_found_as_it_was_put_in(journal: Journal) -> None:
    acceptance = an_acceptance(1, waits_for=[3, 2])
    journal.admit([acceptance, an_acceptance(4)])

    assert journal.blocked() == journal.jobs([numbered_id(1)]) == (acceptance.job,)
    assert [it.job_id for it in journal.blocked()[0].waits_for] == [numbered_id(3), numbered_id(2)]
    assert [it.job_id for it in journal.waiting(ALL, now=START)] == [numbered_id(4)]
    assert journal.live() == ()


def test_there_is_news_for_those_who_wait_until_they_have_been_told(journal: Journal) -> None:
    journal.admit([an_acceptance(1, waits_for=[8, 9]), an_acceptance(2, waits_for=[9])])
    assert _news(journal) == set()

    _fail(journal, 9)

    assert _news(journal) == {(1, 9, "failed"), (2, 9, "failed")}
    assert len(journal.news(1, unknown_before=START)) == 1
    _free(journal, 1, 9)
    assert _news(journal) == {(2, 9, "failed")}
    assert _free(journal, 2, 9).phase is Phase.ACCEPTED
    assert _news(journal) == set()
    assert journal.blocked() == journal.jobs([numbered_id(1)])


def test_what_ended_before_somebody_waited_for_it_is_news_at_once(journal: Journal) -> None:
    _fail(journal, 9)
    _submit(journal, 8)

    journal.admit([an_acceptance(1, waits_for=[8, 9])])

    assert _news(journal, unknown_before=START + timedelta(days=9)) == {(1, 9, "failed")}


def test_there_is_no_news_for_a_job_that_no_longer_waits(journal: Journal) -> None:
    journal.admit([an_acceptance(1, waits_for=[8, 9])])
    (job,) = journal.blocked()
    assert journal.record([a_change(job, CancelRequested(at=START))]) == ()

    _fail(journal, 9)

    assert _news(journal, unknown_before=START + timedelta(days=9)) == set()
    assert journal.awaited([numbered_id(8), numbered_id(9)]) == frozenset()


def test_a_job_that_has_not_come_is_unknown_after_a_while(
    journal: Journal, clock: FakeClock
) -> None:
    journal.admit([an_acceptance(1, waits_for=[9])])
    clock.move(timedelta(minutes=1))
    journal.admit([an_acceptance(2, waits_for=[9])])
    later = START + timedelta(minutes=1)

    assert _news(journal, unknown_before=START) == set()
    assert _news(journal, unknown_before=later) == {(1, 9, "unknown")}
    journal.admit([an_acceptance(9)])
    assert _news(journal, unknown_before=later + timedelta(days=9)) == set()


def test_the_rejection_of_a_job_is_news_for_those_who_wait_for_it(journal: Journal) -> None:
    journal.admit([an_acceptance(1, waits_for=[9]), an_acceptance(2, waits_for=[8])])

    journal.admit([a_notice("no job", rejected=9)])
    journal.admit([an_acceptance(3, waits_for=[9])])

    assert _news(journal) == {(1, 9, "rejected"), (3, 9, "rejected")}


def test_a_rejection_is_no_news_of_a_job_that_is_there(journal: Journal) -> None:
    journal.admit([an_acceptance(1, waits_for=[9]), an_acceptance(9)])
    journal.admit([a_notice("no job", rejected=9), a_notice("neither", rejected=8)])
    journal.admit([an_acceptance(8), an_acceptance(2, waits_for=[8, 9])])

    assert _news(journal) == set()


def test_a_job_that_comes_after_its_rejection_is_waited_for(journal: Journal) -> None:
    journal.admit([an_acceptance(1, waits_for=[9]), a_notice("no job", rejected=9)])

    journal.admit([an_acceptance(9)])

    assert _news(journal) == set()


def test_a_job_that_is_over_already_when_it_comes_is_news(journal: Journal) -> None:
    over = replace(an_acceptance(9).job, phase=Phase.FINISHED)
    journal.admit([an_acceptance(1, waits_for=[9]), replace(an_acceptance(9), job=over)])

    assert _news(journal) == {(1, 9, "finished")}


def test_the_jobs_that_others_wait_for_are_known_whether_they_have_come_or_not(
    journal: Journal,
) -> None:
    journal.admit([an_acceptance(1, waits_for=[8, 9]), an_acceptance(9)])

    asked = [numbered_id(it) for it in (1, 7, 8, 9)]

    assert journal.awaited(asked) == {numbered_id(8), numbered_id(9)}
    assert journal.awaited([]) == frozenset()


def test_a_call_that_fails_leaves_nobody_waiting(journal: Journal) -> None:
    journal.admit([a_notice("taken")])
    clash = replace(an_acceptance(2), messages=(a_message("taken"),))

    with pytest.raises(ValueError, match="taken"):
        journal.admit([an_acceptance(1, waits_for=[9]), clash])

    assert journal.awaited([numbered_id(9)]) == frozenset()
    journal.admit([an_acceptance(1, waits_for=[9])])
    assert journal.awaited([numbered_id(9)]) == {numbered_id(9)}


def _divide(journal: Journal) -> tuple[Job, list[Job]]:
    """Brings a sweep with three tasks into the journal, and its tasks with it."""
    new = an_acceptance(1)
    new = replace(new, job=replace(new.job, tasks=3))
    journal.admit([new])
    begun = a_change(new.job, BEGUN)
    assert journal.record([begun]) == ()
    divided = a_change(begun.job, Submitted(at=START, slurm_id=SlurmId("7")))
    tasks = [
        Acceptance(
            job=step.job,
            request=f"task {index}".encode(),
            fingerprint="f",
            messages=tuple(a_message(f"{step.job.job_id}/{it.job.sequence}") for it in step.events),
        )
        for index, step in enumerate(tasks_of(divided.job, START))
    ]
    assert journal.record([replace(divided, tasks=tuple(tasks))]) == ()
    return divided.job, [it.job for it in tasks]


def test_the_tasks_of_a_sweep_are_recorded_with_the_step_that_makes_them(journal: Journal) -> None:
    sweep, tasks = _divide(journal)

    assert journal.jobs([sweep.job_id]) == (sweep,)
    assert list(journal.live()) == tasks
    assert [journal.request(it.job_id) for it in tasks] == [b"task 0", b"task 1", b"task 2"]
    assert f"{tasks[2].job_id}/2" in _untold(journal)
    assert journal.awaited([it.job_id for it in tasks]) == {it.job_id for it in tasks}


def test_a_step_that_comes_too_late_makes_no_tasks(journal: Journal) -> None:
    _, tasks = _divide(journal)
    stray = an_acceptance(5)
    late = replace(a_change(an_acceptance(1).job, BEGUN), tasks=(stray,))

    assert journal.record([late]) == (numbered_id(1),)

    assert journal.jobs([stray.job.job_id]) == ()
    assert list(journal.live()) == tasks


def test_a_task_that_is_there_already_is_left_as_it_is(journal: Journal) -> None:
    taken = an_acceptance(5)
    taken = replace(taken, job=replace(taken.job, job_id=task_id(numbered_id(1), 1)))
    journal.admit([taken])

    _, tasks = _divide(journal)

    assert journal.jobs([taken.job.job_id]) == (taken.job,)
    assert [it.job_id for it in journal.live()] == [tasks[0].job_id, tasks[2].job_id]


def test_the_first_start_and_every_end_of_a_task_are_news_for_its_sweep(journal: Journal) -> None:
    sweep, tasks = _divide(journal)
    for it in tasks[:2]:
        mark = StartMark(at=START, restart=0, started_at=START, node="n1")
        assert journal.record([a_change(it, mark)]) == ()
    news = journal.news(ALL, unknown_before=START)
    assert {(it.job_id, it.ending) for it in news} == {(sweep.job_id, None)}

    started = a_change(sweep, TaskStarted(at=START))
    assert journal.record([started]) == ()
    assert journal.news(ALL, unknown_before=START) == ()

    third = replace(tasks[2], phase=Phase.FAILED, revision=tasks[2].revision + 1)
    assert journal.record([Change(job=third, messages=())]) == ()
    (one,) = journal.news(ALL, unknown_before=START)
    assert (one.job_id, one.dependency, one.ending) == (sweep.job_id, third.job_id, Ending.FAILED)
    told = DependencyEnded(at=START, job_id=third.job_id, ending=Ending.FAILED)
    assert journal.record([a_change(started.job, told)]) == ()
    assert journal.news(ALL, unknown_before=START) == ()


def test_the_start_of_what_others_only_wait_for_is_no_news(journal: Journal) -> None:
    journal.admit([an_acceptance(2, waits_for=[1])])
    job = _submit(journal, 1)
    mark = StartMark(at=START, restart=0, started_at=START, node="n1")

    assert journal.record([a_change(job, mark)]) == ()

    assert journal.news(ALL, unknown_before=START) == ()


SILENCE, SPEECH = "testbed.unreachable", "testbed.recovered"


def test_the_last_notice_is_the_newest_of_those_asked_for(journal: Journal) -> None:
    assert journal.last_notice([SILENCE, SPEECH]) is None
    journal.admit([a_notice("1", routing_key=SILENCE), a_notice("2", routing_key=SPEECH)])
    journal.admit([a_notice("3"), a_notice("1", routing_key=SILENCE)])

    assert journal.last_notice([SILENCE, SPEECH]) == SPEECH
    assert journal.last_notice([SPEECH, SILENCE]) == SPEECH
    assert journal.last_notice([SILENCE]) == SILENCE
    assert journal.last_notice([]) is None
    journal.admit([a_notice("4", routing_key=SILENCE)])
    assert journal.last_notice([SILENCE, SPEECH]) == SILENCE


def test_what_is_told_of_a_job_is_no_notice(journal: Journal) -> None:
    journal.admit([an_acceptance(1)])

    assert journal.last_notice(["testbed.accepted"]) is None


def test_the_last_notice_is_known_however_long_ago_it_was_sent(journal: Journal) -> None:
    journal.admit([a_notice(f"{it}", routing_key=SILENCE) for it in range(3)])
    journal.admit([a_notice("rejected")])
    _send_all(journal)

    assert journal.prune(START + timedelta(days=400)) == 2

    assert journal.last_notice([SILENCE, SPEECH]) == SILENCE
    assert journal.last_notice(["testbed.rejected"]) == "testbed.rejected"


def test_unsent_messages_come_oldest_first_until_they_are_marked(journal: Journal) -> None:
    journal.admit([a_notice(it) for it in ("c", "a", "b")])

    first, second = journal.unsent(2)
    journal.mark_sent([second.position])

    assert [first.message.event_id, second.message.event_id] == ["c", "a"]
    assert _untold(journal) == ["c", "b"]


def test_marking_as_sent_twice_or_what_is_not_there_does_nothing(journal: Journal) -> None:
    journal.admit([a_notice("a"), a_notice("b")])
    (first, second) = journal.unsent(ALL)

    journal.mark_sent([first.position, second.position + 1])
    journal.mark_sent([first.position])

    assert _untold(journal) == ["b"]


def test_pruning_takes_old_jobs_that_are_over_and_told(journal: Journal, clock: FakeClock) -> None:
    over = _fail(journal, 1)
    _submit(journal, 2)
    journal.admit([an_acceptance(3)])
    _send_all(journal)
    clock.move(timedelta(days=1))

    assert journal.prune(START + timedelta(seconds=1)) == 1

    assert journal.jobs([over.job_id]) == ()
    with pytest.raises(KeyError):
        journal.request(over.job_id)
    assert len(journal.waiting(ALL, now=START)) == len(journal.live()) == 1


def test_a_job_whose_events_are_not_all_sent_is_not_pruned(journal: Journal) -> None:
    over = _fail(journal, 1)
    journal.mark_sent([it.position for it in journal.unsent(1)])

    assert journal.prune(START + timedelta(days=1)) == 0
    assert journal.jobs([over.job_id]) == (over,)


def test_a_job_is_as_old_as_its_last_change(journal: Journal, clock: FakeClock) -> None:
    journal.admit([an_acceptance(1)])
    begun = a_change(an_acceptance(1).job, BEGUN)
    journal.record([begun])
    clock.move(timedelta(days=1))
    journal.record([a_change(begun.job, REFUSED)])
    _send_all(journal)

    assert journal.prune(START + timedelta(days=1)) == 0
    assert journal.prune(START + timedelta(days=1, microseconds=1)) == 1


def test_pruning_takes_notices_sent_long_ago(journal: Journal, clock: FakeClock) -> None:
    journal.admit([a_notice("old"), a_notice("new"), a_notice("unsent")])
    old, new, _ = journal.unsent(ALL)
    journal.mark_sent([old.position])
    clock.move(timedelta(days=1))
    journal.mark_sent([new.position])

    assert journal.prune(START + timedelta(hours=1)) == 1

    assert journal.admit([a_notice("old"), a_notice("new")]) == (
        Admission.RECORDED,
        Admission.DUPLICATE,
    )


def test_pruning_takes_all_that_is_old_however_much_it_is(journal: Journal) -> None:
    accepted = [an_acceptance(it) for it in range(450)]
    ends = [replace(it.job, phase=Phase.FAILED, revision=2) for it in accepted]
    journal.admit([*accepted, *(a_notice(f"r{it}") for it in range(451))])
    for number in range(450):
        journal.remember_cancel(numbered_id(number), at=START)
    journal.record([Change(job=it, messages=()) for it in ends])
    while journal.unsent(1):
        _send_all(journal)

    assert journal.prune(START + timedelta(days=1)) == 1350
    assert journal.prune(START + timedelta(days=1)) == 0


def test_a_position_is_never_given_twice(journal: Journal) -> None:
    journal.admit([a_notice("a")])
    (first,) = journal.unsent(ALL)
    _fail(journal, 1)
    last = journal.unsent(ALL)[-1]
    _send_all(journal)
    assert journal.prune(START + timedelta(days=1)) == 1
    journal.admit([a_notice("b")])

    (second,) = journal.unsent(ALL)

    assert second.position > last.position > first.position


def test_a_pruned_job_may_come_again(journal: Journal) -> None:
    _fail(journal, 1)
    _send_all(journal)
    journal.prune(START + timedelta(days=1))

    assert journal.admit([an_acceptance(1)]) == (Admission.RECORDED,)


def test_a_closed_journal_takes_and_tells_nothing(journal: Journal) -> None:
    journal.close()
    journal.close()

    with pytest.raises(UnavailableError, match="closed"):
        journal.admit([an_acceptance(1)])
    with pytest.raises(UnavailableError, match="closed"):
        journal.live()


def test_a_journal_in_memory_can_be_made_to_fail_for_a_while(clock: FakeClock) -> None:
    with MemoryJournal(clock) as journal:
        journal.failure = "the disk is full"
        with pytest.raises(UnavailableError, match="the disk is full"):
            journal.admit([an_acceptance(1)])
        journal.failure = None

        assert journal.admit([an_acceptance(1)]) == (Admission.RECORDED,)


def test_of_many_threads_that_change_one_job_exactly_one_wins_each_step(journal: Journal) -> None:
    steps, threads = 20, 6
    journal.admit([an_acceptance(1)])
    together = Barrier(threads)
    won: list[int] = []

    def race(number: int) -> None:
        for _ in range(steps):
            together.wait()
            (job,) = journal.jobs([numbered_id(1)])
            together.wait()
            mine = replace(job, revision=job.revision + 1)
            message = a_message(f"{number} made {mine.revision}")
            if not journal.record([Change(job=mine, messages=(message,))]):
                won.append(mine.revision)

    _run([partial(race, number) for number in range(threads)])

    assert sorted(won) == list(range(2, steps + 2))
    assert len(_untold(journal)) == 1 + steps


def test_threads_that_admit_while_others_read_and_send_lose_nothing(journal: Journal) -> None:
    writers, each = 4, 50
    sent: list[str] = []

    def write(writer: int) -> None:
        for number in range(each):
            admitted = journal.admit([an_acceptance(writer * each + number)])
            assert admitted == (Admission.RECORDED,)

    def relay() -> None:
        while len(sent) < writers * each:
            entries = journal.unsent(7)
            sent.extend(it.message.event_id for it in entries)
            journal.mark_sent([it.position for it in entries])

    _run([*(partial(write, writer) for writer in range(writers)), relay])

    assert sorted(sent) == sorted(f"{numbered_id(it)}/1" for it in range(writers * each))
    assert len(journal.waiting(ALL, now=START)) == writers * each


def _run(works: list[Callable[[], None]]) -> None:
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# --- progress, and what is answered


def _start(journal: Journal, number: int) -> Job:
    """Brings a new job to run."""
    job = _submit(journal, number)
    started = a_change(job, StartMark(at=START, restart=0, started_at=START, node="n1"))
    assert journal.record([started]) == ()
    return started.job


def _note(number: int, told: int, *, was: int | None = None, events: int = 1) -> ProgressNote:
    job_id = numbered_id(number)
    message = a_message(f"{job_id}/progress/{told}", routing_key="testbed.progress")
    return ProgressNote(
        job_id=job_id,
        was=told - 1 if was is None else was,
        bookmark=Bookmark(number=told, read_to=10 * told, known=b"\xff\n" * told),
        messages=(message,) * events,
    )


def _progress(journal: Journal) -> list[str]:
    return [it for it in _untold(journal) if "/progress/" in it]


def test_running_jobs_are_read_in_the_order_of_acceptance_page_by_page(journal: Journal) -> None:
    for number in (3, 1, 2):
        _start(journal, number)
    _submit(journal, 4)
    first = journal.running(after=0, limit=2)
    assert [it.job_id for it in first] == [numbered_id(3), numbered_id(1)]
    (last,) = journal.running(after=first[-1].place, limit=2)
    assert (last.job_id, last.attempt, last.restart) == (numbered_id(2), 1, 0)
    assert (last.slurm_id, last.bookmark, last.is_told) == (SlurmId("2"), None, True)


def test_a_bookmark_is_kept_together_with_what_it_tells(journal: Journal) -> None:
    _start(journal, 1)
    assert journal.note([_note(1, 1)]) == 1
    (reading,) = journal.running(after=0, limit=10)
    assert reading.bookmark == Bookmark(number=1, read_to=10, known=b"\xff\n")
    assert not reading.is_told
    assert _progress(journal) == [f"{numbered_id(1)}/progress/1"]
    _send_all(journal)
    (reading,) = journal.running(after=0, limit=10)
    assert reading.is_told


def test_of_two_who_tell_the_same_progress_the_later_one_is_left_out(journal: Journal) -> None:
    _start(journal, 1)
    assert journal.note([_note(1, 1)]) == 1
    assert journal.note([_note(1, 1), _note(1, 5)]) == 0
    assert journal.note([_note(1, 2)]) == 1
    assert len(_progress(journal)) == 2


def test_a_place_may_move_without_an_event(journal: Journal) -> None:
    _start(journal, 1)
    journal.note([_note(1, 1)])
    moved = Bookmark(number=1, read_to=99, known=b"")
    note = ProgressNote(job_id=numbered_id(1), was=1, bookmark=moved, messages=())
    assert journal.note([note]) == 1
    assert [it.bookmark for it in journal.readings([numbered_id(1)])] == [moved]


def test_progress_that_was_published_is_forgotten_with_the_next(journal: Journal) -> None:
    _start(journal, 1)
    for told in range(1, 4):
        journal.note([_note(1, told)])
        _send_all(journal)
    events = journal.told(numbered_id(1), after=0, limit=ALL)
    assert len(events) == 3
    assert journal.note([_note(1, 4)]) == 1
    assert _progress(journal) == [f"{numbered_id(1)}/progress/4"]


def test_progress_of_a_job_that_nobody_knows_is_left_out(journal: Journal) -> None:
    assert journal.note([_note(7, 1)]) == 0
    assert _untold(journal) == []


def test_readings_are_of_jobs_in_any_phase(journal: Journal) -> None:
    _fail(journal, 1)
    _start(journal, 2)
    journal.note([_note(2, 1)])
    found = journal.readings([numbered_id(it) for it in (1, 2, 3)])
    assert {it.job_id: it.bookmark and it.bookmark.number for it in found} == {
        numbered_id(1): None,
        numbered_id(2): 1,
    }


def test_a_pruned_job_takes_its_bookmark_along(journal: Journal, clock: FakeClock) -> None:
    job = _start(journal, 1)
    journal.note([_note(1, 1)])
    ended = a_change(job, EndMark(at=START, restart=0, ended_at=START, exit_code=0))
    seen = a_change(ended.job, Absent(at=START, accounting=False, missing_for=timedelta(0)))
    assert journal.record([ended, seen]) == ()
    _send_all(journal)
    assert journal.prune(clock.move(timedelta(days=1))) == 1
    assert journal.readings([numbered_id(1)]) == ()
    assert journal.told(numbered_id(1), after=0, limit=ALL) == ()


def test_the_events_of_a_job_are_told_once_more_in_order_and_progress_is_not(
    journal: Journal,
) -> None:
    _start(journal, 1)
    _start(journal, 2)
    journal.note([_note(1, 1)])
    first = journal.told(numbered_id(1), after=0, limit=2)
    rest = journal.told(numbered_id(1), after=first[-1].position, limit=ALL)
    assert [it.body for it in (*first, *rest)] == [
        f"{kind} of {numbered_id(1)}".encode() for kind in ("accepted", "queued", "started")
    ]
    assert journal.told(numbered_id(9), after=0, limit=ALL) == ()


def test_the_load_is_what_waits_and_what_slurm_has(journal: Journal) -> None:
    journal.admit([an_acceptance(1), an_acceptance(2, waits_for=[1])])
    _submit(journal, 3)
    _start(journal, 4)
    _fail(journal, 5)
    load = journal.load()
    assert (load.waiting, load.live) == (2, 2)
