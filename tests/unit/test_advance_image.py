"""Jobs that are submitted only once their images are at the site."""

from datetime import timedelta

from unit.builders import (
    Story,
    at,
    begun,
    cancel,
    image_awaited,
    image_there,
    pull_begun,
    pull_failed,
    submitted,
)

from bridge.core.failure import FailureReason
from bridge.core.retry import RetryPolicy


def test_an_image_that_is_there_is_not_worth_a_word() -> None:
    story = Story(image_awaited(1), image_there(2))
    assert story.job.phase == "accepted"
    assert story.tells == ["accepted"]


def test_a_pull_is_told_once_and_then_the_job_goes_on() -> None:
    story = Story(image_awaited(1), pull_begun(2), pull_begun(3), image_there(9))
    assert story.tells == ["accepted", "pulling"]
    assert (story.events[1].at, story.events[1].job.phase) == (at(2), "pulling")
    assert story.hears(begun(10), submitted(11)).tells == ["accepted", "pulling", "queued"]


def test_a_pull_that_fails_ends_the_job_in_the_runtimes_words() -> None:
    story = Story(image_awaited(1), pull_begun(2), pull_failed(3, "manifest unknown"))
    assert story.tells == ["accepted", "pulling", "failed"]
    assert story.last.reason == "image-pull"
    assert story.last.detail == "manifest unknown"


def test_a_pull_that_fails_may_be_tried_again_as_another_attempt() -> None:
    policy = RetryPolicy(
        attempts=2, reasons=frozenset({FailureReason.IMAGE_PULL}), wait=timedelta(minutes=1)
    )
    story = Story(image_awaited(1), pull_begun(2), pull_failed(3), policy=policy)
    assert story.tells == ["accepted", "pulling", "retrying"]
    assert (story.job.phase, story.job.attempt, story.job.pulling_since) == ("accepted", 2, None)
    assert story.hears(image_awaited(5), pull_begun(6)).tells[-1] == "pulling"


def test_a_job_that_waits_for_its_image_is_cancelled_at_once() -> None:
    story = Story(image_awaited(1), pull_begun(2), cancel(3))
    assert story.tells == ["accepted", "pulling", "cancelled"]
