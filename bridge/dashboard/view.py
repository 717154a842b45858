"""From what the board knows to what pages show: pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.client.board import BoardAttempt, BoardJob
from bridge.core.lifecycle import EventKind
from bridge.core.outcome import BY_STATE
from bridge.core.pending import in_words
from bridge.core.user_state import OVER, UserState
from bridge.dashboard import words
from bridge.wire.event import CloudEvent, EventData

_SHORT_ID = 8
_SAID_BY_THE_REASON = frozenset(detail for _, detail in BY_STATE.values())
_SLURM_WAITS = "Slurm has not said yet why it waits"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job in the table."""

    job_id: str
    name: str
    state: UserState
    note: str
    """What is to be said of it in a few words: why it waits, why it failed."""
    kind: str
    site: str
    user: str
    sent: str
    sent_at: datetime | None
    took: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """What is to be said of one job first."""

    state: UserState
    title: str
    """In one line: `Running on n1 for 2 min`."""
    detail: str
    """In the words of the bridge, Slurm or the site; empty where there are none."""
    advice: str
    """What a person may do; empty where there is nothing."""
    is_over: bool
    can_stop: bool
    is_stopping: bool


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


def job_row(job: BoardJob, now: datetime) -> JobRow:
    """The job as the table shows it."""
    return JobRow(
        job_id=job.job_id,
        name=job.name or f"job {job.job_id[:_SHORT_ID]}",
        state=job.state,
        note=_note(job),
        kind=job.kind or words.UNKNOWN,
        site=job.site,
        user=job.user or words.UNKNOWN,
        sent=words.ago(job.accepted_at, now) if job.accepted_at else words.UNKNOWN,
        sent_at=job.accepted_at,
        took=_took(job, now),
    )


def job_status(job: BoardJob, now: datetime) -> JobStatus:
    """What is to be said of the job first."""
    is_over = job.state in OVER
    is_stopping = not is_over and job.cancel_requested_at is not None
    return JobStatus(
        state=job.state,
        title=_title(job, now),
        detail=_detail(job),
        advice=words.ADVICE.get(job.reason or "", "") if job.state is UserState.FAILED else "",
        is_over=is_over,
        can_stop=not is_over and not is_stopping,
        is_stopping=is_stopping,
    )


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
        _length(attempt.started_at, attempt.ended_at, now) or words.UNKNOWN,
        _outcome(attempt),
    )


def facts_of(job: BoardJob) -> list[tuple[str, str]]:
    """What else is known of a job, each with its title; what is not known is left out."""
    facts: list[tuple[str, str | None]] = [
        ("Site", job.site),
        ("Sent by", job.user),
        ("Kind", job.kind),
        ("Image", job.image),
        ("Slurm job", job.slurm_id),
        ("Nodes", job.nodes),
        ("Exit code", None if job.exit_code is None else str(job.exit_code)),
        ("Signal", None if job.signal is None else str(job.signal)),
        *((key, value) for key, value in sorted(job.labels.items())),
        ("Job id", job.job_id),
        ("Folder", folder_of(job)),
    ]
    return [(title, value) for title, value in facts if value]


def folder_of(job: BoardJob) -> str:
    """The job's folder on the site; empty where it is not known."""
    return job.stdout.rpartition("/")[0] if job.stdout else ""


def parameters(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Parameters one a line, those in sections by their dotted names."""
    return list(_flat(values, ""))


def state_counts(counts: Mapping[UserState, int]) -> list[tuple[UserState, str, int]]:
    """Each state with its title and how many jobs are in it."""
    return [(state, title, counts.get(state, 0)) for state, title in words.STATES.items()]


def _flat(values: Mapping[str, object], prefix: str) -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _plain(value)


def _plain(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return value
        case Sequence():
            return ", ".join(map(_plain, value))
        case _:
            return str(value)


def _note(job: BoardJob) -> str:
    match job.state:
        case UserState.QUEUED:
            return _waits(job)
        case UserState.RUNNING if job.progress is not None:
            total = f" of {job.progress.total:g}" if job.progress.total else ""
            return f"step {job.progress.step:g}{total}"
        case UserState.FAILED:
            return words.REASONS.get(job.reason or "", job.reason or "")
        case _:
            return ""


def _waits(job: BoardJob) -> str:
    if job.cancel_requested_at is not None:
        return "is being stopped"
    if job.next_attempt_at is not None:
        return "the last attempt failed; another one follows"
    if job.slurm_id is None:
        return job.detail or "is on its way to Slurm"
    return in_words(job.pending_reason) or ""


def _took(job: BoardJob, now: datetime) -> str:
    return _length(job.started_at, job.ended_at, now) or words.UNKNOWN


def _length(started: datetime | None, ended: datetime | None, now: datetime) -> str:
    return words.span((ended or now) - started) if started else ""


def _title(job: BoardJob, now: datetime) -> str:
    took = _length(job.started_at, job.ended_at, now)
    match job.state:
        case UserState.QUEUED:
            return f"Waiting since {words.span(now - (job.accepted_at or job.updated_at))}"
        case UserState.RUNNING:
            where = f" on {job.nodes}" if job.nodes else ""
            return f"Running{where} for {took}" if took else f"Running{where}"
        case UserState.COMPLETE:
            return f"Complete after {took}" if took else "Complete"
        case UserState.FAILED:
            return words.REASONS.get(job.reason or "", "Failed")
        case UserState.CANCELLED:
            return "Cancelled before it started"
        case UserState.TERMINATED:
            return f"Stopped after {took}" if took else "Stopped while it ran"


def _detail(job: BoardJob) -> str:
    if job.state is UserState.QUEUED:
        waits = _waits(job) or _SLURM_WAITS
        return f"{waits[0].upper()}{waits[1:]}."
    if job.state is UserState.FAILED and job.detail not in _SAID_BY_THE_REASON:
        return job.detail or ""
    return ""


def _event_title(data: EventData) -> str:
    if data.event is EventKind.STARTED and data.nodes:
        return f"Started on {data.nodes}"
    if data.event is EventKind.EXITED and data.exit_code is not None:
        return f"The container ended with exit code {data.exit_code}"
    return words.EVENTS.get(data.event, str(data.event).capitalize())


def _event_detail(data: EventData) -> str:
    match data.event:
        case EventKind.QUEUED | EventKind.REQUEUED if data.slurm_id:
            return f"as job {data.slurm_id}" + (f"; {data.detail}" if data.detail else "")
        case EventKind.PENDING | EventKind.HELD:
            return in_words(data.pending_reason) or data.detail or ""
        case _:
            return data.detail or ""


def _outcome(attempt: BoardAttempt) -> str:
    if attempt.reason:
        return words.REASONS.get(attempt.reason, attempt.reason)
    if attempt.exit_code is not None:
        return f"exit code {attempt.exit_code}"
    return str(attempt.phase).capitalize() if attempt.phase else words.UNKNOWN
