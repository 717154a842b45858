"""Requeues, preemption and node failure: what Slurm may take back is not believed at once."""

import pytest
from unit.builders import at, end_mark, queued, running, seen, start_mark


@pytest.mark.parametrize("word", ["PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED"])
def test_a_running_job_that_waits_again_was_requeued(word: str) -> None:
    story = running(seen(word, 9))
    assert story.tells == ["accepted", "queued", "started", "requeued"]
    assert story.job.phase == "queued"
    assert story.job.restart == 1


def test_a_requeued_job_has_nothing_left_of_the_run_that_was() -> None:
    story = running(end_mark(8, 1), seen("PENDING", 9))
    job = story.job
    assert (job.started_at, job.ended_at, job.slurm_started_at, job.nodes) == (None,) * 4
    assert (job.exit_code, job.container_exit_code, job.signal) == (None,) * 3
    assert job.slurm_id == "4711"
    assert job.attempt == 1


def test_the_reason_for_which_a_requeued_job_waits_is_told() -> None:
    story = running(seen("PENDING", 9, reason="BeginTime"))
    assert story.tells[-2:] == ["requeued", "pending"]
    assert story.job.pending_reason == "BeginTime"


def test_a_requeued_job_starts_again() -> None:
    story = running(seen("PENDING", 9), seen("RUNNING", 12, start=11, nodes="n2"))
    assert story.tells == ["accepted", "queued", "started", "requeued", "started"]
    assert (story.job.started_at, story.job.nodes, story.job.restart) == (at(11), "n2", 1)


def test_a_requeue_that_nobody_saw_is_known_by_the_new_start() -> None:
    story = running(seen("RUNNING", 12, start=11, nodes="n2"))
    assert story.tells == ["accepted", "queued", "started", "requeued", "started"]
    assert (story.job.started_at, story.job.nodes, story.job.restart) == (at(11), "n2", 1)


def test_a_new_start_is_noticed_also_after_a_look_that_gave_none() -> None:
    story = running(seen("RUNNING", 9), seen("RUNNING", 12, start=11))
    assert story.tells[-2:] == ["requeued", "started"]


def test_a_requeue_that_nobody_saw_is_known_even_when_the_new_run_has_ended() -> None:
    story = running(
        end_mark(5, 1), seen("FAILED", 20, code=9, signal=0, start=11, end=15, nodes="n2")
    )
    assert story.tells == [
        "accepted", "queued", "started", "exited", "requeued", "started", "failed",
    ]  # fmt: skip
    assert story.job.exit_code == 9
    assert (story.job.started_at, story.job.ended_at) == (at(11), at(15))


def test_a_start_marker_with_a_higher_restart_tells_of_a_requeue() -> None:
    story = running(start_mark(9, restart=1, node="n2"))
    assert story.tells == ["accepted", "queued", "started", "requeued", "started"]
    assert (story.job.restart, story.job.nodes, story.job.started_at) == (1, "n2", at(9))
    story.hears(seen("RUNNING", 10, start=9, nodes="n2"))
    assert story.tells[-1] == "started"
    assert len(story.tells) == 5


def test_several_requeues_between_two_looks_are_counted_by_the_marker() -> None:
    story = running(start_mark(9, restart=3))
    assert story.tells == ["accepted", "queued", "started", "requeued", "started"]
    assert story.job.restart == 3


def test_a_waiting_job_learns_from_a_marker_how_often_it_was_requeued() -> None:
    story = running(seen("PENDING", 9), start_mark(10, restart=2))
    assert story.tells == ["accepted", "queued", "started", "requeued", "started"]
    assert story.job.restart == 2


@pytest.mark.parametrize(
    ("word", "reason", "detail"),
    [
        ("PREEMPTED", "preempted", "another job took its place"),
        ("NODE_FAIL", "node-failure", "its node failed"),
        ("BOOT_FAIL", "boot-failure", "its node did not boot"),
    ],
)
def test_an_interruption_is_believed_at_the_second_look(
    word: str, reason: str, detail: str
) -> None:
    story = running(seen(word, 9, start=3, end=8, nodes="n1"))
    assert story.tells[-1] == "started"
    assert story.job.phase == "running"
    story.hears(seen(word, 10, start=3, end=8, nodes="n1"))
    assert story.tells[-1] == "failed"
    assert (story.last.reason, story.last.detail) == (reason, detail)
    assert story.job.ended_at == at(8)


def test_the_same_look_told_twice_is_not_a_second_look() -> None:
    story = running(seen("NODE_FAIL", 9), seen("NODE_FAIL", 9))
    assert story.job.phase == "running"


def test_an_interruption_is_forgotten_when_the_job_waits_again() -> None:
    story = running(seen("PREEMPTED", 9), seen("PENDING", 10), seen("PREEMPTED", 11))
    assert story.job.phase == "queued"
    assert story.job.interrupted_since == at(11)
    assert story.tells == ["accepted", "queued", "started", "requeued"]


def test_an_interruption_is_forgotten_when_the_job_runs_again() -> None:
    story = running(
        seen("NODE_FAIL", 9, start=3),
        seen("RUNNING", 10, start=3),
        seen("NODE_FAIL", 11, start=3),
    )
    assert story.job.phase == "running"
    story.hears(seen("NODE_FAIL", 12, start=3))
    assert story.job.phase == "failed"


def test_an_interruption_is_forgotten_when_a_marker_tells_of_the_next_run() -> None:
    story = running(seen("NODE_FAIL", 9), start_mark(10, restart=1), seen("NODE_FAIL", 11))
    assert story.tells[-2:] == ["requeued", "started"]
    assert story.job.phase == "running"


def test_a_job_interrupted_before_it_was_seen_running_tells_its_start_first() -> None:
    story = queued(
        seen("NODE_FAIL", 9, start=3, end=8, nodes="n1"),
        seen("NODE_FAIL", 10, start=3, end=8, nodes="n1"),
    )
    assert story.tells == ["accepted", "queued", "started", "failed"]


def test_another_end_than_an_interruption_is_believed_at_once() -> None:
    story = running(seen("NODE_FAIL", 9), seen("COMPLETED", 10, code=0))
    assert story.tells[-1] == "finished"
