"""What events make of the board, in whatever order they come: pure."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from bridge.client.board.model import BoardArtifact, BoardAttempt, BoardJob, BoardSite
from bridge.core.lifecycle import EventKind
from bridge.core.user_state import user_state
from bridge.wire.event import CloudEvent, EventData

_REACH = {EventKind.UNREACHABLE: False, EventKind.RECOVERED: True}
_REJECTED = "rejected"


def fold_job(known: BoardJob | None, event: CloudEvent) -> BoardJob | None:
    """The job after one more of its events, whether older or newer than what is known.

    None: the event is of no job.
    """
    if event.data.job_id is None:
        return None
    if known is None:
        job = BoardJob(job_id=event.data.job_id, **_newest(event))
    elif _precedence(event) > _precedence_of(known):
        job = replace(known, **_newest(event))
    else:
        job = known
    return _asked_for(job, event.data)


def fold_attempt(known: BoardAttempt | None, event: CloudEvent) -> BoardAttempt | None:
    """The run after one more of its events; None: the event is of no run."""
    data = event.data
    if data.job_id is None or data.attempt is None:
        return None
    if known is not None and data.sequence <= known.sequence:
        return known
    return BoardAttempt(
        job_id=data.job_id,
        attempt=data.attempt,
        restart=data.restart or 0,
        sequence=data.sequence,
        phase=data.phase,
        reason=data.reason,
        slurm_id=data.slurm_id,
        nodes=data.nodes,
        submitted_at=data.submitted_at,
        started_at=data.started_at,
        ended_at=data.ended_at,
        exit_code=data.exit_code,
        signal=data.signal,
    )


def fold_site(known: BoardSite | None, event: CloudEvent) -> BoardSite:
    """The site after one more event from there; the latest word on its reach counts."""
    at, data = event.time, event.data
    site = known or BoardSite(name=data.site, heard_at=at)
    site = replace(site, heard_at=max(site.heard_at, at))
    is_news = site.changed_at is None or at >= site.changed_at
    if data.event in _REACH and is_news:
        site = replace(site, is_reachable=_REACH[data.event], detail=data.detail, changed_at=at)
    return site


_Precedence = tuple[int, bool, datetime, str]


def _precedence(event: CloudEvent) -> _Precedence:
    """Which of two events says how a job is: of what has no number, progress, then the later."""
    data = event.data
    is_progress = data.event is EventKind.PROGRESS
    return data.sequence, is_progress, event.time, data.detail or ""


def _precedence_of(job: BoardJob) -> _Precedence:
    is_progress = job.last_event is EventKind.PROGRESS
    return job.sequence, is_progress, job.updated_at, job.detail or ""


def _newest(event: CloudEvent) -> dict[str, Any]:
    """What the newest event alone decides."""
    data = event.data
    is_rejected = data.event is EventKind.REJECTED
    return {
        "site": data.site,
        "state": user_state(data.event, data.phase, has_started=data.started_at is not None),
        "sequence": data.sequence,
        "last_event": data.event,
        "updated_at": event.time,
        "phase": data.phase,
        "reason": _REJECTED if is_rejected else data.reason,
        "detail": data.detail,
        "pending_reason": data.pending_reason,
        "attempt": data.attempt or 1,
        "restart": data.restart or 0,
        "slurm_id": data.slurm_id,
        "nodes": data.nodes,
        "accepted_at": data.accepted_at or event.time,
        "submitted_at": data.submitted_at,
        "started_at": data.started_at,
        "ended_at": data.ended_at,
        "expected_start_at": data.expected_start_at,
        "next_attempt_at": data.next_attempt_at,
        "cancel_requested_at": data.cancel_requested_at,
        "exit_code": data.exit_code,
        "signal": data.signal,
        "stdout": data.logs.stdout if data.logs else None,
        "stderr": data.logs.stderr if data.logs else None,
        **_tasks(data),
    }


def _tasks(data: EventData) -> dict[str, Any]:
    """Whose task it is, and what has become of its own."""
    task, tasks = data.task, data.tasks
    return {
        "sweep": task.sweep if task else None,
        "task": task.index if task else None,
        "tasks": tasks.total if tasks else None,
        "tasks_finished": tasks.finished if tasks else None,
        "tasks_failed": tasks.failed if tasks else None,
        "tasks_cancelled": tasks.cancelled if tasks else None,
    }


def _asked_for(job: BoardJob, data: EventData) -> BoardJob:
    """What one event alone tells, whenever it comes."""
    if data.artifacts is not None:
        files = tuple(
            BoardArtifact(name=it.name, size=it.size, sha256=it.sha256)
            for it in data.artifacts.files
        )
        job = replace(job, artifacts=files, artifacts_total=data.artifacts.total)
    if data.job is None:
        return job
    summary = data.job
    return replace(
        job,
        name=summary.name,
        kind=str(summary.kind),
        image=summary.image,
        user=summary.user or "",
        labels=summary.labels,
        request=summary.model_dump(mode="json"),
    )
