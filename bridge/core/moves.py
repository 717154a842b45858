"""The steps that every decision is made of: tell, move, end, go back to the queue."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from bridge.core.failure import FailureReason, Hindrance
from bridge.core.lifecycle import MOVES, Event, EventKind, Job, Phase, Step
from bridge.core.outcome import BY_HINDRANCE


def tell(
    job: Job,
    kind: EventKind,
    at: datetime,
    *,
    reason: FailureReason | None = None,
    detail: str | None = None,
    expected_start_at: datetime | None = None,
) -> Step:
    """The job with one more event told of it as it is now."""
    numbered = replace(job, sequence=job.sequence + 1)
    event = Event(
        kind=kind,
        at=at,
        job=numbered,
        reason=reason,
        detail=detail,
        expected_start_at=expected_start_at,
    )
    return Step(job=numbered, events=(event,))


def move(job: Job, phase: Phase, **changes: Any) -> Step:
    """The job in another phase, with further changes; an anomaly where that is no legal move."""
    if phase not in MOVES[job.phase]:
        return Step(job=job, anomaly=f"{job.phase} -> {phase}")
    return Step(job=replace(job, phase=phase, **changes))


def end(
    job: Job,
    phase: Phase,
    at: datetime,
    *,
    reason: FailureReason | None = None,
    detail: str | None = None,
) -> Step:
    """The job's terminal event, and nothing after it.

    Where nobody has said when the job ended, it ended now; of a lost job that is not known.
    """
    ended_at = job.ended_at if reason is FailureReason.LOST else job.ended_at or at
    return move(
        job, phase, pending_reason=None, not_before=None, waits_for=(), ended_at=ended_at
    ).then(lambda it: tell(it, EventKind(phase), at, reason=reason, detail=detail))


def requeue(job: Job, at: datetime, *, restart: int) -> Step:
    """Back to the queue, with nothing left of the run that was."""
    waiting = move(
        job,
        Phase.QUEUED,
        restart=restart,
        started_at=None,
        ended_at=None,
        slurm_started_at=None,
        nodes=None,
        pulling_since=None,
        hindrance=None,
        hindering_mount=None,
        container_exit_code=None,
        exit_code=None,
    )
    return waiting.then(lambda it: tell(it, EventKind.REQUEUED, at))


def by_hindrance(job: Job, at: datetime, hindrance: Hindrance) -> Step:
    """The script's own word for why it never started the container."""
    reason, detail = BY_HINDRANCE[hindrance]
    return end(replace(job, exit_code=None), Phase.FAILED, at, reason=reason, detail=detail)


def by_end_mark(job: Job, at: datetime, exit_code: int) -> Step:
    """The container's own word, where Slurm cannot say any more."""
    if exit_code == 0:
        return end(job, Phase.FINISHED, at)
    return end(
        job,
        Phase.FAILED,
        at,
        reason=FailureReason.EXIT_CODE,
        detail=f"the container exited with {exit_code}",
    )
