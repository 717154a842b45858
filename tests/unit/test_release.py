"""Jobs that wait for others, through the flows."""

import json
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from unit.house import UNKNOWN_GRACE, House, job_id, message

from bridge.core.errors import UnavailableError
from bridge.core.failure import FailureReason
from bridge.core.retry import RetryPolicy
from bridge.ports import Settlement


@pytest.fixture
def house() -> House:
    return House()


def waiting(number: int, *on: int, **changes: object) -> bytes:
    return message(number, depends_on=[job_id(it) for it in on], **changes)


def finish(house: House, number: int, *, exit_code: int = 0) -> None:
    house.submission.submit_waiting()
    slurm_id = house.job(number).slurm_id
    assert slurm_id is not None
    house.cluster.start(slurm_id)
    house.cluster.end(slurm_id, exit_code=exit_code)
    house.watch.look()


def release_all(house: House) -> None:
    while house.release.release_waiting().changed:
        pass


def phases(house: House, *numbers: int) -> list[str]:
    return [house.job(it).phase.value for it in numbers]


def test_a_chain_runs_one_after_the_other(house: House) -> None:
    house.receive(message(1), waiting(2, 1), waiting(3, 2))
    house.submission.submit_waiting()
    release_all(house)
    assert phases(house, 1, 2, 3) == ["queued", "blocked", "blocked"]

    finish(house, 1)
    release_all(house)
    assert phases(house, 2, 3) == ["accepted", "blocked"]
    finish(house, 2)
    release_all(house)
    finish(house, 3)

    assert phases(house, 1, 2, 3) == ["finished"] * 3
    assert house.told(3) == ["accepted", "pending", "queued", "started", "finished"]


def test_jobs_that_wait_take_no_place_among_those_to_submit(house: House) -> None:
    house.receive(*(waiting(it, 9) for it in range(10, 30)), message(1))

    assert [it.job_id for it in house.journal.waiting(1, now=house.clock.now())] == [job_id(1)]


def test_a_failed_job_ends_all_that_wait_for_it_in_turn(house: House) -> None:
    house.receive(message(1), waiting(2, 1), waiting(3, 2), waiting(4, 1))
    finish(house, 1, exit_code=3)
    release_all(house)

    assert phases(house, 2, 3, 4) == ["failed"] * 3
    assert house.told(3) == ["accepted", "pending", "failed"]
    last = house.last_event(3)
    assert last["reason"] == "dependency"
    assert last["detail"] == f"it waited for the job {job_id(2)}, which has failed"
    assert house.slurm.calls.count("submit") == 1


def test_one_that_is_retried_has_not_ended(house: House) -> None:
    house.receive(message(1), waiting(2, 1))
    house.retry = RetryPolicy(attempts=2, reasons=frozenset({FailureReason.EXIT_CODE}))
    finish(house, 1, exit_code=3)
    release_all(house)
    assert phases(house, 1, 2) == ["accepted", "blocked"]

    house.clock.move(timedelta(minutes=1))
    finish(house, 1)
    release_all(house)
    assert phases(house, 1, 2) == ["finished", "accepted"]


def test_a_job_may_come_before_the_one_it_waits_for(house: House) -> None:
    house.receive(waiting(2, 1))
    house.clock.move(UNKNOWN_GRACE)
    release_all(house)
    assert phases(house, 2) == ["blocked"]
    house.receive(message(1))
    house.clock.move(UNKNOWN_GRACE * 5)
    release_all(house)
    assert phases(house, 2) == ["blocked"]

    finish(house, 1)
    release_all(house)
    assert phases(house, 2) == ["accepted"]


def test_one_that_does_not_come_ends_it(house: House) -> None:
    house.receive(waiting(2, 1))
    house.clock.move(UNKNOWN_GRACE + timedelta(seconds=1))
    release_all(house)

    assert house.told(2) == ["accepted", "pending", "failed"]
    assert house.last_event(2)["detail"] == (
        f"it waited for the job {job_id(1)}, which has not come"
    )


@pytest.mark.parametrize("first", ["the rejected one", "the one that waits"])
def test_one_that_was_rejected_ends_it_at_once(house: House, first: str) -> None:
    bodies = [message(1, image="/home/mallory/any.sif"), waiting(2, 1)]
    house.receive(*(bodies if first == "the rejected one" else reversed(bodies)))
    release_all(house)

    assert house.told(2) == ["accepted", "pending", "failed"]
    assert "was rejected" in str(house.last_event(2)["detail"])


