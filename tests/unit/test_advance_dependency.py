"""Jobs that wait for others: what they tell, when they go on, and when they end."""

from collections.abc import Collection, Mapping, Sequence

import pytest
from unit.builders import (
    Story,
    begun,
    cancel,
    dependency,
    ended,
    other_job,
    refused,
    submitted,
)

from bridge.core.dependency import closes_a_circle
from bridge.core.job import Dependency, JobId


def waits_for(*numbers: int, condition: str = "afterok") -> Story:
    return Story(depends_on=[dependency(it, condition) for it in numbers])


def test_a_job_without_dependencies_waits_for_none() -> None:
    assert Story().job.phase == "accepted"
    assert Story().tells == ["accepted"]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([1], f"it waits for the job {other_job(1)}"),
        ([1, 2], f"it waits for the job {other_job(1)} and one more"),
        ([1, 2, 3], f"it waits for the job {other_job(1)} and 2 more"),
    ],
)
def test_a_new_job_says_for_whom_it_waits(numbers: list[int], words: str) -> None:
    story = waits_for(*numbers)

    assert story.job.phase == "blocked"
    assert story.job.revision == 1
    assert story.tells == ["accepted", "pending"]
    assert story.last.detail == words
    assert story.last.job.pending_reason == "Dependency"
    assert [it.job_id for it in story.last.job.waits_for] == [other_job(it) for it in numbers]


def test_it_goes_on_when_the_last_of_them_has_finished() -> None:
    story = waits_for(1, 2, 3).hears(ended(2, "finished"), ended(1, "finished"))
    assert story.job.phase == "blocked"
    assert [it.job_id for it in story.job.waits_for] == [other_job(3)]

    story.hears(ended(3, "finished"))

    assert story.job.phase == "accepted"
    assert story.job.pending_reason is None
    assert story.hears(begun(), submitted()).tells == ["accepted", "pending", "queued"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("failed", "has failed"),
        ("cancelled", "was cancelled"),
        ("rejected", "was rejected"),
        ("unknown", "has not come"),
    ],
)
def test_the_first_that_does_not_finish_ends_it(how: str, words: str) -> None:
    story = waits_for(1, 2).hears(ended(2, how, 7))

    assert story.tells == ["accepted", "pending", "failed"]
    assert story.last.reason == "dependency"
    assert story.last.detail == f"it waited for the job {other_job(2)}, which {words}"
    assert story.job.waits_for == ()
    assert story.hears(ended(1, "finished")).tells == ["accepted", "pending", "failed"]


@pytest.mark.parametrize("how", ["finished", "failed", "cancelled"])
def test_any_end_does_for_a_job_that_says_so(how: str) -> None:
    assert waits_for(1, condition="afterany").hears(ended(1, how)).job.phase == "accepted"


@pytest.mark.parametrize("how", ["rejected", "unknown"])
def test_a_job_that_never_comes_has_no_end_either(how: str) -> None:
    story = waits_for(1, condition="afterany").hears(ended(1, how))

    assert story.job.phase == "failed"
    assert story.last.reason == "dependency"


def test_a_failure_of_this_kind_is_never_retried() -> None:
    story = waits_for(1).hears(ended(1, "failed"))
    assert "retrying" not in story.tells


def test_the_end_of_a_job_that_it_does_not_wait_for_means_nothing_to_it() -> None:
    story = waits_for(1)
    before = story.job

    assert story.hears(ended(9, "failed")).job == before
    assert Story(begun()).hears(ended(1, "failed")).job.phase == "submitting"


def test_it_is_cancelled_while_it_waits() -> None:
    story = waits_for(1).hears(cancel(5))

    assert story.tells == ["accepted", "pending", "cancelled"]
    assert story.last.detail == "cancelled before it was submitted"
    assert story.job.waits_for == ()


def test_what_slurm_says_of_a_submission_is_not_of_a_job_that_waits() -> None:
    story = waits_for(1).hears(begun(), submitted(), refused())

    assert story.anomalies == [
        "blocked -> submitting",
        "blocked -> submitted",
        "blocked -> refused",
    ]
    assert story.job.phase == "blocked"


def closes(waits: Mapping[int, Sequence[int]], number: int, *named: int) -> bool:
    def waits_of(job_ids: Collection[JobId]) -> dict[JobId, list[Dependency]]:
        known = {other_job(it): [dependency(on) for on in ons] for it, ons in waits.items()}
        return {it: known[it] for it in job_ids if it in known}

    return closes_a_circle(other_job(number), [dependency(it) for it in named], waits_of)


def test_a_circle_is_found_however_long() -> None:
    chain = {it: [it + 1] for it in range(1, 50)}

    assert closes({1: [2]}, 2, 1)
    assert closes(chain, 50, 1)
    assert closes({1: [2, 3], 2: [4], 3: [4, 9], 4: []}, 9, 8, 1)


def test_what_only_meets_again_is_no_circle() -> None:
    diamond = {1: [2, 3], 2: [4], 3: [4]}

    assert not closes(diamond, 5, 1, 2)
    assert not closes(diamond, 4, 9)
    assert not closes({1: [2], 2: [1]}, 5, 1), "one that is there already is not this job's doing"
