"""Cancel: whatever a job is doing when its cancel comes, it ends, and its end is told once."""

import json
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest
from unit.house import GRACE, House, job_id, message

from bridge.core.errors import InvalidRequestError, UnavailableError
from bridge.core.failure import FailureReason
from bridge.core.job import JobId, SlurmId
from bridge.core.lifecycle import Job
from bridge.core.retry import RetryPolicy
from bridge.ports import Clock, Settlement
from bridge.testing.memory_journal import MemoryJournal
from bridge.testing.slurm import Submission as Outcome
from bridge.wire.control import cancel_message, read_cancel

SOON = timedelta(seconds=30)


@pytest.fixture
def house() -> House:
    return House()


def word(house: House, slurm_id: SlurmId) -> str:
    return {it.slurm_id: it.word for it in house.cluster.queue()}[slurm_id]


# --- whatever it is doing


def test_a_job_that_was_not_submitted_ends_at_once_and_slurm_never_sees_it(house: House) -> None:
    house.receive(message())
    assert house.cancel(1) == (Settlement.ACK,)
    assert house.told() == ["accepted", "cancelled"]
    assert house.last_event()["detail"] == "cancelled before it was submitted"
    house.submission.submit_waiting()
    house.cancellation.cancel_waiting()
    assert house.slurm.calls == []


def test_a_queued_job_is_cancelled_in_slurm_and_ends_when_slurm_says_so(house: House) -> None:
    slurm_id = house.queued_job()
    assert house.cancel(1) == (Settlement.ACK,)
    assert house.told() == ["accepted", "queued"]
    house.cancellation.cancel_waiting()
    assert word(house, slurm_id) == "CANCELLED"
    assert house.told() == ["accepted", "queued"]
    house.watch.look()
    assert house.told() == ["accepted", "queued", "cancelled"]
    assert house.last_event()["detail"] == "cancelled before it started"
    assert house.last_event()["started_at"] is None


def test_a_running_job_is_stopped_and_says_so(house: House) -> None:
    house.cluster.start(house.queued_job())
    house.watch.look()
    house.cancel(1)
    house.cancellation.cancel_waiting()
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "cancelled"]
    assert house.last_event()["detail"] == "stopped while it ran"
    assert house.last_event()["cancel_requested_at"] is not None


def test_a_held_job_is_cancelled_too(house: House) -> None:
    house.cluster.hold(house.queued_job())
    house.watch.look()
    house.cancel(1)
    house.cancellation.cancel_waiting()
    house.watch.look()
    assert house.told() == ["accepted", "queued", "held", "cancelled"]


def test_only_the_job_that_was_meant_is_cancelled(house: House) -> None:
    house.queued_job(1)
    other = house.queued_job(2)
    house.cancel(1)
    house.cancellation.cancel_waiting()
    assert word(house, other) == "PENDING"
    assert house.slurm.calls.count("cancel") == 1


def test_another_job_that_was_given_the_same_slurm_id_is_not_cancelled(house: House) -> None:
    forgotten = house.queued_job(1)
    house.cluster.forget_from(forgotten)
    again = house.queued_job(2)
    assert again == forgotten
    house.cancel(1)
    house.cancellation.cancel_waiting()
    assert word(house, again) == "PENDING"
    house.watch.look()
    house.clock.move(GRACE)
    house.watch.look()
    assert house.told(1) == ["accepted", "queued", "failed"]
    assert house.last_event(1)["reason"] == "lost"
    assert house.told(2) == ["accepted", "queued"]


def test_of_two_jobs_with_one_slurm_id_the_one_that_has_it_is_cancelled(house: House) -> None:
    forgotten = house.queued_job(1)
    house.cluster.forget_from(forgotten)
    again = house.queued_job(2)
    house.cancel(1, 2)
    house.cancellation.cancel_waiting()
    assert word(house, again) == "CANCELLED"


def test_many_are_cancelled_at_once(house: House) -> None:
    ids = [house.queued_job(number) for number in range(1, 6)]
    house.cancel(*range(1, 6))
    house.cancellation.cancel_waiting()
    assert {word(house, it) for it in ids} == {"CANCELLED"}
    assert house.slurm.calls.count("cancel") == 1


def test_a_job_whose_submission_is_in_doubt_is_cancelled_once_it_is_found(house: House) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.receive(message())
    house.submission.submit_waiting()
    house.cancel(1)
    house.cancellation.cancel_waiting()
    assert house.told() == ["accepted"]
    assert "cancel" not in house.slurm.calls
    house.submission.submit_waiting()
    house.cancellation.cancel_waiting()
    house.watch.look()
    assert house.told() == ["accepted", "queued", "cancelled"]


