"""What a job is restored as, from what its folder and Slurm tell."""

from datetime import timedelta

import pytest
from unit.builders import JOB_ID, NOON, at, end_mark, seen, start_mark

from bridge.core.facts import ScriptMark, Sighting
from bridge.core.job import JobId, SlurmId, SubmissionTag, SweepTask, task_id
from bridge.core.lifecycle import Job, Phase
from bridge.core.restore import AttemptRemains, JobRemains, Outcome, SlurmAnswers, restore

MINE = SlurmId("4711")
LATER = NOON + timedelta(days=3)
NUMBER = 1_767_528_000
"""LATER, in seconds since 1970."""


def sighting(slurm_id: str, tag: str = f"bridge-{JOB_ID}-1") -> Sighting:
    it = seen("RUNNING", 3).sighting
    return Sighting(
        slurm_id=SlurmId(slurm_id), tag=SubmissionTag(tag), word=it.word, state=it.state
    )


def attempt(number: int = 1, *marks: ScriptMark, claimed_by: str | None = None) -> AttemptRemains:
    claim = None if claimed_by is None else SlurmId(claimed_by)
    return AttemptRemains(attempt=number, begun_at=at(number), claimed_by=claim, marks=marks)


def remains(*attempts: AttemptRemains, outcome: Outcome | None = None) -> JobRemains:
    return JobRemains(
        job_id=JOB_ID, request=b"{}", written_at=NOON, attempts=attempts, outcome=outcome
    )


def restored(left: JobRemains, *sightings: Sighting) -> Job:
    return restore(left, SlurmAnswers(sightings), tag_prefix="bridge", at=LATER)


def test_a_job_that_slurm_has_goes_on_waiting_for_slurms_word() -> None:
    job = restored(remains(attempt()), sighting("4711"))

    assert (job.phase, job.slurm_id, job.attempt) == (Phase.QUEUED, MINE, 1)
    assert (job.accepted_at, job.submitted_at, job.revision) == (NOON, at(1), 1)


def test_a_sweep_waits_again_for_all_its_tasks() -> None:
    slurm = SlurmAnswers([])
    sweep = restore(remains(attempt()), slurm, tag_prefix="bridge", at=LATER, tasks=2)
    assert sweep.phase is Phase.ARRAY
    assert [it.job_id for it in sweep.waits_for] == [task_id(JOB_ID, 0), task_id(JOB_ID, 1)]

    new = restore(remains(), slurm, tag_prefix="bridge", at=LATER, tasks=2)
    assert (new.phase, new.tasks, new.waits_for) == (Phase.ACCEPTED, 2, ())


def test_a_task_knows_its_sweep_again() -> None:
    mine = SweepTask(sweep=JobId("w"), index=4)
    job = restore(remains(), SlurmAnswers([]), tag_prefix="bridge", at=LATER, task=mine)
    assert (job.sweep, job.task_index) == ("w", 4)


def test_a_job_that_left_the_queue_is_known_by_its_claim() -> None:
    job = restored(remains(attempt(claimed_by="4711")))

    assert (job.phase, job.slurm_id) == (Phase.QUEUED, MINE)


def test_a_job_that_left_no_trace_but_its_script_is_in_doubt() -> None:
    job = restored(remains(attempt(2)))

    assert (job.phase, job.slurm_id, job.attempt) == (Phase.SUBMITTING, None, 2)
    assert job.submitting_since == at(2), "Slurm is asked from then on"


def test_a_job_without_a_script_was_never_submitted() -> None:
    job = restored(remains())

    assert (job.phase, job.attempt, job.slurm_id) == (Phase.ACCEPTED, 1, None)


def test_the_last_attempt_counts() -> None:
    left = remains(attempt(1, claimed_by="1"), attempt(2))

    job = restored(left, sighting("1"), sighting("7", f"bridge-{JOB_ID}-2"))

    assert (job.attempt, job.slurm_id) == (2, SlurmId("7"))


def test_of_two_submissions_the_one_that_runs_the_container_is_kept() -> None:
    twice = (sighting("9"), sighting("10"))

    assert restored(remains(attempt(claimed_by="10")), *twice).slurm_id == SlurmId("10")
    assert restored(remains(attempt()), *twice).slurm_id == SlurmId("9")


def test_a_claim_that_slurm_contradicts_is_not_believed() -> None:
    another = sighting("4711", "bridge-another-job-1")

    in_doubt = restored(remains(attempt(claimed_by="4711")), another)
    found = restored(remains(attempt(claimed_by="4711")), another, sighting("12"))

    assert (in_doubt.phase, in_doubt.slurm_id) == (Phase.SUBMITTING, None)
    assert (found.phase, found.slurm_id) == (Phase.QUEUED, SlurmId("12"))


@pytest.mark.parametrize("phase", [Phase.FINISHED, Phase.FAILED, Phase.CANCELLED])
def test_a_job_that_has_told_its_end_is_over_whatever_slurm_says(phase: Phase) -> None:
    outcome = Outcome(phase=phase, sequence=5, attempt=2, slurm_id=MINE)

    job = restored(remains(attempt(1), outcome=outcome), sighting("4711"))

    assert job.is_over
    assert (job.phase, job.sequence, job.attempt, job.slurm_id) == (phase, 5, 2, MINE)


def test_events_go_on_with_a_number_above_all_that_were() -> None:
    jobs = [
        restored(remains()),
        restored(remains(attempt())),
        restored(remains(attempt()), sighting("4711")),
    ]

    assert {it.sequence for it in jobs} == {NUMBER}


def test_the_markers_of_the_last_run_are_told_again() -> None:
    old = (start_mark(1), end_mark(2, 1))
    last = (start_mark(3, restart=1), end_mark(4, 0, restart=1))

    assert remains(attempt(1, *old, *last)).untold_marks == last
    assert remains(attempt(1, *old), attempt(2)).untold_marks == ()
    assert remains().untold_marks == ()


def test_no_marker_is_told_of_a_job_that_is_over() -> None:
    outcome = Outcome(phase=Phase.FINISHED, sequence=5, attempt=1, slurm_id=MINE)

    assert remains(attempt(1, start_mark(1)), outcome=outcome).untold_marks == ()
