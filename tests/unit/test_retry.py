"""Relaunch: which failures are followed by another attempt, when, and with how much."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.builders import (
    JOB_ID,
    Story,
    absent,
    at,
    begun,
    cancel,
    end_mark,
    not_submitted,
    queued,
    refused,
    running,
    seen,
    submitted,
)

from bridge.core.failure import FailureReason
from bridge.core.job import Resources, RetryWish
from bridge.core.lifecycle import Job
from bridge.core.retry import LONGEST_WAIT, RetryPolicy, due, grown, policy_for, read_retryable
from bridge.core.site import Limits

EVERY_REASON = frozenset(FailureReason)
ALL = RetryPolicy(attempts=3, reasons=EVERY_REASON, wait=timedelta(minutes=1))
FAILURES = {
    "exit-code": [seen("FAILED", 9, code=7, signal=0, start=3, end=8, nodes="n1")],
    "signal": [seen("FAILED", 9, code=0, signal=9, start=3, end=8, nodes="n1")],
    "timeout": [seen("TIMEOUT", 9, code=0, signal=0, start=3, end=8, nodes="n1")],
    "out-of-memory": [seen("OUT_OF_MEMORY", 9, code=0, signal=125, start=3, end=8, nodes="n1")],
    "preempted": [seen("PREEMPTED", 8), seen("PREEMPTED", 9, start=3, end=8, nodes="n1")],
    "node-failure": [seen("NODE_FAIL", 8), seen("NODE_FAIL", 9, start=3, end=8, nodes="n1")],
    "boot-failure": [seen("BOOT_FAIL", 8), seen("BOOT_FAIL", 9, start=3, end=8, nodes="n1")],
}


def failing(reason: str, policy: RetryPolicy) -> Story:
    return running(*FAILURES[reason], policy=policy)


# --- whether


@pytest.mark.parametrize("reason", FAILURES)
def test_a_failure_that_the_policy_names_is_followed_by_another_attempt(reason: str) -> None:
    policy = replace(ALL, reasons=frozenset({FailureReason(reason)}))
    story = failing(reason, policy)
    assert story.tells == ["accepted", "queued", "started", "retrying"]
    assert story.last.reason == reason
    assert (story.job.phase, story.job.attempt) == ("accepted", 2)


@pytest.mark.parametrize("reason", FAILURES)
def test_a_failure_that_the_policy_does_not_name_is_the_end(reason: str) -> None:
    policy = replace(ALL, reasons=EVERY_REASON - {FailureReason(reason)})
    story = failing(reason, policy)
    assert story.tells[-1] == "failed"
    assert (story.job.phase, story.job.attempt) == ("failed", 1)


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (Story(begun(), refused(), policy=ALL), "refused"),
        (Story(refused(), policy=ALL), "refused"),
        (running(absent(9, missing=5), policy=ALL), "lost"),
        (running(seen("DEADLINE", 9, start=3, end=9, nodes="n1"), policy=ALL), "deadline"),
    ],
)
def test_what_would_be_refused_again_or_may_still_run_is_never_tried_again(
    story: Story, reason: str
) -> None:
    assert story.tells[-1] == "failed"
    assert story.last.reason == reason


def test_success_and_cancellation_are_no_failures() -> None:
    assert running(seen("COMPLETED", 9, code=0), policy=ALL).tells[-1] == "finished"
    assert running(seen("CANCELLED", 9), policy=ALL).tells[-1] == "cancelled"


def test_a_container_that_failed_is_tried_again_also_where_only_its_marker_says_so() -> None:
    story = running(end_mark(8, 7), absent(9, accounting=False), policy=ALL)
    assert story.tells[-2:] == ["exited", "retrying"]
    assert story.last.job.exit_code == 7


def test_without_a_policy_only_one_attempt_is_made() -> None:
    assert failing("node-failure", RetryPolicy()).tells[-1] == "failed"


def test_a_site_that_retries_names_by_default_what_was_not_the_jobs_own_fault() -> None:
    tried_again = {
        reason
        for reason in FAILURES
        if failing(reason, RetryPolicy(attempts=2)).tells[-1] == "retrying"
    }
    assert tried_again == {"preempted", "node-failure", "boot-failure"}


@pytest.mark.parametrize(
    ("code", "told"), [(7, "retrying"), (75, "retrying"), (1, "failed"), (137, "failed")]
)
def test_where_exit_codes_are_named_only_these_are_tried_again(code: int, told: str) -> None:
    policy = replace(ALL, exit_codes=frozenset({7, 75}))
    story = running(seen("FAILED", 9, code=code), policy=policy)
    assert story.tells[-1] == told


def test_the_exit_code_that_counts_is_the_containers() -> None:
    policy = replace(ALL, exit_codes=frozenset({75}))
    story = running(end_mark(8, 75), seen("FAILED", 9, code=1), policy=policy)
    assert story.tells[-1] == "retrying"


def test_exit_codes_say_nothing_of_other_failures() -> None:
    assert failing("timeout", replace(ALL, exit_codes=frozenset({7}))).tells[-1] == "retrying"


def test_a_job_that_is_to_be_cancelled_is_never_tried_again() -> None:
    story = running(cancel(5), *FAILURES["node-failure"], policy=ALL)
    assert story.tells[-1] == "failed"
    assert story.job.attempt == 1


def test_after_the_last_attempt_the_failure_is_told_as_the_end() -> None:
    story = queued(policy=ALL)
    for attempt in (1, 2, 3):
        assert story.job.attempt == attempt
        story.hears(seen("TIMEOUT", 9, start=3, end=8, nodes="n1"), begun(20), submitted(21))
    assert story.tells == [
        "accepted",
        "queued", "started", "retrying",
        "queued", "started", "retrying",
        "queued", "started", "failed",
    ]  # fmt: skip
    assert [it.job.attempt for it in story.events] == [1, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [it.job.sequence for it in story.events] == list(range(1, 11))
    assert not story.anomalies


# --- when


@pytest.mark.parametrize(("failed", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8), (7, 60), (50, 60)])
def test_each_attempt_waits_twice_as_long_up_to_the_longest(failed: int, minutes: float) -> None:
    story = queued(policy=replace(ALL, attempts=99))
    story.job = replace(story.job, attempt=failed)
    story.hears(seen("FAILED", 9, code=1))
    assert story.job.not_before == at(9 + minutes)


def test_the_pause_is_over_once_the_next_attempt_is_submitted() -> None:
    assert failing("timeout", ALL).hears(begun(20)).job.not_before is None


@pytest.mark.parametrize(
    ("not_before", "written", "has_come"),
    [
        (None, 0, True),
        (at(0), 0, True),
        (at(1), 0, False),
        (at(0) + LONGEST_WAIT, 0, False),
        (at(1) + LONGEST_WAIT, 0, True),
        (at(5), 1, False),
        (at(5), 2, True),
    ],
)
def test_an_attempt_is_due_when_its_time_has_come_or_the_clock_was_set_back(
    not_before: datetime | None, written: float, *, has_come: bool
) -> None:
    assert due(at(0)).has_come(not_before, changed_at=at(written)) is has_come


# --- what is told and what is left


def test_the_event_has_the_facts_of_the_failed_attempt_and_the_time_of_the_next() -> None:
    story = failing("exit-code", ALL)
    told = story.last.job
    assert (told.attempt, told.slurm_id, told.exit_code) == (1, "4711", 7)
    assert (told.submitted_at, told.started_at, told.ended_at) == (at(2), at(3), at(8))
    assert (told.nodes, told.phase, told.not_before) == ("n1", "accepted", at(10))
    assert story.last.at == at(9)
    assert story.last.detail == "it exited with 7; attempt 2 of 3 follows"


def test_a_failed_attempt_that_was_never_seen_running_tells_its_start_first() -> None:
    story = queued(*FAILURES["exit-code"], policy=ALL)
    assert story.tells == ["accepted", "queued", "started", "retrying"]


def test_nothing_of_the_failed_attempt_is_left_but_what_it_teaches() -> None:
    story = running(
        seen("PENDING", 4, reason="BeginTime"),
        seen("RUNNING", 5, start=5, nodes="n2"),
        end_mark(6, 7, restart=1),
        seen("FAILED", 9, code=7, signal=0, start=5, end=8, nodes="n2"),
        policy=ALL,
    )
    assert story.tells == [
        "accepted", "queued", "started", "requeued", "pending", "started", "exited", "retrying",
    ]  # fmt: skip
    assert story.job == Job(
        job_id=JOB_ID,
        accepted_at=at(0),
        revision=8,
        sequence=8,
        attempt=2,
        not_before=at(10),
    )


def test_a_relaunch_is_one_step_for_the_journal() -> None:
    story = running(policy=ALL)
    before = story.job.revision
    assert story.hears(*FAILURES["exit-code"]).job.revision == before + 1


def test_what_ran_out_is_counted() -> None:
    story = failing("timeout", replace(ALL, attempts=9)).hears(begun(20), submitted(21))
    story.hears(*FAILURES["timeout"], begun(20), submitted(21))
    story.hears(*FAILURES["out-of-memory"], begun(20), submitted(21))
    story.hears(*FAILURES["signal"])
    assert (story.job.attempt, story.job.timeouts, story.job.memory_shortages) == (5, 2, 1)


def test_the_next_attempt_may_have_to_be_submitted_more_than_once() -> None:
    story = failing("timeout", ALL).hears(begun(20), not_submitted(21), begun(22), submitted(23))
    assert story.tells[-2:] == ["retrying", "queued"]
    assert (story.job.attempt, story.job.timeouts) == (2, 1)


def test_what_slurm_still_says_of_the_failed_attempt_changes_nothing() -> None:
    story = failing("node-failure", ALL)
    before, told = story.job, list(story.tells)
    story.hears(seen("NODE_FAIL", 10), absent(11, missing=9), end_mark(12, 1))
    assert (story.job, story.tells) == (before, told)


def test_a_next_attempt_without_a_script_ends_the_job() -> None:
    story = failing("timeout", ALL).hears(refused(20, "no template for this"))
    assert story.tells[-2:] == ["retrying", "failed"]
    assert (story.last.reason, story.job.attempt, story.job.not_before) == ("refused", 2, None)


# --- whose policy


SITE_POLICY = RetryPolicy(
    attempts=2,
    reasons=frozenset({FailureReason.NODE_FAILURE}),
    wait=timedelta(minutes=2),
    longest_wait=timedelta(minutes=30),
    walltime_factor=1.5,
    memory_factor=2.0,
)


def test_a_job_that_says_nothing_gets_what_its_site_has() -> None:
    assert policy_for(None, SITE_POLICY) is SITE_POLICY


def test_what_a_job_leaves_out_is_its_sites_choice() -> None:
    assert policy_for(RetryWish(attempts=5), SITE_POLICY) == replace(SITE_POLICY, attempts=5)


def test_what_a_job_says_outranks_its_site() -> None:
    wish = RetryWish(
        attempts=4,
        reasons=frozenset({FailureReason.TIMEOUT}),
        wait=timedelta(seconds=5),
        walltime_factor=3.0,
        memory_factor=1.0,
    )
    assert policy_for(wish, SITE_POLICY) == RetryPolicy(
        attempts=4,
        reasons=frozenset({FailureReason.TIMEOUT}),
        wait=timedelta(seconds=5),
        longest_wait=timedelta(minutes=30),
        walltime_factor=3.0,
        memory_factor=1.0,
    )


def test_a_job_may_refuse_further_attempts_for_any_reason() -> None:
    assert policy_for(RetryWish(attempts=9, reasons=frozenset()), SITE_POLICY).reasons == set()


def test_who_names_exit_codes_means_them_also_without_the_reason() -> None:
    wish = RetryWish(attempts=2, exit_codes=frozenset({75}))
    policy = policy_for(wish, SITE_POLICY)
    assert policy.reasons == {FailureReason.NODE_FAILURE, FailureReason.EXIT_CODE}
    assert policy.exit_codes == {75}


@pytest.mark.parametrize("reason", ["refused", "lost", "deadline"])
def test_a_reason_that_is_never_retried_cannot_be_named(reason: str) -> None:
    with pytest.raises(ValueError, match="is never tried again; accepted: boot-failure, exit-code"):
        read_retryable(reason)


@pytest.mark.parametrize("word", ["boredom", 7, None, ["timeout"]])
def test_what_is_no_reason_cannot_be_named(word: object) -> None:
    with pytest.raises(ValueError, match="there is no such reason; accepted: boot-failure, exit"):
        read_retryable(word)


@pytest.mark.parametrize("reason", FAILURES)
def test_every_other_reason_can_be_named(reason: str) -> None:
    assert read_retryable(reason) is FailureReason(reason)


# --- with how much


def asks(
    *,
    timeouts: int = 0,
    shortages: int = 0,
    hours: float | None = 1,
    memory: int | None = 1000,
    limits: Limits | None = None,
) -> tuple[float | None, int | None]:
    """The hours and MiB that an attempt asks for."""
    policy = RetryPolicy(attempts=99, walltime_factor=1.5, memory_factor=2)
    job = replace(queued().job, timeouts=timeouts, memory_shortages=shortages)
    asked = Resources(
        nodes=2,
        walltime=None if hours is None else timedelta(hours=hours),
        memory_mib=memory,
    )
    found = grown(asked, job, policy, limits or Limits())
    assert replace(found, walltime=asked.walltime, memory_mib=asked.memory_mib) == asked
    hours = None if found.walltime is None else found.walltime / timedelta(hours=1)
    return hours, found.memory_mib


def test_the_first_attempt_asks_for_what_the_job_says() -> None:
    assert asks() == (1, 1000)


def test_each_attempt_after_a_timeout_asks_for_more_time_and_no_more_memory() -> None:
    assert asks(timeouts=1) == (1.5, 1000)
    assert asks(timeouts=2) == (2.25, 1000)


def test_each_attempt_after_a_lack_of_memory_asks_for_more_memory_and_no_more_time() -> None:
    assert asks(shortages=1) == (1, 2000)
    assert asks(shortages=3) == (1, 8000)


def test_what_the_job_leaves_to_the_site_is_left_to_it() -> None:
    assert asks(timeouts=3, shortages=3, hours=None, memory=None) == (None, None)


def test_nothing_grows_above_the_sites_limits() -> None:
    limits = Limits(walltime=timedelta(hours=2), memory_mib=3000)
    assert asks(timeouts=1, shortages=1, limits=limits) == (1.5, 2000)
    assert asks(timeouts=2, shortages=2, limits=limits) == (2, 3000)
    assert asks(timeouts=98, shortages=98, limits=limits) == (2, 3000)


@given(
    timeouts=st.integers(0, 99),
    shortages=st.integers(0, 99),
    factor=st.floats(1, 100),
    walltime=st.timedeltas(timedelta(seconds=1), timedelta(days=999)),
    memory=st.integers(1, 999_999_999),
)
@settings(max_examples=200, deadline=None)
def test_what_is_asked_for_never_shrinks_and_can_always_be_written(
    *, timeouts: int, shortages: int, factor: float, walltime: timedelta, memory: int
) -> None:
    policy = RetryPolicy(attempts=100, walltime_factor=factor, memory_factor=factor)
    job = replace(queued().job, timeouts=timeouts, memory_shortages=shortages)
    found = grown(Resources(walltime=walltime, memory_mib=memory), job, policy, Limits())
    assert found.walltime is not None
    assert found.memory_mib is not None
    assert walltime <= found.walltime <= timedelta(days=999)
    assert memory <= found.memory_mib <= 999_999_999
