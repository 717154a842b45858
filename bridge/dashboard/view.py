"""From what the board knows to what pages show: pure."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from signal import Signals

from bridge.client.board import BoardJob
from bridge.core.outcome import BY_STATE
from bridge.core.pending import in_words
from bridge.core.user_state import OVER, UserState
from bridge.dashboard import words

_SHORT_ID = 8
_SIGNALS_FROM = 128
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


def job_row(job: BoardJob, now: datetime) -> JobRow:
    """The job as the table shows it."""
    return JobRow(
        job_id=job.job_id,
        name=job_title(job),
        state=job.state,
        note=_note(job),
        kind=job.kind or words.UNKNOWN,
        site=job.site,
        user=job.user or words.UNKNOWN,
        sent=words.ago(job.accepted_at, now) if job.accepted_at else words.UNKNOWN,
        sent_at=job.accepted_at,
        took=_took(job, now),
    )


def job_title(job: BoardJob) -> str:
    """What the job is called; of a sweep's task, which one it is."""
    name = job.name or f"job {job.job_id[:_SHORT_ID]}"
    return name if job.task is None else f"{name}, task {job.task}"


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


def facts_of(job: BoardJob) -> list[tuple[str, str]]:
    """What else is known of a job, each with its title; what is not known is left out."""
    facts: list[tuple[str, str | None]] = [
        ("Site", job.site),
        ("Sent by", job.user),
        ("Kind", job.kind),
        ("Image", job.image),
        ("Slurm job", job.slurm_id),
        ("Nodes", job.nodes),
        ("Exit code", None if job.exit_code is None else exit_code_text(job.exit_code)),
        ("Signal", None if job.signal is None else signal_text(job.signal)),
        *((key, value) for key, value in sorted(job.labels.items())),
        ("Job id", job.job_id),
        ("Folder", folder_of(job)),
        ("Logs", None if job.tasks else _logs(job)),
    ]
    return [(title, value) for title, value in facts if value]


def _logs(job: BoardJob) -> str | None:
    if job.stdout is None or job.stderr is None:
        return None
    output, errors = (it.rpartition("/")[2] for it in (job.stdout, job.stderr))
    return f"{output} and {errors} in the folder"


def exit_code_text(code: int) -> str:
    """An exit code; where shells mean a signal by it, with that: `137 (128 + 9, SIGKILL)`.

    Source: bash(1), EXIT STATUS.
    """
    with suppress(ValueError):
        if code > _SIGNALS_FROM:
            ended_by = Signals(code - _SIGNALS_FROM)
            return f"{code} ({_SIGNALS_FROM} + {ended_by.value}, {ended_by.name})"
    return str(code)


def signal_text(number: int) -> str:
    """A signal's number with its name, where it has one: `9 (SIGKILL)`."""
    try:
        return f"{number} ({Signals(number).name})"
    except ValueError:
        return str(number)


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
        case _ if job.tasks:
            return f"a sweep of {words.count_of(job.tasks, 'task', 'tasks')}"
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
    return length(job.started_at, job.ended_at, now) or words.UNKNOWN


def length(started: datetime | None, ended: datetime | None, now: datetime) -> str:
    """How long it took, or has taken until now; empty where it has not started."""
    return words.span((ended or now) - started) if started else ""


def _title(job: BoardJob, now: datetime) -> str:
    took = length(job.started_at, job.ended_at, now)
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
        return f"{waits[0].upper()}{waits[1:]}.{_from_when(job)}"
    if job.state is UserState.FAILED and job.detail not in _SAID_BY_THE_REASON:
        return job.detail or ""
    return ""


def _from_when(job: BoardJob) -> str:
    if job.next_attempt_at is not None:
        return f" That is not before {words.moment(job.next_attempt_at)}."
    if job.expected_start_at is not None:
        return f" Slurm means to start it at {words.moment(job.expected_start_at)}."
    return ""
