"""The words that people know for where a job is."""

import pytest

from bridge.core.lifecycle import ENDS, EventKind, Phase
from bridge.core.user_state import OVER, UserState, user_state


@pytest.mark.parametrize(
    "phase", ["blocked", "accepted", "pulling", "submitting", "queued", "held"]
)
def test_a_job_that_has_not_begun_is_queued_whatever_it_waits_for(phase: str) -> None:
    state = user_state(EventKind.PENDING, Phase(phase), has_started=False)
    assert state == "queued"


def test_a_job_that_waits_for_its_next_attempt_is_queued() -> None:
    assert user_state(EventKind.RETRYING, Phase.ACCEPTED, has_started=True) == "queued"


@pytest.mark.parametrize(
    ("phase", "word"), [("running", "running"), ("finished", "complete"), ("failed", "failed")]
)
def test_a_job_that_began_is_running_complete_or_failed(phase: str, word: str) -> None:
    assert user_state(EventKind.STARTED, Phase(phase), has_started=True) == word


def test_a_job_that_was_stopped_before_it_began_is_cancelled() -> None:
    assert user_state(EventKind.CANCELLED, Phase.CANCELLED, has_started=False) == "cancelled"


def test_a_job_that_was_stopped_while_it_ran_is_terminated() -> None:
    assert user_state(EventKind.CANCELLED, Phase.CANCELLED, has_started=True) == "terminated"


def test_a_job_that_was_rejected_has_failed() -> None:
    assert user_state(EventKind.REJECTED, None, has_started=False) == "failed"


def test_a_job_of_which_nothing_is_known_waits() -> None:
    assert user_state(EventKind.ACCEPTED, None, has_started=False) == "queued"


@pytest.mark.parametrize("phase", Phase)
def test_a_job_is_over_in_our_words_when_it_is_over_in_the_bridges(phase: Phase) -> None:
    for has_started in (False, True):
        state = user_state(EventKind.PENDING, phase, has_started=has_started)
        assert (state in OVER) == (phase in ENDS)


def test_the_words_are_those_that_front_ends_know() -> None:
    assert {it.value for it in UserState} == {
        "queued",
        "running",
        "complete",
        "failed",
        "cancelled",
        "terminated",
    }
