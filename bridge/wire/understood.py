"""A job that was understood, whichever message it came in."""

from collections.abc import Callable
from dataclasses import dataclass

from bridge.core.errors import Problem
from bridge.core.job import JobSpec


def _as_it_is(problem: Problem) -> Problem:
    return problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """One of the jobs in a message."""

    spec: JobSpec
    request: bytes
    """It alone as a message of our own: what submit renders from."""
    fingerprint: str
    """Equal for messages that say the same."""
    notes: tuple[str, ...] = ()
    """What the message asks for and the job does not get, in words."""
    problem_there: Callable[[Problem], Problem] = _as_it_is
    """The problem with a field of ours, at its place in the message."""
