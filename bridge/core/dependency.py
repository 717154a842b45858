"""Jobs that wait for others: when they may go on, and when they never will."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from bridge.core.facts import DependencyEnded, Ending
from bridge.core.failure import FailureReason
from bridge.core.job import Condition, Dependency, JobId
from bridge.core.lifecycle import EventKind, Job, Phase, Step
from bridge.core.moves import end, move, tell
from bridge.core.sweep import task_ended

PENDING_REASON = "Dependency"
"""Slurm's own word, squeue(1); here it is the bridge that holds the job."""

_WANTED: Mapping[Condition, frozenset[Ending]] = MappingProxyType(
    {
        Condition.AFTER_OK: frozenset({Ending.FINISHED}),
        Condition.AFTER_ANY: frozenset({Ending.FINISHED, Ending.FAILED, Ending.CANCELLED}),
    }
)
_IN_WORDS: Mapping[Ending, str] = MappingProxyType(
    {
        Ending.FINISHED: "has finished",
        Ending.FAILED: "has failed",
        Ending.CANCELLED: "was cancelled",
        Ending.REJECTED: "was rejected",
        Ending.UNKNOWN: "has not come",
    }
)


def block(job: Job, at: datetime, dependencies: Sequence[Dependency]) -> Step:
    """What it makes of a new job that others must end before it; nothing where there are none."""
    if not dependencies:
        return Step(job=job)
    waiting = blocked(job, dependencies)
    return tell(waiting, EventKind.PENDING, at, detail=_waits_for(dependencies))


def blocked(job: Job, dependencies: Sequence[Dependency]) -> Job:
    """The new job, as it waits for these."""
    waits_for = tuple(dependencies)
    return replace(job, phase=Phase.BLOCKED, waits_for=waits_for, pending_reason=PENDING_REASON)


def freed(job: Job, fact: DependencyEnded) -> Step:
    """What the end of another job makes of one that may wait for it."""
    if job.phase is Phase.ARRAY:
        return task_ended(job, fact)
    ended = next((it for it in job.waits_for if it.job_id == fact.job_id), None)
    if ended is None:
        return Step(job=job)
    if fact.ending not in _WANTED[ended.condition]:
        return end(
            job,
            Phase.FAILED,
            fact.at,
            reason=FailureReason.DEPENDENCY,
            detail=f"it waited for the job {fact.job_id}, which {_IN_WORDS[fact.ending]}",
        )
    left = tuple(it for it in job.waits_for if it is not ended)
    if left:
        return Step(job=replace(job, waits_for=left))
    return move(job, Phase.ACCEPTED, waits_for=(), pending_reason=None)


def closes_a_circle(
    job_id: JobId,
    depends_on: Sequence[Dependency],
    waits_of: Callable[[Collection[JobId]], Mapping[JobId, Sequence[Dependency]]],
) -> bool:
    """Whether the job would wait, by way of those it depends on, for itself.

    `waits_of` says what each of these jobs waits for; those that are not known it leaves out.
    """
    seen: set[JobId] = set()
    ahead = {it.job_id for it in depends_on}
    while ahead and job_id not in ahead:
        seen |= ahead
        ahead = {it.job_id for waits in waits_of(ahead).values() for it in waits} - seen
    return bool(ahead)


def _waits_for(dependencies: Sequence[Dependency]) -> str:
    first, *others = (it.job_id for it in dependencies)
    if not others:
        return f"it waits for the job {first}"
    more = "one more" if len(others) == 1 else f"{len(others)} more"
    return f"it waits for the job {first} and {more}"
