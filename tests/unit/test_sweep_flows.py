"""Sweeps through the flows: one array, and a life of its own for each task."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from unit.builders import site
from unit.house import GRACE, SETTLE_TIME, House, job_id, message

from bridge.core.errors import UnavailableError
from bridge.core.failure import FailureReason
from bridge.core.job import JobId, SlurmId, task_id
from bridge.core.lifecycle import Job
from bridge.core.policy import admission_problems
from bridge.core.retry import RetryPolicy
from bridge.flows.submit import Submission
from bridge.testing.memory_journal import MemoryJournal
from bridge.testing.slurm import Submission as Outcome
from bridge.wire.request import read_job


@pytest.fixture
def house() -> House:
    return House()


def sweep(number: int = 1, tasks: int = 3, **changes: object) -> bytes:
    return message(number, sweep={"list": [{"n": it} for it in range(tasks)]}, **changes)


def task(index: int, number: int = 1) -> JobId:
    return task_id(job_id(number), index)


def job(house: House, index: int) -> Job:
    (found,) = house.journal.jobs([task(index)])
    return found


def told(house: House, wanted: JobId) -> list[str]:
    return [
        it.message.routing_key.removeprefix("testbed.")
        for it in house.journal.unsent(10_000)
        if it.message.event_id.startswith(f"{wanted}/")
    ]


def release_all(house: House) -> None:
    while house.release.release_waiting().changed:
        pass


def submitted(house: House, tasks: int = 3) -> None:
    house.receive(sweep(tasks=tasks))
    house.submission.submit_waiting()


def one_by_one(house: House) -> Submission:
    """How sweeps are submitted where there are no arrays."""
    return Submission(
        site=house.site,
        scheduler=house.slurm,
        folders=house.folders,
        journal=house.journal,
        recorder=house.recorder,
        clock=house.clock,
        prepare=house._prepare,
        settle_time=SETTLE_TIME,
        takes_arrays=False,
    )


def test_one_submission_makes_all_tasks_jobs_of_their_own(house: House) -> None:
    submitted(house)

    assert house.slurm.calls.count("submit") == 1
    assert house.told() == ["accepted", "queued"]
    assert [job(house, it).slurm_id for it in range(3)] == ["1_0", "1_1", "1_2"]
    for index in range(3):
        assert told(house, task(index)) == ["accepted", "queued"]
        assert list(house.folders.files[task(index)]) == ["job.json"]
        spec = read_job(house.journal.request(task(index)), site="testbed")
        assert spec.job_id == task(index)
    assert len(house.journal.live()) == 3, "the sweep itself is nothing that Slurm is asked about"
    assert house.journal.waiting(10, now=house.clock.now()) == ()


def test_the_sweep_tells_the_first_start_and_the_end_with_counts(house: House) -> None:
    submitted(house)
    for index, code in enumerate((0, 7, 0)):
        slurm_id = SlurmId(f"1_{index}")
        house.cluster.start(slurm_id)
        house.watch.look()
        release_all(house)
        assert house.told() == ["accepted", "queued", "started"]
        house.cluster.end(slurm_id, exit_code=code)
        house.watch.look()
    release_all(house)

    assert house.told() == ["accepted", "queued", "started", "failed"]
    last = house.last_event()
    assert last["detail"] == "of 3 tasks 2 finished, 1 failed"
    assert last["tasks"] == {"total": 3, "finished": 2, "failed": 1, "cancelled": 0}
    assert told(house, task(1)) == ["accepted", "queued", "started", "failed"]


@pytest.mark.parametrize(("code", "end"), [(0, "finished"), (7, "failed")])
def test_tasks_that_were_too_quick_to_be_seen_running_end_it_all_the_same(
    house: House, code: int, end: str
) -> None:
    submitted(house)
    for index in range(3):
        house.cluster.start(SlurmId(f"1_{index}"))
        house.cluster.end(SlurmId(f"1_{index}"), exit_code=code)
    house.watch.look()
    release_all(house)

    assert house.told() == ["accepted", "queued", "started", end]


def test_a_sweep_of_which_no_task_has_run_never_started(house: House) -> None:
    submitted(house)
    house.cancel(1)
    house.cancellation.cancel_waiting()
    house.watch.look()
    house.clock.move(GRACE)
    house.watch.look()
    release_all(house)

    assert house.told() == ["accepted", "queued", "cancelled"]


def test_who_waits_for_a_sweep_waits_for_all_of_it(house: House) -> None:
    house.receive(sweep(1, 2), message(2, depends_on=[job_id(1)]))
    house.submission.submit_waiting()
    for index in range(2):
        release_all(house)
        assert house.job(2).phase == "blocked"
        house.cluster.start(SlurmId(f"1_{index}"))
        house.cluster.end(SlurmId(f"1_{index}"))
        house.watch.look()
    release_all(house)

    assert house.job(2).phase == "accepted"


def test_a_sweep_may_wait_for_another_job(house: House) -> None:
    house.receive(sweep(1, 2, depends_on=[job_id(2)]), message(2))
    house.submission.submit_waiting()
    assert house.job(1).phase == "blocked"
    house.cluster.start(SlurmId("1"))
    house.cluster.end(SlurmId("1"))
    house.watch.look()
    release_all(house)
    house.submission.submit_waiting()

    assert job(house, 1).slurm_id == "2_1"
    assert job(house, 1).waits_for == ()


@pytest.mark.parametrize("outcome", [Outcome.UNCERTAIN_BUT_THERE, Outcome.UNCERTAIN_AND_LATE])
def test_an_array_of_which_nothing_is_known_is_found_by_its_tag(
    house: House, outcome: Outcome
) -> None:
    house.slurm.submissions.append(outcome)
    submitted(house)
    assert house.job().phase == "submitting"
    assert house.journal.jobs([task(0)]) == ()
    house.restart()
    house.clock.move(SETTLE_TIME * 2)

    house.submission.submit_waiting()

    assert house.slurm.calls.count("submit") == 1
    assert [job(house, it).slurm_id for it in range(3)] == ["1_0", "1_1", "1_2"]


def test_an_array_that_did_not_arrive_is_submitted_again(house: House) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_AND_NOT_THERE)
    submitted(house)
    for _ in range(3):
        house.clock.move(SETTLE_TIME)
        house.submission.submit_waiting()

    assert house.slurm.calls.count("submit") == 2
    assert job(house, 2).slurm_id == "1_2"


def test_a_refused_array_is_one_failure_and_no_tasks(house: House) -> None:
    house.slurm.submissions.append(Outcome.REFUSED)
    submitted(house)

    assert house.told() == ["accepted", "failed"]
    assert house.journal.jobs([task(0)]) == ()


def double(house: House) -> None:
    """The array is in Slurm twice, and nobody knows of either."""
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    submitted(house)
    house.cluster.submit(house.cluster.scripts[SlurmId("1_0")])


def test_of_two_arrays_the_first_is_kept_where_none_has_a_container(house: House) -> None:
    double(house)
    house.submission.submit_waiting()

    assert [job(house, it).slurm_id for it in range(3)] == ["1_0", "1_1", "1_2"]
    assert [house.folders.claims[task(it), 1] for it in range(3)] == ["1_0", "1_1", "1_2"]
    queue = {it.slurm_id: it.word for it in house.cluster.queue()}
    assert {queue[SlurmId(f"2_{it}")] for it in range(3)} == {"CANCELLED"}


def test_of_two_arrays_each_keeps_the_containers_that_it_has(house: House) -> None:
    double(house)
    house.folders.claim(task(1), 1, SlurmId("2_1"))
    house.submission.submit_waiting()
    for slurm_id in ("1_0", "1_1", "1_2", "2_1"):
        house.cluster.start(SlurmId(slurm_id))
    house.watch.look()
    house.cluster.end(SlurmId("1_1"), exit_code=75)
    house.watch.look()

    assert job(house, 1).slurm_id == "2_1"
    listed = {it.slurm_id: it.word for it in house.cluster.queue()}
    assert listed[SlurmId("2_1")] == "RUNNING"
    assert SlurmId("2_0") not in listed
    house.cluster.end(SlurmId("2_1"))
    house.watch.look()
    assert told(house, task(1))[-1] == "finished"


def test_a_sweep_is_cancelled_as_one_array(house: House) -> None:
    submitted(house)
    house.cluster.start(SlurmId("1_0"))
    house.watch.look()
    release_all(house)
    house.cancel(1)
    house.cancellation.cancel_waiting()
    assert house.slurm.calls.count("cancel") == 1
    house.watch.look()
    house.clock.move(GRACE)
    house.watch.look()
    release_all(house)

    assert house.told() == ["accepted", "queued", "started", "cancelled"]
    assert house.last_event()["tasks"] == {
        "total": 3,
        "finished": 0,
        "failed": 0,
        "cancelled": 3,
    }
    assert told(house, task(0)) == ["accepted", "queued", "started", "cancelled"]


def test_one_task_is_cancelled_alone(house: House) -> None:
    submitted(house)
    house.cancellation.receive([house.delivery(_cancel(task(1)))])
    house.cancellation.cancel_waiting()
    house.watch.look()
    house.clock.move(GRACE / 5)
    house.watch.look()

    assert told(house, task(1)) == ["accepted", "queued", "cancelled"]
    assert told(house, task(0)) == ["accepted", "queued"]
    assert house.told() == ["accepted", "queued"]


def test_a_cancel_that_comes_before_its_task_is_a_job_is_kept_until_it_is_one(
    house: House,
) -> None:
    house.receive(sweep())
    house.cancellation.receive([house.delivery(_cancel(task(1)))])
    assert "it is cancelled then" in str(house.rejections()[0]["detail"])
    house.restart()
    house.submission.submit_waiting()
    house.cancellation.cancel_waiting()

    assert [job(house, it).cancel_requested_at is None for it in range(3)] == [True, False, True]
    queue = {it.slurm_id: it.word for it in house.cluster.queue()}
    assert queue == {"1_0": "PENDING", "1_2": "PENDING"}
    house.watch.look()
    house.clock.move(GRACE / 5)
    house.watch.look()
    assert told(house, task(1)) == ["accepted", "queued", "cancelled"]
    assert told(house, task(0)) == ["accepted", "queued"]


def test_such_a_task_ends_at_once_where_slurm_does_not_have_it(house: House) -> None:
    house.submission = one_by_one(house)
    house.receive(sweep())
    house.cancellation.receive([house.delivery(_cancel(task(1)))])
    house.submission.submit_waiting()
    house.cancellation.cancel_waiting()
    house.submission.submit_waiting()

    assert told(house, task(1)) == ["accepted", "cancelled"]
    assert house.slurm.calls.count("submit") == 2
    assert "cancel" not in house.slurm.calls


@pytest.mark.parametrize("arrays", [True, False])
def test_such_a_cancel_is_kept_by_a_daemon_that_is_killed_as_the_tasks_come_to_be(
    house: House, *, arrays: bool
) -> None:
    house.submission = house.submission if arrays else one_by_one(house)
    house.receive(sweep())
    house.submission.submit_waiting()
    house.journal.remember_cancel(task(1), at=house.clock.now())
    house.restart()
    house.cancellation.cancel_waiting()

    assert [job(house, it).cancel_requested_at is None for it in range(3)] == [True, False, True]


def test_such_a_cancel_is_kept_while_the_journal_fails() -> None:
    class ForgetfulJournal(MemoryJournal):
        fails = False

        def cancels(self, job_ids: Iterable[JobId]) -> frozenset[JobId]:
            if self.fails:
                raise UnavailableError("database or disk is full")
            return super().cancels(job_ids)

    house = House(ForgetfulJournal)
    assert isinstance(house.journal, ForgetfulJournal)
    house.receive(sweep())
    house.cancellation.receive([house.delivery(_cancel(task(1)))])
    house.cancellation.cancel_waiting()
    house.journal.fails = True
    with pytest.raises(UnavailableError):
        house.submission.submit_waiting()
    house.journal.fails = False
    house.cancellation.cancel_waiting()

    assert job(house, 1).cancel_requested_at is not None


def _cancel(wanted: JobId) -> bytes:
    return f'{{"job_id": "{wanted}"}}'.encode()


def test_a_task_that_somebody_cancels_at_the_site_is_cancelled(house: House) -> None:
    submitted(house)
    house.watch.look()
    house.cluster.cancel(SlurmId("1_1"))
    house.watch.look()
    house.clock.move(GRACE / 5)
    house.watch.look()

    assert told(house, task(1)) == ["accepted", "queued", "cancelled"]
    assert told(house, task(0)) == ["accepted", "queued"]


def test_a_task_whose_arrays_number_somebody_else_has_now_is_lost(house: House) -> None:
    submitted(house)
    house.watch.look()
    for index in range(3):
        house.cluster.lose(SlurmId(f"1_{index}"))
    house.cluster.forget_from(SlurmId("1"))
    house.receive(sweep(2))
    house.submission.submit_waiting()
    house.watch.look()
    house.clock.move(GRACE / 5)
    house.watch.look()
    assert told(house, task(1)) == ["accepted", "queued"]
    house.clock.move(GRACE)
    house.watch.look()

    assert told(house, task(1)) == ["accepted", "queued", "failed"]
    assert told(house, task(1, 2)) == ["accepted", "queued"]


def test_a_cancel_while_the_array_is_submitted_reaches_all_its_tasks(house: House) -> None:
    house.slurm.meanwhile.append(lambda: house.cancel(1))
    submitted(house)
    assert house.job().phase == "submitting", "the answer was to an older job"
    house.clock.move(SETTLE_TIME * 2)
    house.submission.submit_waiting()
    house.cancellation.cancel_waiting()

    assert all(job(house, it).cancel_requested_at is not None for it in range(3))
    assert house.slurm.calls.count("cancel") == 1


def test_a_sweep_that_waits_to_be_submitted_is_cancelled_at_once(house: House) -> None:
    house.receive(sweep())
    house.cancel(1)
    assert house.told() == ["accepted", "cancelled"]


def test_a_failed_task_is_tried_again_by_itself(house: House) -> None:
    house.retry = RetryPolicy(attempts=2, reasons=frozenset({FailureReason.EXIT_CODE}))
    submitted(house)
    house.cluster.start(SlurmId("1_1"))
    house.cluster.end(SlurmId("1_1"), exit_code=3)
    house.watch.look()
    assert job(house, 1).phase == "accepted"
    house.clock.move(timedelta(minutes=1))
    house.submission.submit_waiting()
    assert job(house, 1).slurm_id == "2"
    house.cancel(1)
    house.cancellation.cancel_waiting()

    ends = {it.slurm_id: it.word for it in house.cluster.queue()}
    assert ends.pop(SlurmId("1_1")) == "FAILED"
    assert set(ends.values()) == {"CANCELLED"}, "the array, and the one that left it"


def test_tasks_are_no_strays(house: House) -> None:
    submitted(house)
    assert house.sweep.sweep() == 0

    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.receive(sweep(2))
    house.submission.submit_waiting()
    assert house.sweep.sweep() == 3
    assert "cancel" not in house.slurm.calls, "of tasks that are not known yet nothing is said"


def test_a_second_array_that_comes_late_is_put_right(house: House) -> None:
    submitted(house)
    house.cluster.submit(house.cluster.scripts[SlurmId("1_0")])

    house.sweep.sweep()

    assert {it.slurm_id for it in house.cluster.queue()} == {"1_0", "1_1", "1_2"}


def test_where_there_are_no_arrays_tasks_are_submitted_one_by_one(house: House) -> None:
    house.submission = one_by_one(house)
    submitted(house)
    assert house.told() == ["accepted", "queued"]
    house.submission.submit_waiting()
    assert [job(house, it).slurm_id for it in range(3)] == ["1", "2", "3"]
    for slurm_id in ("1", "2", "3"):
        house.cluster.start(SlurmId(slurm_id))
        house.cluster.end(SlurmId(slurm_id))
    house.watch.look()
    release_all(house)
    assert house.told() == ["accepted", "queued", "started", "finished"]


def test_a_site_says_how_many_tasks_a_sweep_may_have() -> None:
    spec = read_job(sweep(tasks=5), site="testbed")

    assert admission_problems(spec, site(most_tasks=5)) == ()
    (problem,) = admission_problems(spec, site(most_tasks=4))
    assert str(problem) == ("sweep: 5 tasks asked for, testbed allows at most 4 in one sweep")
