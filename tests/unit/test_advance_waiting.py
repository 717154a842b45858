"""In Slurm's queue: reasons, holds, releases."""

from unit.builders import at, queued, running, seen


def test_the_first_reason_for_the_wait_is_told() -> None:
    story = queued(seen("PENDING", 3, reason="Resources"))
    assert story.tells == ["accepted", "queued", "pending"]
    assert story.last.detail == "it is next, and waits for nodes to become free (Resources)"
    assert story.job.pending_reason == "Resources"


def test_a_reason_is_told_when_it_changes_and_only_then() -> None:
    story = queued(
        seen("PENDING", 3, reason="Priority"),
        seen("PENDING", 4, reason="Priority"),
        seen("PENDING", 5, reason="Resources"),
        seen("PENDING", 6),
        seen("CONFIGURING", 7, reason="Resources"),
    )
    assert story.tells[2:] == ["pending", "pending"]
    assert [it.job.pending_reason for it in story.events[2:]] == ["Priority", "Resources"]


def test_a_look_that_brings_nothing_new_changes_nothing() -> None:
    story = queued(seen("PENDING", 3, reason="Priority"))
    before = story.job
    assert story.hears(seen("PENDING", 4, reason="Priority")).job == before


def test_a_held_job_says_so_once_and_why() -> None:
    story = queued(
        seen("PENDING", 3, reason="JobHeldUser"),
        seen("PENDING", 4, reason="JobHeldUser"),
        seen("PENDING", 5, reason="JobHeldAdmin"),
    )
    assert story.job.phase == "held"
    assert story.tells == ["accepted", "queued", "held"]
    assert story.last.detail == "its owner holds it, until it is released (JobHeldUser)"
    assert story.last.job.pending_reason == "JobHeldUser"


def test_a_released_job_is_queued_again() -> None:
    story = queued(seen("PENDING", 3, reason="JobHeldAdmin"), seen("PENDING", 9, reason="Priority"))
    assert story.job.phase == "queued"
    assert story.tells == ["accepted", "queued", "held", "queued"]
    assert story.last.detail == "other jobs come first (Priority)"
    assert story.hears(seen("PENDING", 10, reason="Priority")).tells[-1] == "queued"


def test_a_held_job_may_be_found_running() -> None:
    story = queued(seen("PENDING", 3, reason="JobHeldUser"), seen("RUNNING", 9, start=8))
    assert story.tells == ["accepted", "queued", "held", "started"]
    assert story.job.pending_reason is None


def test_a_running_job_that_is_requeued_and_held_tells_both() -> None:
    story = running(seen("REQUEUE_HOLD", 9, reason="JobHeldUser"))
    assert story.tells == ["accepted", "queued", "started", "requeued", "held"]
    assert story.job.phase == "held"
    assert story.job.restart == 1


def test_the_start_that_slurm_expects_of_a_waiting_job_is_no_start() -> None:
    story = queued(seen("PENDING", 3, reason="Priority", start=99))
    assert story.job.started_at is None
    assert story.job.slurm_started_at is None
    assert "started" not in story.tells


def test_a_waiting_job_has_no_reason_any_more_once_it_runs_or_ends() -> None:
    story = queued(seen("PENDING", 3, reason="Priority"), seen("RUNNING", 4, start=4))
    assert story.job.pending_reason is None
    story = queued(seen("PENDING", 3, reason="Priority"), seen("CANCELLED", 4))
    assert story.job.pending_reason is None
    assert story.job.ended_at == at(4)