def test_a_rejection_says_nothing_of_a_job_that_bears_the_same_id(house: House) -> None:
    house.receive(message(1), waiting(2, 1))
    house.receive(message(1, name="another"), message(1, image="/home/mallory/any.sif"))
    house.receive(waiting(3, 1))
    release_all(house)

    assert phases(house, 2, 3) == ["blocked", "blocked"]


def test_one_that_has_ended_long_ago_is_not_waited_for(house: House) -> None:
    house.receive(message(1))
    finish(house, 1)
    house.receive(waiting(2, 1))
    release_all(house)

    assert phases(house, 2) == ["accepted"]


def test_a_job_that_waits_is_cancelled_at_once_and_those_behind_it_end(house: House) -> None:
    house.receive(message(1), waiting(2, 1), waiting(3, 2))
    house.cancel(2)
    release_all(house)

    assert phases(house, 2, 3) == ["cancelled", "failed"]
    assert "was cancelled" in str(house.last_event(3)["detail"])
    assert house.journal.blocked() == ()


def test_any_end_does_where_a_job_says_so(house: House) -> None:
    cleanup = message(2, depends_on=[{"job_id": job_id(1), "condition": "afterany"}])
    house.receive(message(1), cleanup)
    finish(house, 1, exit_code=3)
    release_all(house)

    assert phases(house, 2) == ["accepted"]


def test_a_circle_is_refused_whoever_closes_it(house: House) -> None:
    assert house.receive(waiting(1, 2), waiting(2, 3)) == (Settlement.ACK, Settlement.ACK)

    assert house.receive(waiting(3, 1)) == (Settlement.DEAD_LETTER,)
    (rejection,) = house.rejections()
    assert rejection["job_id"] == job_id(3)
    assert "none could ever run" in str(rejection["detail"])


def test_a_circle_within_one_batch_is_refused(house: House) -> None:
    settled = house.receive(waiting(1, 2), waiting(2, 3), waiting(3, 1))
    assert settled == (Settlement.ACK, Settlement.ACK, Settlement.DEAD_LETTER)


def test_a_job_that_others_wait_for_may_wait_itself(house: House) -> None:
    house.receive(waiting(2, 1))
    assert house.receive(waiting(1, 5), message(5)) == (Settlement.ACK, Settlement.ACK)
    assert house.receive(waiting(2, 1)) == (Settlement.ACK,), "the same message again"


def test_nothing_is_settled_while_the_journal_cannot_be_asked_for_circles(house: House) -> None:
    house.journal.failure = "disk I/O error"
    with pytest.raises(UnavailableError):
        house.receive(waiting(2, 1))
    house.journal.failure = None
    assert house.rejections() == []


def test_what_happened_before_a_crash_is_told_after_it(house: House) -> None:
    house.receive(message(1), waiting(2, 1))
    finish(house, 1)
    house.restart()
    release_all(house)

    assert phases(house, 2) == ["accepted"]


def test_the_message_of_a_job_that_waits_lies_in_its_folder(house: House) -> None:
    house.receive(message(1), waiting(2, 1))
    assert house.release.release_waiting().noted == 2

    assert list(house.folders.files) == [job_id(2)]
    assert json.loads(house.folders.files[job_id(2)]["job.json"])["job_id"] == job_id(2)
    assert house.release.release_waiting().noted == 0


def test_it_is_put_there_once_the_file_system_answers_again(house: House) -> None:
    house.receive(waiting(2, 1))
    house.folders.is_available = False
    with capture_logs() as logs:
        assert house.release.release_waiting().noted == 0
    assert [it["event"] for it in logs] == ["waiting_jobs_not_noted"]
    house.restart()
    house.folders.is_available = True

    house.release.release_waiting()

    assert list(house.folders.files) == [job_id(2)]


def test_far_more_jobs_than_one_batch_are_released(house: House) -> None:
    numbers = range(2, 1200)
    house.receive(message(1), *(waiting(it, 1) for it in numbers))
    finish(house, 1)
    release_all(house)

    assert house.journal.blocked() == ()
