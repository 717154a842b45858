"""A job's state in the words that people know."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from bridge.core.lifecycle import EventKind, Phase


class UserState(StrEnum):
    """Where a job is, for somebody who looks at a page. The values are public."""

    QUEUED = "queued"
    """It waits: at the bridge, in Slurm's queue, or for its next attempt."""
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    """It ended badly, or was rejected: the reason says which."""
    CANCELLED = "cancelled"
    """Stopped before it started."""
    TERMINATED = "terminated"
    """Stopped while it ran."""


OVER = frozenset({UserState.COMPLETE, UserState.FAILED, UserState.CANCELLED, UserState.TERMINATED})
"""States that a job never leaves."""

_BY_PHASE: Mapping[Phase, UserState] = MappingProxyType(
    {
        Phase.BLOCKED: UserState.QUEUED,
        Phase.ACCEPTED: UserState.QUEUED,
        Phase.PULLING: UserState.QUEUED,
        Phase.SUBMITTING: UserState.QUEUED,
        Phase.ARRAY: UserState.QUEUED,
        Phase.QUEUED: UserState.QUEUED,
        Phase.HELD: UserState.QUEUED,
        Phase.RUNNING: UserState.RUNNING,
        Phase.FINISHED: UserState.COMPLETE,
        Phase.FAILED: UserState.FAILED,
    }
)


def user_state(kind: EventKind, phase: Phase | None, *, has_started: bool) -> UserState:
    """The state of a job of which this was told last.

    `has_started`: whether the run that was under way has begun. A rejection knows no phase.
    """
    if kind is EventKind.REJECTED:
        return UserState.FAILED
    if phase is Phase.CANCELLED:
        return UserState.TERMINATED if has_started else UserState.CANCELLED
    if phase is Phase.ARRAY and has_started:
        return UserState.RUNNING
    return UserState.QUEUED if phase is None else _BY_PHASE[phase]
