"""What happened to a job, event by event and run by run: pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bridge.client.board import BoardAttempt
from bridge.core.failure import FailureReason
from bridge.core.lifecycle import EventKind
from bridge.core.pending import in_words
from bridge.dashboard import words
from bridge.dashboard.view import exit_code_text, length, signal_text
from bridge.wire.event import CloudEvent, EventData


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event of a job."""

    number: int
    kind: EventKind
    at: datetime
    title: str
    detail: str
    after: str
    """How long after the event before."""


def happenings(events: Iterable[CloudEvent]) -> list[Happening]:
    """The events in the order in which they happened, each once."""
    told = {event.id: event for event in events}.values()
    shown: list[Happening] = []
    for event in sorted(told, key=lambda it: (it.data.sequence, it.time)):
        before = shown[-1].at if shown else event.time
        gap = event.time - before
        shown.append(
            Happening(
                number=event.data.sequence,
                kind=event.data.event,
                at=event.time,
                title=_event_title(event.data),
                detail=_event_detail(event.data),
                after=f"+{words.span(gap)}" if shown and gap.total_seconds() >= 1 else "",
            )
        )
    return shown


def attempt_cells(attempt: BoardAttempt, now: datetime) -> tuple[str, ...]:
    """A run of a job: its number, Slurm's id, where, how long, how it ended."""
    number = f"{attempt.attempt}" + (f", restart {attempt.restart}" if attempt.restart else "")
    return (
        number,
        attempt.slurm_id or words.UNKNOWN,
        attempt.nodes or words.UNKNOWN,
        length(attempt.started_at, attempt.ended_at, now) or words.UNKNOWN,
        _outcome(attempt),
    )


def _event_title(data: EventData) -> str:
    if data.event is EventKind.STARTED and data.nodes:
        return f"Started on {data.nodes}"
    if data.event is EventKind.EXITED and data.exit_code is not None:
        return f"The container ended with exit code {exit_code_text(data.exit_code)}"
    return words.EVENTS.get(data.event, str(data.event).capitalize())


def _event_detail(data: EventData) -> str:
    match data.event:
        case EventKind.QUEUED | EventKind.REQUEUED if data.slurm_id:
            return f"as job {data.slurm_id}" + (f"; {data.detail}" if data.detail else "")
        case EventKind.ACCEPTED if data.notes:
            return "; ".join(data.notes)
        case EventKind.REJECTED if data.problems:
            return "; ".join(f"{it.where} {it.what}".strip() for it in data.problems)
        case EventKind.PENDING | EventKind.HELD:
            return in_words(data.pending_reason) or data.detail or ""
        case _:
            return data.detail or ""


def _outcome(attempt: BoardAttempt) -> str:
    if attempt.reason:
        why = words.REASONS.get(attempt.reason, attempt.reason)
        if attempt.reason == FailureReason.EXIT_CODE and attempt.exit_code is not None:
            return f"{why}, exit code {exit_code_text(attempt.exit_code)}"
        if attempt.reason == FailureReason.SIGNAL and attempt.signal is not None:
            return f"{why}, {signal_text(attempt.signal)}"
        return why
    if attempt.exit_code is not None:
        return f"exit code {attempt.exit_code}"
    return str(attempt.phase).capitalize() if attempt.phase else words.UNKNOWN
