"""Relaunch through the flows: a failed attempt becomes a new Slurm job, and the story goes on."""

from datetime import timedelta

import pytest
from unit.house import UNRENDERABLE, House, job_id, message

from bridge.core.failure import FailureReason
from bridge.core.job import SlurmId, submission_tag
from bridge.core.retry import RetryPolicy
from bridge.testing.slurm import Accounting
from bridge.testing.slurm import Submission as Outcome

WAIT = timedelta(minutes=1)
POLICY = RetryPolicy(
    attempts=3,
    reasons=frozenset({FailureReason.TIMEOUT, FailureReason.NODE_FAILURE, FailureReason.EXIT_CODE}),
    wait=WAIT,
)


@pytest.fixture
def house() -> House:
    house = House()
    house.retry = POLICY
    return house


def fail(house: House, number: int = 1, *, word: str = "TIMEOUT") -> None:
    """The job's present attempt starts and ends so, and the bridge sees it."""
    slurm_id = house.job(number).slurm_id
    assert slurm_id is not None
    house.cluster.start(slurm_id)
    house.cluster.end_as(slurm_id, word)
    house.watch.look()


def test_a_failed_attempt_is_followed_by_a_new_slurm_job_after_its_pause(house: House) -> None:
    house.queued_job()
    fail(house)
    assert house.told() == ["accepted", "queued", "started", "retrying"]
    house.clock.move(WAIT - timedelta(seconds=1))
    assert house.submission.submit_waiting().handled == 0
    house.clock.move(timedelta(seconds=1))
    assert house.submission.submit_waiting().handled == 1
    assert house.job().slurm_id == "2"
    assert house.told() == ["accepted", "queued", "started", "retrying", "queued"]
    tags = [it.tag for it in house.cluster.queue()]
    assert tags == [submission_tag("bridge", job_id(1), it) for it in (1, 2)]


def test_a_job_that_waits_for_its_next_attempt_holds_up_nobody(house: House) -> None:
    house.queued_job(1)
    fail(house, 1)
    house.queued_job(2)
    assert house.told(2) == ["accepted", "queued"]
    assert house.told(1)[-1] == "retrying"


def test_the_second_attempt_may_succeed(house: House) -> None:
    house.queued_job()
    fail(house)
    house.clock.move(WAIT)
    house.submission.submit_waiting()
    house.cluster.start(SlurmId("2"))
    house.cluster.end(SlurmId("2"))
    house.watch.look()
    assert house.told()[3:] == ["retrying", "queued", "started", "finished"]
    event = house.last_event()
    assert (event["attempt"], event["slurm_id"], event["sequence"]) == (2, "2", 7)


def test_after_the_last_attempt_the_job_has_failed(house: House) -> None:
    house.queued_job()
    for _ in range(3):
        fail(house)
        house.clock.move(timedelta(hours=1))
        house.submission.submit_waiting()
    assert house.told().count("retrying") == 2
    assert house.told()[-1] == "failed"
    assert len(house.cluster.scripts) == 3


def test_the_end_of_a_job_is_announced_once_and_no_failed_attempt_is_one(house: House) -> None:
    house.queued_job()
    for _ in range(3):
        fail(house)
        house.watch.look()
        house.clock.move(timedelta(hours=1))
        house.submission.submit_waiting()
    house.watch.look()
    assert [(it.job_id, it.attempt, it.phase) for it in house.over] == [(job_id(1), 3, "failed")]


def test_markers_of_the_failed_attempt_do_not_touch_the_next_one(house: House) -> None:
    house.queued_job()
    fail(house)
    house.folders.drop_start(job_id(1), attempt=1)
    house.folders.drop_end(job_id(1), attempt=1, exit_code=3)
    house.watch.read_marks()
    house.clock.move(WAIT)
    house.submission.submit_waiting()
    house.watch.read_marks()
    assert house.told()[-1] == "queued"
    assert house.folders.marks() == ()
    house.folders.drop_start(job_id(1), attempt=2, node="n7")
    house.watch.read_marks()
    assert house.told()[-1] == "started"
    assert house.last_event()["nodes"] == "n7"


def test_a_container_that_failed_is_tried_again_where_accounting_is_off(house: House) -> None:
    house.slurm.accounting_is = Accounting.OFF
    slurm_id = house.queued_job()
    house.folders.drop_start(job_id(1))
    house.folders.drop_end(job_id(1), exit_code=3)
    house.watch.read_marks()
    house.cluster.lose(slurm_id)
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "exited", "retrying"]
    assert house.last_event()["exit_code"] == 3


def test_a_node_failure_is_believed_before_the_job_is_tried_again(house: House) -> None:
    house.queued_job()
    fail(house, word="NODE_FAIL")
    assert house.told()[-1] == "queued"
    house.clock.move(timedelta(seconds=15))
    house.watch.look()
    assert house.told()[-2:] == ["started", "retrying"]


def test_a_node_failure_after_which_slurm_requeues_is_no_new_attempt(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.watch.look()
    house.cluster.requeue(slurm_id, word="NODE_FAIL")
    for _ in range(3):
        house.clock.move(timedelta(seconds=15))
        house.watch.look()
    assert "retrying" not in house.told()
    assert house.job().attempt == 1


def test_a_restarted_daemon_submits_the_next_attempt_when_its_time_has_come(house: House) -> None:
    house.queued_job()
    fail(house)
    house.restart()
    assert house.submission.submit_waiting().handled == 0
    house.clock.move(WAIT)
    assert house.submission.submit_waiting().handled == 1
    assert len(house.cluster.scripts) == 2


@pytest.mark.parametrize("back", [timedelta(days=400), timedelta(minutes=30)])
def test_a_clock_that_is_set_back_keeps_no_attempt_waiting(house: House, back: timedelta) -> None:
    house.queued_job()
    fail(house)
    house.clock.set(house.clock.now() - back)
    assert house.submission.submit_waiting().handled == 1
    assert house.told()[-2:] == ["retrying", "queued"]


def test_a_next_attempt_in_doubt_is_found_under_its_own_tag(house: House) -> None:
    house.queued_job()
    fail(house)
    house.clock.move(WAIT)
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.submission.submit_waiting()
    house.submission.submit_waiting()
    assert house.job().slurm_id == "2"
    assert len(house.cluster.scripts) == 2


def test_a_refusal_of_the_next_attempt_is_the_end(house: House) -> None:
    house.queued_job()
    fail(house)
    house.clock.move(WAIT)
    house.slurm.submissions.append(Outcome.REFUSED)
    house.submission.submit_waiting()
    assert house.told()[-2:] == ["retrying", "failed"]
    assert house.last_event()["reason"] == "refused"
    assert house.last_event()["attempt"] == 2


def test_a_job_that_cannot_be_written_is_not_tried_again(house: House) -> None:
    house.intake = house.lenient_intake()
    house.receive(message(1, image=UNRENDERABLE))
    house.submission.submit_waiting()
    assert house.told() == ["accepted", "failed"]
