"""What Slurm shows of a job that runs and ends."""

import pytest
from unit.builders import at, end_mark, queued, running, seen, start_mark


def test_a_job_seen_running_tells_when_and_where_it_started() -> None:
    story = queued(seen("RUNNING", 4, start=3, nodes="n[1-2]"))
    assert story.tells == ["accepted", "queued", "started"]
    assert story.job.started_at == at(3)
    assert story.job.nodes == "n[1-2]"
    assert story.last.at == at(4)


def test_a_job_whose_start_slurm_does_not_say_started_when_it_was_seen() -> None:
    assert queued(seen("RUNNING", 4)).job.started_at == at(4)


def test_a_job_that_runs_on_tells_nothing_more() -> None:
    story = running(
        seen("RUNNING", 4, start=3, nodes="n1"),
        seen("SUSPENDED", 5, start=3, nodes="n1"),
        seen("RUNNING", 6),
    )
    assert story.tells == ["accepted", "queued", "started"]


def test_what_slurm_leaves_out_is_not_forgotten() -> None:
    story = running(seen("RUNNING", 4))
    assert (story.job.nodes, story.job.slurm_started_at) == ("n1", at(3))
    story.hears(end_mark(5, 0), seen("COMPLETED", 6))
    assert (story.job.nodes, story.job.started_at, story.job.ended_at) == ("n1", at(3), at(5))


def test_what_slurm_says_of_the_nodes_in_the_end_counts() -> None:
    assert running(seen("CANCELLED", 9, nodes="n[1-2]")).job.nodes == "n[1-2]"


def test_a_short_job_that_was_never_seen_running_has_started_before_it_finished() -> None:
    story = queued(seen("COMPLETED", 9, code=0, signal=0, start=4, end=5, nodes="n1"))
    assert story.tells == ["accepted", "queued", "started", "finished"]
    assert (story.job.started_at, story.job.ended_at) == (at(4), at(5))
    assert story.job.exit_code == 0
    assert story.job.nodes == "n1"
    assert (story.last.reason, story.last.detail) == (None, None)


def test_a_completed_job_has_started_even_where_slurm_does_not_say_when() -> None:
    story = queued(seen("COMPLETED", 9))
    assert story.tells == ["accepted", "queued", "started", "finished"]
    assert story.job.exit_code == 0


def test_a_job_that_exits_with_7_fails_with_7() -> None:
    story = running(seen("FAILED", 9, code=7, signal=0, start=3, end=8, nodes="n1"))
    assert story.tells[-1] == "failed"
    assert story.last.reason == "exit-code"
    assert story.last.detail == "it exited with 7"
    assert story.job.exit_code == 7
    assert story.job.signal is None
    assert story.job.ended_at == at(8)


def test_completed_with_another_exit_code_than_zero_is_not_success() -> None:
    story = running(seen("COMPLETED", 9, code=7))
    assert story.tells[-1] == "failed"
    assert story.job.exit_code == 7


def test_completed_with_a_signal_is_not_success() -> None:
    story = running(seen("COMPLETED", 9, code=0, signal=9))
    assert story.tells[-1] == "failed"
    assert story.last.reason == "signal"


def test_a_job_killed_by_a_signal_has_no_exit_code_zero() -> None:
    story = running(seen("FAILED", 9, code=0, signal=15))
    assert story.last.reason == "signal"
    assert story.last.detail == "it was ended by signal 15"
    assert story.job.exit_code is None
    assert story.job.signal == 15


def test_out_of_memory_is_told_as_that_although_slurm_writes_0_125() -> None:
    story = running(seen("OUT_OF_MEMORY", 9, code=0, signal=125))
    assert story.last.reason == "out-of-memory"
    assert story.last.detail == "it used more memory than it had"
    assert story.job.exit_code is None
    assert story.job.signal is None


@pytest.mark.parametrize(("signal", "told"), [(0, None), (1, 1), (64, 64), (65, None)])
def test_only_what_can_be_a_signal_is_told_as_one(signal: int, told: int | None) -> None:
    assert running(seen("FAILED", 9, code=0, signal=signal)).job.signal == told


def test_a_job_at_its_time_limit_fails_with_timeout() -> None:
    story = running(seen("TIMEOUT", 9, code=0, signal=0, end=9))
    assert story.last.reason == "timeout"
    assert story.last.detail == "it ran into its time limit"
    assert story.job.exit_code is None


def test_a_failure_of_which_slurm_gives_no_exit_code_says_so() -> None:
    story = running(seen("FAILED", 9))
    assert story.last.reason == "exit-code"
    assert story.last.detail == "Slurm says that it failed, and not with which exit code"
    assert story.job.exit_code is None


def test_the_containers_exit_code_is_told_where_slurm_has_none() -> None:
    story = running(end_mark(8, 7), seen("FAILED", 9))
    assert story.last.detail == "it exited with 7"
    assert story.job.exit_code == 7


