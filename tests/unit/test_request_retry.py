"""What a job message may say about further attempts."""

from datetime import timedelta

import pytest
from unit.builders import job_spec, site
from unit.job_messages import accepted, problem

from bridge.core.failure import FailureReason
from bridge.core.job import RetryWish
from bridge.core.policy import admission_problems
from bridge.wire.job_message import RetryMessage

NEVER = (
    "a job that failed so is never tried again; accepted: boot-failure, exit-code, "
    "image-pull, no-image, node-failure, out-of-memory, preempted, signal, timeout"
)


def test_a_job_that_says_nothing_leaves_it_to_the_site() -> None:
    assert accepted().retry is None
    assert accepted(retry=None).retry is None


def test_the_least_that_can_be_said_is_how_often() -> None:
    assert accepted(retry={"attempts": 3}).retry == RetryWish(attempts=3)


def test_everything_that_can_be_said_comes_through() -> None:
    said = {
        "attempts": 100,
        "reasons": ["timeout", "out-of-memory", "timeout"],
        "exit_codes": [1, 255],
        "wait": "90s",
        "walltime_factor": 1.5,
        "memory_factor": 2,
    }
    assert accepted(retry=said).retry == RetryWish(
        attempts=100,
        reasons=frozenset({FailureReason.TIMEOUT, FailureReason.OUT_OF_MEMORY}),
        exit_codes=frozenset({1, 255}),
        wait=timedelta(seconds=90),
        walltime_factor=1.5,
        memory_factor=2.0,
    )


def test_no_reasons_at_all_are_something_else_than_the_sites() -> None:
    retry = accepted(retry={"attempts": 2, "reasons": []}).retry
    assert retry is not None
    assert retry.reasons == frozenset()


def test_the_fields_are_these() -> None:
    schema = RetryMessage.model_json_schema()
    assert list(schema["properties"]) == [
        "attempts", "reasons", "exit_codes", "wait", "walltime_factor", "memory_factor",
    ]  # fmt: skip
    assert schema["required"] == ["attempts"]


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("attempts", 0, "at least 1 is wanted"),
        ("attempts", 101, "at most 100 is accepted"),
        ("attempts", "3", "a whole number is wanted"),
        ("reasons", "timeout", "a list is wanted"),
        ("wait", "soon", "a time such as 500ms, 30s, 5m, 12h or 30d is wanted"),
        ("wait", "0s", "a time such as 500ms, 30s, 5m, 12h or 30d is wanted"),
        ("wait", 30, "text is wanted"),
        ("walltime_factor", 0.5, "at least 1 is wanted"),
        ("memory_factor", 101, "at most 100 is accepted"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(field: str, value: object, what: str) -> None:
    said = {"attempts": 2} | {field: value}
    assert problem(retry=said) == f"retry.{field}: {what} (found {value!r})"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (3, "retry: an object with named fields is wanted (found 3)"),
        ({}, "retry.attempts: missing, and required"),
        ({"attempts": True}, "retry.attempts: a whole number is wanted (found true)"),
        (
            {"attempts": 2, "times": 3},
            "retry.times: unknown field; see the documentation of the accepted ones",
        ),
        (
            {"attempts": 2, "exit_codes": [7, 0]},
            "retry.exit_codes.1: at least 1 is wanted (found 0)",
        ),
        (
            {"attempts": 2, "exit_codes": [256]},
            "retry.exit_codes.0: at most 255 is accepted (found 256)",
        ),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(said: object, words: str) -> None:
    assert problem(retry=said) == words


@pytest.mark.parametrize("reason", ["lost", "refused", "deadline"])
def test_a_reason_that_is_never_retried_is_refused(reason: str) -> None:
    said = {"attempts": 2, "reasons": ["timeout", reason]}
    assert problem(retry=said) == f"retry.reasons.1: {NEVER} (found {reason!r})"


def test_a_reason_that_nobody_knows_is_told_what_there_is() -> None:
    words = problem(retry={"attempts": 2, "reasons": ["boredom"]})
    assert words.startswith("retry.reasons.0: there is no such reason; accepted: boot-failure, ")
    assert words.endswith("(found 'boredom')")


@pytest.mark.parametrize(("asked", "most"), [(5, 5), (1, 5), (1, 1)])
def test_a_job_may_ask_for_as_many_attempts_as_its_site_allows(asked: int, most: int) -> None:
    spec = job_spec(retry=RetryWish(attempts=asked))
    assert admission_problems(spec, site(most_attempts=most)) == ()


def test_more_attempts_than_the_site_allows_are_refused() -> None:
    spec = job_spec(retry=RetryWish(attempts=6))
    assert [str(it) for it in admission_problems(spec, site(most_attempts=5))] == [
        "retry.attempts: 6 asked for, the site allows at most 5"
    ]
