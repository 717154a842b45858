"""The markers that a job's own script leaves: before Slurm's word, after it, or stale."""

import pytest
from unit.builders import (
    absent,
    at,
    end_mark,
    hindrance_mark,
    pull_mark,
    queued,
    running,
    seen,
    start_mark,
)


def test_a_start_marker_is_evidence_enough_for_started() -> None:
    story = queued(start_mark(4, start=3.5, node="n1"))
    assert story.tells == ["accepted", "queued", "started"]
    assert story.job.started_at == at(3.5)
    assert story.job.nodes == "n1"
    assert story.last.at == at(4)


def test_slurms_word_after_the_marker_adds_what_it_knows_and_tells_nothing() -> None:
    story = queued(start_mark(4, start=3.5, node="n1"), seen("RUNNING", 5, start=3, nodes="n[1-2]"))
    assert story.tells == ["accepted", "queued", "started"]
    assert story.job.started_at == at(3.5)
    assert story.job.slurm_started_at == at(3)
    assert story.job.nodes == "n[1-2]"


def test_a_marker_after_slurms_word_tells_nothing() -> None:
    story = running()
    before = story.job
    assert story.hears(start_mark(4)).job == before


def test_a_start_marker_also_frees_a_held_job() -> None:
    story = queued(seen("PENDING", 3, reason="JobHeldUser"), start_mark(4))
    assert story.job.phase == "running"
    assert story.job.pending_reason is None


def test_an_end_marker_tells_the_containers_exit_code_at_once() -> None:
    story = running(end_mark(8, 7, end=7.5))
    assert story.tells[-1] == "exited"
    assert story.job.phase == "running"
    assert story.job.exit_code == 7
    assert story.job.container_exit_code == 7
    assert story.job.ended_at == at(7.5)


def test_an_end_marker_alone_ends_nothing() -> None:
    story = running(end_mark(8, 0), seen("RUNNING", 9, start=3), seen("COMPLETING", 10))
    assert story.job.phase == "running"
    story.hears(seen("COMPLETED", 11, code=0, end=11))
    assert story.tells[-2:] == ["exited", "finished"]
    assert story.job.ended_at == at(11)


def test_an_end_marker_is_told_once() -> None:
    story = running(end_mark(8, 7), end_mark(9, 7), end_mark(10, 0))
    assert story.tells == ["accepted", "queued", "started", "exited"]
    assert story.job.exit_code == 7


def test_markers_of_a_job_that_ran_between_two_looks_come_in_order() -> None:
    story = queued(start_mark(4), end_mark(4.1, 0), seen("COMPLETED", 9, code=0, start=4, end=5))
    assert story.tells == ["accepted", "queued", "started", "exited", "finished"]


def test_an_end_marker_of_a_job_that_has_not_started_is_left_alone() -> None:
    story = queued()
    before = story.job
    assert story.hears(end_mark(4, 0)).job == before


def test_markers_of_an_earlier_run_are_stale() -> None:
    story = running(seen("PENDING", 9), seen("RUNNING", 10, start=10))
    before = story.job
    story.hears(start_mark(11, restart=0), end_mark(12, 0, restart=0))
    assert story.job == before
    assert not story.anomalies


def test_an_end_marker_of_a_run_that_is_not_known_yet_is_left_alone() -> None:
    story = running()
    before = story.job
    assert story.hears(end_mark(9, 0, restart=1)).job == before


def test_a_stale_start_marker_does_not_start_a_requeued_job() -> None:
    story = running(seen("PENDING", 9), start_mark(10, restart=0))
    assert story.job.phase == "queued"
    assert story.tells[-1] == "requeued"


def test_a_pull_is_told_once_before_the_start() -> None:
    story = queued(pull_mark(4, node="n2"), pull_mark(5), start_mark(6))
    assert story.tells == ["accepted", "queued", "pulling", "started"]
    assert story.job.pulling_since == at(4)
    assert story.events[2].job.phase == "queued"
    assert story.events[2].job.nodes == "n2"


def test_slurms_word_that_it_runs_may_come_before_the_pull_is_told() -> None:
    assert running(pull_mark(4), start_mark(6)).tells[2:] == ["started", "pulling"]


def test_a_requeued_job_may_pull_again() -> None:
    story = running(pull_mark(4), seen("PENDING", 5), pull_mark(6), pull_mark(7, restart=1))
    assert story.tells[3:] == ["pulling", "requeued", "pulling"]
    story = queued(pull_mark(4), hindrance_mark(5), pull_mark(6, restart=1))
    assert story.tells[2:] == ["pulling", "pulling"]
    assert story.job.hindrance is None


@pytest.mark.parametrize(
    ("hindrance", "reason", "words"),
    [
        ("image", "image-pull", "could not be pulled"),
        ("no-image", "no-image", "is not there or cannot be read"),
        ("secret", "refused", "a secret of the site could not be read"),
        ("mount", "refused", "something that it mounts is not there"),
        ("path", "refused", "leads out of the site's folders"),
    ],
)
def test_a_script_that_could_not_start_the_container_says_why(
    hindrance: str, reason: str, words: str
) -> None:
    story = running(hindrance_mark(4, hindrance), seen("FAILED", 5, code=76, start=3, end=4))
    assert story.last.kind == "failed"
    assert story.last.reason == reason
    assert words in str(story.last.detail)
    assert story.job.exit_code is None


def test_a_hindrance_is_no_reason_for_what_somebody_cancelled() -> None:
    story = running(hindrance_mark(4), seen("CANCELLED", 5, start=3, end=4, nodes="n1"))
    assert story.last.kind == "cancelled"


def test_a_hindrance_decides_where_slurm_cannot_say_any_more() -> None:
    story = running(hindrance_mark(4), absent(5, accounting=False))
    assert story.last.reason == "image-pull"
    story = running(hindrance_mark(4), absent(5, missing=1))
    assert story.tells[-1] == "started"
    assert story.hears(absent(10, missing=5)).last.reason == "image-pull"


def test_marks_of_runs_that_were_and_of_containers_that_have_ended_tell_nothing() -> None:
    story = running(seen("PENDING", 5))
    before = story.job
    assert story.hears(pull_mark(6), hindrance_mark(7)).job == before
    story = running(end_mark(4, 0))
    before = story.job
    assert story.hears(pull_mark(6), hindrance_mark(7)).job == before
