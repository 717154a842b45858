"""Two Slurm jobs of one attempt: the one that has the container is the one that counts."""

import pytest
from unit.builders import Story, claimed, queued, running, seen
from unit.house import SETTLE_TIME, House, job_id, message

from bridge.core.job import SlurmId
from bridge.testing.slurm import Submission as Outcome


@pytest.fixture
def house() -> House:
    return House()


OTHER = SlurmId("4712")


def doubled(house: House) -> tuple[SlurmId, SlurmId]:
    """A queued job, and a second Slurm job of its attempt: their ids."""
    first = house.queued_job()
    return first, house.cluster.submit(house.cluster.scripts[first])


def in_doubt(house: House) -> tuple[SlurmId, SlurmId]:
    """Two Slurm jobs of an attempt of which the bridge knows none yet: their ids."""
    house.receive(message())
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.submission.submit_waiting()
    ((first, script),) = house.cluster.scripts.items()
    return first, house.cluster.submit(script)


def words(house: House) -> dict[SlurmId, str]:
    return {it.slurm_id: it.word for it in house.cluster.queue()}


# --- the job's life -------------------------------------------------------------------------------


def test_a_claim_tells_nothing_and_leaves_the_job_where_it_is() -> None:
    story = running(claimed(5))
    assert story.tells == ["accepted", "queued", "started"]
    assert story.job.slurm_id == OTHER
    assert story.job.phase == "running"


def test_the_other_slurm_jobs_own_start_is_no_requeue() -> None:
    story = queued(
        seen("RUNNING", 4, start=4),
        claimed(5),
        seen("RUNNING", 6, start=3),
        seen("COMPLETED", 8, code=0, start=3, end=7),
    )
    assert story.tells == ["accepted", "queued", "started", "finished"]


def test_a_job_that_slurm_does_not_have_has_no_other_one() -> None:
    assert Story(claimed(1)).job.slurm_id is None


# --- watch ----------------------------------------------------------------------------------------


def test_the_end_of_a_slurm_job_without_the_container_is_not_that_of_the_job(
    house: House,
) -> None:
    first, second = doubled(house)
    house.folders.claims[job_id(1), 1] = second
    house.cluster.start(second)
    house.cluster.start(first)
    house.cluster.end(first, exit_code=75)
    house.watch.look()
    assert house.job().slurm_id == second
    house.watch.look()
    house.cluster.end(second)
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "finished"]
    assert house.last_event()["slurm_id"] == second


def test_a_container_may_exit_with_75_itself(house: House) -> None:
    first = house.queued_job()
    house.folders.claims[job_id(1), 1] = first
    house.cluster.start(first)
    house.cluster.end(first, exit_code=75)
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "failed"]
    assert house.last_event()["exit_code"] == 75


def test_an_attempt_that_was_cancelled_in_the_queue_is_not_run_by_another_slurm_job(
    house: House,
) -> None:
    first, _ = doubled(house)
    house.cluster.cancel(first)
    house.watch.look()
    assert house.told() == ["accepted", "queued", "cancelled"]
    assert house.folders.claims[job_id(1), 1] == first


def test_a_claim_of_what_is_no_slurm_job_of_this_attempt_is_not_believed(house: House) -> None:
    first, stranger = house.queued_job(1), house.queued_job(2)
    house.folders.claims[job_id(1), 1] = stranger
    house.cluster.start(first)
    house.cluster.end(first, exit_code=3)
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "failed"]


def test_while_the_job_folders_are_away_slurms_word_counts(house: House) -> None:
    first = house.queued_job()
    house.cluster.start(first)
    house.cluster.end(first, exit_code=3)
    house.folders.is_available = False
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "failed"]


# --- submit ---------------------------------------------------------------------------------------


def test_of_two_slurm_jobs_the_one_with_the_container_is_kept(house: House) -> None:
    first, second = in_doubt(house)
    house.folders.claims[job_id(1), 1] = second
    house.cluster.start(second)
    house.submission.submit_waiting()
    assert house.job().slurm_id == second
    assert words(house) == {first: "CANCELLED", second: "RUNNING"}


def test_before_one_of_two_slurm_jobs_is_cancelled_the_other_is_given_the_container(
    house: House,
) -> None:
    first, second = in_doubt(house)
    house.submission.submit_waiting()
    assert house.folders.claims == {(job_id(1), 1): first}
    assert words(house) == {first: "PENDING", second: "CANCELLED"}


def test_none_of_two_slurm_jobs_is_cancelled_while_the_job_folders_are_away(
    house: House,
) -> None:
    first, second = in_doubt(house)
    house.folders.is_available = False
    assert house.submission.submit_waiting().doubtful == 1
    assert words(house) == {first: "PENDING", second: "PENDING"}
    house.folders.is_available = True
    house.clock.move(SETTLE_TIME)
    house.submission.submit_waiting()
    assert house.job().slurm_id == first