def test_a_failure_after_a_good_container_has_the_exit_code_of_the_batch_script() -> None:
    story = running(end_mark(8, 0), seen("FAILED", 9, code=3))
    assert story.job.exit_code == 3
    assert story.last.detail == "it exited with 3"


def test_the_containers_exit_code_outranks_that_of_the_batch_script() -> None:
    story = running(end_mark(8, 7), seen("FAILED", 9, code=3))
    assert story.job.exit_code == 7
    assert story.last.detail == "it exited with 7"


def test_a_container_that_failed_is_never_reported_as_finished() -> None:
    story = running(end_mark(8, 7), seen("COMPLETED", 9, code=0))
    assert story.tells[-1] == "failed"
    assert story.last.reason == "exit-code"
    assert story.last.detail == "the container exited with 7"
    assert story.job.exit_code == 7


@pytest.mark.parametrize("reason", [None, "JobHeldUser", "Priority"])
def test_a_job_cancelled_in_the_queue_never_started(reason: str | None) -> None:
    story = queued(seen("CANCELLED", 9, reason=reason))
    assert story.tells == ["accepted", "queued", "cancelled"]
    assert story.last.detail == "cancelled before it started"
    assert story.job.started_at is None


def test_a_start_that_slurm_made_up_for_a_job_cancelled_in_the_queue_is_no_start() -> None:
    # Seen with Slurm 22.05: Start and End are the time of the cancellation, and there is no node.
    story = queued(seen("CANCELLED", 9, code=0, signal=0, start=8, end=8))
    assert story.tells == ["accepted", "queued", "cancelled"]
    assert story.last.detail == "cancelled before it started"
    assert story.job.started_at is None
    assert story.job.ended_at == at(8)


def test_a_node_without_a_start_is_no_start() -> None:
    story = queued(seen("CANCELLED", 9, nodes="n1"))
    assert story.tells == ["accepted", "queued", "cancelled"]


def test_a_deadline_that_passes_in_the_queue_is_no_start() -> None:
    story = queued(seen("DEADLINE", 9, start=8, end=8))
    assert story.tells == ["accepted", "queued", "failed"]
    assert story.last.reason == "deadline"


def test_a_job_cancelled_while_it_ran_tells_that_it_was_stopped() -> None:
    story = running(seen("CANCELLED", 9, code=0, signal=15, start=3, end=8, nodes="n1"))
    assert story.tells == ["accepted", "queued", "started", "cancelled"]
    assert story.last.detail == "stopped while it ran"
    assert story.job.signal == 15


def test_a_cancelled_job_that_was_never_seen_running_tells_its_start_first() -> None:
    story = queued(seen("CANCELLED", 9, start=5, end=8, nodes="n1"))
    assert story.tells == ["accepted", "queued", "started", "cancelled"]
    assert story.last.detail == "stopped while it ran"


def test_a_job_on_its_way_out_is_not_judged_yet() -> None:
    story = running(seen("COMPLETING", 9, start=3, code=0))
    assert story.job.phase == "running"
    assert story.tells[-1] == "started"


def test_an_unknown_word_ends_nothing_and_is_an_anomaly() -> None:
    story = running()
    before = story.job
    assert story.hears(seen("TELEPORTED", 9, code=0)).job == before
    assert story.anomalies == ["unknown Slurm state 'TELEPORTED'"]


def test_the_terminal_event_is_told_once_and_nothing_after_it() -> None:
    story = running(seen("COMPLETED", 9, code=0, start=3))
    told = list(story.tells)
    story.hears(
        seen("COMPLETED", 10, code=0),
        seen("FAILED", 11, code=1),
        seen("PENDING", 12),
        start_mark(13, restart=1),
        end_mark(14, 1),
    )
    assert story.tells == told


def test_events_are_numbered_from_one_without_gaps_and_carry_the_job_as_it_was() -> None:
    story = running(seen("PENDING", 5), start_mark(6, restart=1), end_mark(7, 0, restart=1))
    story.hears(seen("COMPLETED", 9, code=0))
    assert story.tells == [
        "accepted", "queued", "started", "requeued", "started", "exited", "finished",
    ]  # fmt: skip
    assert [it.job.sequence for it in story.events] == [1, 2, 3, 4, 5, 6, 7]
    assert [it.job.phase.value for it in story.events] == [
        "accepted", "queued", "running", "queued", "running", "running", "finished",
    ]  # fmt: skip


def test_each_recorded_step_raises_the_revision_by_one_however_much_it_tells() -> None:
    story = queued()
    assert story.job.revision == 3
    story.hears(seen("COMPLETED", 9, code=0, start=3, nodes="n1"))
    assert story.tells[-2:] == ["started", "finished"]
    assert story.job.revision == 4
