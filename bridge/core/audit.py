"""What a journal holds of a job, and whether it can be so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.core.job import JobId
from bridge.core.lifecycle import ENDS, EventKind, Job, Phase

_TERMINAL = frozenset(EventKind(it) for it in ENDS)
_SLURM_HAS_IT_NOT = frozenset({Phase.BLOCKED, Phase.ACCEPTED, Phase.PULLING, Phase.SUBMITTING})
_SLURM_HAS_IT = frozenset({Phase.QUEUED, Phase.HELD, Phase.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """A status event as a journal holds it."""

    position: int
    """Its place among all events: they are published in this order."""
    event_id: str
    routing_key: str
    body: bytes
    recorded_at: datetime
    sent_at: datetime | None
    """When the broker confirmed it; None while it waits."""
    reply_to: str | None = None
    """The queue that gets it, where it is a reply and no event at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCancel:
    """A wish to cancel that a journal remembers, of a job that it may not know."""

    job_id: JobId
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that a journal holds of one job."""

    job: Job
    request: bytes | None
    """The message it came with; None is a gap in the journal."""
    told_before: int
    """Up to this number its events were told by an earlier journal, which was lost."""
    changed_at: datetime
    events: tuple[RecordedEvent, ...]
    """In the order they were recorded."""


def violations(history: History) -> Iterator[str]:
    """What cannot be so, in words; nothing of a sound history."""
    yield from _of_the_job(history.job)
    if history.request is None:
        yield "the message it came with is missing"
    # Progress has numbers of its own, with gaps: what was published is forgotten.
    numbered = tuple(it for it in history.events if _kind(it) is not EventKind.PROGRESS)
    history = replace(history, events=numbered)
    yield from _of_the_numbers(history)
    yield from _of_the_end(history)


def _of_the_job(job: Job) -> Iterator[str]:
    for name, least in (("revision", 1), ("attempt", 1), ("restart", 0), ("sequence", 0)):
        if (value := getattr(job, name)) < least:
            yield f"{name} is {value}, and at least {least} is possible"
    if job.phase in _SLURM_HAS_IT and job.slurm_id is None:
        yield f"it is {job.phase}, and has no Slurm id"
    if job.phase in _SLURM_HAS_IT_NOT and job.slurm_id is not None:
        yield f"it is {job.phase}, and has the Slurm id {job.slurm_id} already"
    if job.phase is Phase.BLOCKED and not job.waits_for:
        yield "it is blocked, and waits for no other job"
    if job.phase not in (Phase.BLOCKED, Phase.ARRAY) and job.waits_for:
        yield f"it is {job.phase}, and waits for the job {job.waits_for[0].job_id}"
    if job.phase is Phase.SUBMITTING and job.submitting_since is None:
        yield "it is submitting, and since when is not known"


def _of_the_numbers(history: History) -> Iterator[str]:
    """The events' ids are `<job id>/<number>`, and the numbers have no gap up to the job's own."""
    numbers = range(history.told_before + 1, history.job.sequence + 1)
    for number, event in zip(numbers, history.events, strict=False):
        if event.event_id != (wanted := f"{history.job.job_id}/{number}"):
            yield f"where the event {wanted} should stand, there is {event.event_id}"
            return
    told = len(history.events)
    if told < len(numbers):
        yield f"the event {history.job.job_id}/{numbers[told]} is missing, and all after it"
    if told > len(numbers):
        extra = history.events[len(numbers)].event_id
        yield f"its last event has the number {history.job.sequence}, and {extra} follows"


def _of_the_end(history: History) -> Iterator[str]:
    kinds = _kinds(history.events)
    for number, kind in enumerate(kinds[:-1], start=history.told_before + 1):
        if kind in _TERMINAL:
            yield f"the event {number} is {kind}, and others follow"
    for event, kind in zip(history.events, kinds, strict=True):
        if kind is None:
            yield f"the event {event.event_id} has the routing key {event.routing_key!r}"
    last = kinds[-1] if kinds else None
    phase = history.job.phase
    told_elsewhere = not kinds and history.told_before > 0
    if last in _TERMINAL and str(last) != str(phase):
        yield f"its last event is {last}, and it is {phase}"
    if phase in ENDS and last not in _TERMINAL and not told_elsewhere:
        yield f"it is {phase}, and that was never told"
    if kinds and not history.told_before and kinds[0] is not EventKind.ACCEPTED:
        yield f"its first event is {kinds[0]}, and not {EventKind.ACCEPTED}"


def _kinds(events: Sequence[RecordedEvent]) -> list[EventKind | None]:
    return [_kind(it) for it in events]


def _kind(event: RecordedEvent) -> EventKind | None:
    word = event.routing_key.rpartition(".")[2]
    return EventKind(word) if word in frozenset(EventKind) else None
