"""A job that Slurm does not show: ignorance, until Slurm has answered without it for the grace."""

import pytest
from unit.builders import absent, at, end_mark, queued, running, seen, start_mark


def test_one_absence_ends_nothing() -> None:
    story = running(absent(10))
    assert story.job.phase == "running"
    assert story.job.absent_since == at(10)
    assert story.tells[-1] == "started"


def test_an_absence_shorter_than_the_grace_ends_nothing() -> None:
    story = running(absent(10), absent(12, missing=2), absent(14.99, missing=4.99))
    assert story.job.phase == "running"


def test_a_job_absent_for_the_grace_is_lost_and_never_finished() -> None:
    story = running(absent(10), absent(15, missing=5))
    assert story.tells[-1] == "failed"
    assert story.last.reason == "lost"
    assert story.last.detail == "Slurm no longer knows this job, and it left no end marker"
    assert story.job.exit_code is None


def test_a_waiting_job_can_be_lost_too() -> None:
    story = queued(absent(10, accounting=False), absent(15, missing=5, accounting=False))
    assert story.tells == ["accepted", "queued", "failed"]
    assert story.last.reason == "lost"


@pytest.mark.parametrize("word", ["RUNNING", "COMPLETING", "TELEPORTED", "NODE_FAIL"])
def test_a_job_that_shows_under_any_word_is_not_missing_any_more(word: str) -> None:
    story = running(absent(10), seen(word, 13, start=3), absent(15.5))
    assert story.job.phase == "running"
    assert story.job.absent_since == at(15.5)


def test_an_unknown_word_is_an_anomaly_also_of_a_job_that_was_missing() -> None:
    story = running(absent(10), seen("TELEPORTED", 13))
    assert story.anomalies == ["unknown Slurm state 'TELEPORTED'"]
    assert story.job.absent_since is None
    assert story.job.phase == "running"


def test_a_job_that_has_just_started_is_not_missing() -> None:
    story = queued(absent(10), start_mark(14), absent(15.5))
    assert story.job.phase == "running"


def test_only_the_time_that_slurm_answered_counts_and_not_the_time_of_day() -> None:
    story = running(absent(100), absent(10), absent(999, missing=4.99))
    assert story.job.phase == "running"
    assert story.hears(absent(11, missing=5)).last.reason == "lost"


def test_without_accounting_the_end_marker_decides_at_once() -> None:
    story = running(end_mark(8, 0, end=7), absent(10, accounting=False))
    assert story.tells[-2:] == ["exited", "finished"]
    assert story.job.exit_code == 0
    assert story.job.ended_at == at(7)


def test_without_accounting_the_end_markers_exit_code_is_the_failure() -> None:
    story = running(end_mark(8, 7), absent(10, accounting=False))
    assert story.tells[-1] == "failed"
    assert story.last.reason == "exit-code"
    assert story.last.detail == "the container exited with 7"
    assert story.job.exit_code == 7


def test_without_accounting_and_without_an_end_marker_there_is_only_the_grace() -> None:
    story = running(absent(10, accounting=False), absent(14, missing=4, accounting=False))
    assert story.job.phase == "running"
    assert story.hears(absent(15, missing=5, accounting=False)).last.reason == "lost"


def test_with_accounting_the_end_marker_decides_only_after_the_grace() -> None:
    story = running(end_mark(8, 0), absent(10))
    assert story.job.phase == "running"
    assert story.hears(absent(15, missing=5)).tells[-1] == "finished"


def test_an_end_marker_that_comes_during_the_absence_saves_the_job_from_being_lost() -> None:
    story = running(absent(10), end_mark(11, 7), absent(15, missing=5))
    assert story.last.reason == "exit-code"
    assert story.job.exit_code == 7


def test_the_end_marker_of_an_earlier_run_does_not_decide() -> None:
    story = running(end_mark(8, 0), seen("PENDING", 9), absent(10, accounting=False))
    assert story.job.phase == "queued"
    assert story.hears(absent(15, missing=5, accounting=False)).last.reason == "lost"
