"""From the message to Slurm: accepted, submitted, refused, or not submitted at all."""

from unit.builders import (
    JOB_ID,
    Story,
    at,
    begun,
    not_submitted,
    queued,
    refused,
    running,
    seen,
    start_mark,
    submitted,
)

from bridge.core.facts import Submitted
from bridge.core.job import SlurmId


def test_an_accepted_job_tells_so_as_its_first_event() -> None:
    story = Story()
    assert story.tells == ["accepted"]
    assert story.job.job_id == JOB_ID
    assert story.job.phase == "accepted"
    assert story.job.accepted_at == at(0)
    assert (story.job.revision, story.job.sequence, story.job.attempt) == (1, 1, 1)


def test_that_a_submission_begins_is_remembered_and_not_told() -> None:
    story = Story(begun(1))
    assert story.job.phase == "submitting"
    assert story.job.submitting_since == at(1)
    assert story.tells == ["accepted"]


def test_a_submitted_job_is_queued_under_its_slurm_id() -> None:
    story = Story(begun(1), submitted(2))
    assert story.tells == ["accepted", "queued"]
    assert story.job.slurm_id == "4711"
    assert story.job.submitted_at == at(2)
    assert story.last.at == at(2)


def test_a_refused_job_fails_with_slurms_own_words() -> None:
    story = Story(begun(), refused(2, "sbatch: error: Invalid qos specification"))
    assert story.tells == ["accepted", "failed"]
    assert story.last.reason == "refused"
    assert story.last.detail == "sbatch: error: Invalid qos specification"
    assert story.job.slurm_id is None
    assert story.job.exit_code is None


def test_a_job_without_a_script_fails_before_slurm_is_asked() -> None:
    story = Story(refused(1, "no template for this"))
    assert story.tells == ["accepted", "failed"]
    assert story.last.reason == "refused"


def test_a_job_that_certainly_was_not_submitted_waits_for_another_try() -> None:
    story = Story(begun(1), not_submitted(2))
    assert story.job.phase == "accepted"
    assert story.job.submitting_since is None
    assert story.tells == ["accepted"]
    story.hears(begun(3), submitted(4))
    assert story.tells == ["accepted", "queued"]
    assert story.job.submitting_since == at(3)


def test_a_job_that_slurm_has_cannot_be_refused_any_more() -> None:
    for story in (queued(), running()):
        before = story.job
        story.hears(refused(10))
        assert story.job == before
        assert "failed" not in story.tells


def test_a_second_submission_does_not_change_the_slurm_id() -> None:
    for story in (queued(), running()):
        before = story.job
        story.hears(Submitted(at=at(10), slurm_id=SlurmId("4712")))
        assert story.job == before
        assert len(story.anomalies) == 1


def test_a_job_without_a_slurm_id_hears_neither_slurm_nor_markers() -> None:
    story = Story(begun(), seen("RUNNING", 2, start=2), start_mark(3))
    assert story.job.phase == "submitting"
    assert story.tells == ["accepted"]
