"""Sweep: Slurm jobs that bear a tag of ours, and that no job is known by."""

import pytest
from structlog.testing import capture_logs
from unit.house import House, job_id, message

from bridge.core.job import SlurmId
from bridge.testing.slurm import Accounting
from bridge.testing.slurm import Submission as Outcome


@pytest.fixture
def house() -> House:
    return House()


def words(house: House) -> dict[str, str]:
    return {str(it.slurm_id): it.word for it in house.cluster.queue()}


def doubled(house: House) -> tuple[SlurmId, SlurmId]:
    """A queued job, and a second submission of its attempt that arrived late."""
    known = house.queued_job()
    return known, house.cluster.submit(house.cluster.scripts[known])


def test_jobs_that_are_known_are_left_alone(house: House) -> None:
    house.queued_job(1)
    house.cluster.start(house.queued_job(2))
    assert house.sweep.sweep() == 0
    assert words(house) == {"1": "PENDING", "2": "RUNNING"}


def test_a_submission_that_arrived_late_is_cancelled(house: House) -> None:
    known, late = doubled(house)
    assert house.sweep.sweep() == 1
    assert words(house) == {known: "PENDING", late: "CANCELLED"}


def test_a_late_one_that_has_the_container_is_the_job_from_then_on(house: House) -> None:
    known, late = doubled(house)
    house.folders.claims[(job_id(1), 1)] = late
    house.sweep.sweep()
    assert words(house) == {known: "CANCELLED", late: "PENDING"}
    assert house.job().slurm_id == late
    assert house.told() == ["accepted", "queued"]


def test_a_slurm_job_of_a_job_that_is_over_is_cancelled(house: House) -> None:
    known, late = doubled(house)
    house.cluster.start(known)
    house.cluster.end(known)
    house.watch.look()
    assert house.told()[-1] == "finished"
    house.sweep.sweep()
    assert words(house)[late] == "CANCELLED"


def test_a_submission_in_doubt_is_left_to_submit(house: House) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.receive(message())
    house.submission.submit_waiting()
    house.sweep.sweep()
    assert words(house) == {"1": "PENDING"}


def test_a_job_that_the_journal_does_not_know_is_told_in_the_log_and_left_alone(
    house: House,
) -> None:
    house.cluster.submit(f"#!/bin/bash\n#SBATCH --job-name=bridge-{job_id(9)}-1\n")
    with capture_logs() as logs:
        house.sweep.sweep()
    assert words(house) == {"1": "PENDING"}
    assert [it["event"] for it in logs] == ["stray_of_unknown_job"]


def test_somebody_elses_jobs_are_none_of_ours(house: House) -> None:
    house.cluster.submit("#!/bin/bash\n#SBATCH --job-name=interactive\n")
    assert house.sweep.sweep() == 0


def test_accounting_that_contradicts_the_queue_changes_nothing_and_is_told_in_the_log(
    house: House,
) -> None:
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.watch.look()
    house.cluster.requeue(slurm_id, word="NODE_FAIL")
    house.cluster.start(slurm_id)
    with capture_logs() as logs:
        house.sweep.sweep()
    assert house.told()[:3] == ["accepted", "queued", "started"]
    assert [it for it in logs if it["event"] == "stray"] == []


def test_without_accounting_there_is_nothing_to_compare(house: House) -> None:
    house.slurm.accounting_is = Accounting.OFF
    house.queued_job()
    assert house.sweep.sweep() == 0