def test_a_job_in_doubt_that_did_not_arrive_is_not_submitted_again(house: House) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_AND_NOT_THERE)
    house.receive(message())
    house.submission.submit_waiting()
    house.cancel(1)
    for _ in range(5):
        house.clock.move(timedelta(minutes=1))
        house.submission.submit_waiting()
    assert house.told() == ["accepted", "cancelled"]
    assert house.slurm.calls.count("submit") == 1


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome.TAKEN, ["accepted", "queued", "cancelled"]),
        (Outcome.UNAVAILABLE, ["accepted", "cancelled"]),
        (Outcome.REFUSED, ["accepted", "cancelled"]),
    ],
)
def test_a_cancel_that_comes_while_sbatch_runs_is_kept(
    house: House, outcome: Outcome, told: list[str]
) -> None:
    house.receive(message())
    house.slurm.submissions.append(outcome)
    house.slurm.meanwhile.append(lambda: house.cancel(1))
    for _ in range(4):
        house.submission.submit_waiting()
        house.cancellation.cancel_waiting()
        house.clock.move(timedelta(seconds=21))
    house.watch.look()
    assert house.told() == told
    assert house.slurm.calls.count("submit") == 1


class BusyJournal(MemoryJournal):
    """Somebody else is at work: things happen just after jobs were read."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.meanwhile: deque[Callable[[], object]] = deque()

    def jobs(self, job_ids: Iterable[JobId]) -> tuple[Job, ...]:
        found = super().jobs(job_ids)
        if self.meanwhile:
            self.meanwhile.popleft()()
        return found


def test_a_job_that_moves_on_while_its_cancel_is_recorded_is_cancelled_all_the_same() -> None:
    house = House(BusyJournal)
    assert isinstance(house.journal, BusyJournal)
    house.receive(message())
    house.journal.meanwhile += [house.submission.submit_waiting, house.watch.look]
    assert house.cancel(1) == (Settlement.ACK,)
    assert house.told() == ["accepted", "queued"]
    house.cancellation.cancel_waiting()
    house.watch.look()
    assert house.told() == ["accepted", "queued", "cancelled"]


def test_a_job_that_waits_for_its_next_attempt_gets_none(house: House) -> None:
    house.retry = RetryPolicy(attempts=3, reasons=frozenset({FailureReason.TIMEOUT}))
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.cluster.end_as(slurm_id, "TIMEOUT")
    house.watch.look()
    house.cancel(1)
    assert house.told() == ["accepted", "queued", "started", "retrying", "cancelled"]
    assert house.last_event()["detail"] == "cancelled before attempt 2 was submitted"
    assert house.last_event()["next_attempt_at"] is None
    house.clock.move(timedelta(days=1))
    house.submission.submit_waiting()
    assert len(house.cluster.scripts) == 1


def test_a_job_that_fails_while_it_is_being_cancelled_gets_no_further_attempt(
    house: House,
) -> None:
    house.retry = RetryPolicy(attempts=3, reasons=frozenset({FailureReason.TIMEOUT}))
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.cancel(1)
    house.cluster.end_as(slurm_id, "TIMEOUT")
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "failed"]
    assert house.last_event()["reason"] == "timeout"


def test_a_job_that_finishes_first_has_finished(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.cancel(1)
    house.cluster.end(slurm_id)
    house.cancellation.cancel_waiting()
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "finished"]


def test_a_cancel_of_a_job_that_is_over_changes_nothing(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.cluster.end(slurm_id)
    house.watch.look()
    before = house.job()
    assert house.cancel(1) == (Settlement.ACK,)
    house.cancellation.cancel_waiting()
    assert house.job() == before
    assert "cancel" not in house.slurm.calls
    assert house.rejections() == []


# --- twice, unknown, too early


def test_a_cancel_that_comes_twice_is_one(house: House) -> None:
    house.queued_job()
    assert house.cancel(1, 1) == (Settlement.ACK, Settlement.ACK)
    house.cancel(1)
    house.cancellation.cancel_waiting()
    house.cancellation.cancel_waiting()
    house.watch.look()
    assert house.told() == ["accepted", "queued", "cancelled"]
    assert house.slurm.calls.count("cancel") == 1


def test_the_time_of_the_first_cancel_is_told(house: House) -> None:
    house.queued_job()
    first = house.clock.now()
    house.cancel(1)
    house.clock.move(timedelta(minutes=3))
    house.cancel(1)
    assert house.job().cancel_requested_at == first


def test_a_cancel_of_an_unknown_job_is_acknowledged_and_told(house: House) -> None:
    assert house.cancel(9) == (Settlement.ACK,)
    (rejection,) = house.rejections()
    assert rejection["job_id"] == job_id(9)
    assert "no job with this id has come here" in str(rejection["detail"])
    house.cancel(9)
    assert len(house.rejections()) == 1


def test_a_cancel_that_overtakes_its_job_is_kept_until_the_job_comes(house: House) -> None:
    house.cancel(1)
    house.clock.move(timedelta(hours=1))
    assert house.receive(message(1), message(2)) == (Settlement.ACK, Settlement.ACK)
    assert house.told(1) == ["accepted", "cancelled"]
    assert house.told(2) == ["accepted"]
    house.submission.submit_waiting()
    assert house.told(1) == ["accepted", "cancelled"]
    assert len(house.cluster.scripts) == 1


def test_a_cancel_that_overtakes_its_job_survives_a_restart(house: House) -> None:
    house.cancel(1)
    house.restart()
    house.receive(message())
    assert house.told() == ["accepted", "cancelled"]


# --- outages


def test_a_cancel_that_comes_while_slurm_is_away_is_kept_until_it_is_back(house: House) -> None:
    slurm_id = house.queued_job()
    house.slurm.controller_answers = False
    assert house.cancel(1) == (Settlement.ACK,)
    for _ in range(3):
        with pytest.raises(UnavailableError):
            house.cancellation.cancel_waiting()
        house.clock.move(timedelta(hours=1))
    assert house.told() == ["accepted", "queued"]
    house.slurm.controller_answers = True
    house.cancellation.cancel_waiting()
    assert word(house, slurm_id) == "CANCELLED"


def test_nothing_is_settled_while_the_wish_cannot_be_recorded(house: House) -> None:
    house.queued_job()
    house.journal.failure = "database or disk is full"
    with pytest.raises(UnavailableError, match="disk is full"):
        house.cancel(1)
    house.journal.failure = None
    assert house.cancel(1) == (Settlement.ACK,)
    house.cancellation.cancel_waiting()
    house.watch.look()
    assert house.told() == ["accepted", "queued", "cancelled"]


def test_slurm_is_asked_again_until_the_jobs_state_says_that_it_has_ended(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.cancel(1)
    assert house.cancellation.cancel_waiting() == SOON
    # scancel succeeded and nothing came of it, as when its message got lost.
    house.cluster.say(slurm_id, "RUNNING")
    house.clock.move(SOON - timedelta(seconds=1))
    house.cancellation.cancel_waiting()
    assert house.slurm.calls.count("cancel") == 1
    house.clock.move(timedelta(seconds=1))
    house.cancellation.cancel_waiting()
    assert house.slurm.calls.count("cancel") == 2
    house.cluster.cancel(slurm_id)
    house.watch.look()
    house.clock.move(SOON)
    house.cancellation.cancel_waiting()
    assert house.slurm.calls.count("cancel") == 2


def test_a_clock_that_is_set_does_not_change_when_slurm_is_asked_again(house: House) -> None:
    house.queued_job()
    house.cancel(1)
    house.cancellation.cancel_waiting()
    for day in (-400, 400):
        house.clock.set(house.clock.now() + timedelta(days=day))
        house.cancellation.cancel_waiting()
    assert house.slurm.calls.count("cancel") == 1


def test_a_restarted_daemon_asks_for_the_cancel_again(house: House) -> None:
    house.queued_job()
    house.cancel(1)
    house.cancellation.cancel_waiting()
    house.restart()
    house.cancellation.cancel_waiting()
    assert house.slurm.calls.count("cancel") == 2


# --- messages


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"garbage", ""),
        (b"\xff", ""),
        (b"[]", ""),
        (b"{}", "job_id"),
        (b'{"job_id": "1"}', "job_id"),
        (b'{"job_id": 1}', "job_id"),
        (cancel_message(job_id(1)).replace(b"cancel", b"pause"), "verb"),
        (cancel_message(job_id(1)).replace(b"1,", b"2,", 1), "version"),
        (cancel_message(job_id(1)).replace(b"}", b', "force": true}'), "force"),
    ],
    ids=range(9),
)
def test_a_message_that_is_no_cancel_is_rejected_and_dead_lettered(
    house: House, body: bytes, where: str
) -> None:
    house.queued_job(1)
    assert house.cancellation.receive([house.delivery(body)]) == (Settlement.DEAD_LETTER,)
    (rejection,) = house.rejections()
    problems = rejection["problems"]
    assert isinstance(problems, list)
    assert [it["where"] for it in problems] == [where]
    assert house.job().cancel_requested_at is None


def test_a_bad_message_between_good_ones_stops_nobody(house: House) -> None:
    house.receive(message(1), message(2))
    bodies = [cancel_message(job_id(1)), b"{", cancel_message(job_id(2))]
    settlements = house.cancellation.receive([house.delivery(it) for it in bodies])
    assert settlements == (Settlement.ACK, Settlement.DEAD_LETTER, Settlement.ACK)
    assert house.told(1) == house.told(2) == ["accepted", "cancelled"]


def test_the_message_that_cancels_is_this() -> None:
    assert json.loads(cancel_message(job_id(1))) == {
        "version": 1,
        "verb": "cancel",
        "job_id": "00000000-0000-4000-8000-000000000001",
    }


def test_a_cancel_names_its_job_in_any_spelling_of_the_id() -> None:
    upper = b'{"job_id": "ABCDEF00-0000-4000-8000-000000000001"}'
    assert read_cancel(upper) == "abcdef00-0000-4000-8000-000000000001"


def test_only_an_id_can_be_cancelled() -> None:
    with pytest.raises(ValueError, match="UUID"):
        cancel_message("digits")


def test_a_cancel_that_names_no_job_says_what_is_wanted() -> None:
    with pytest.raises(InvalidRequestError, match=r"job_id: a UUID is wanted.*\(found 'digits'\)"):
        read_cancel(b'{"job_id": "digits"}')
