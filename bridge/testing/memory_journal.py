"""A journal in memory: the ports of the journal, and nothing survives the process."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from threading import RLock
from types import TracebackType
from typing import Self

from bridge.core.errors import UnavailableError
from bridge.core.facts import Ending
from bridge.core.job import JobId
from bridge.core.lifecycle import Job, Phase
from bridge.core.retry import due
from bridge.ports import (
    Acceptance,
    Admission,
    Change,
    Clock,
    Load,
    News,
    Notice,
    OutboxEntry,
    ProgressNote,
    Reading,
    ToldEvent,
)
from bridge.wire.event import Message, progress_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    job: Job
    acceptance: Acceptance
    admitted_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    entry: OutboxEntry
    job_id: JobId | None
    sent_at: datetime | None = None
    rejected: JobId | None = None


class MemoryJournal:
    """All ports of the journal; any thread may call it.

    Set `failure` to some words, and every call raises UnavailableError with them until it is None
    again.
    """

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self.failure: str | None = None
        self._clock = clock
        self._guard = RLock()
        self._records: dict[JobId, _Record] = {}
        self._events: dict[str, _Event] = {}
        self._cancels: dict[JobId, datetime] = {}
        self._progress: dict[JobId, ProgressNote] = {}
        self._last_position = 0

    def admit(self, entries: Sequence[Acceptance | Notice]) -> tuple[Admission, ...]:
        """See IntakeJournal, NoticeJournal. Raises ValueError when an event's id is in use."""
        with self._transaction():
            return tuple(map(self._admit, entries))

    def waiting(self, limit: int, *, now: datetime) -> tuple[Job, ...]:
        """See LifecycleJournal."""
        with self._available():
            at = due(now)
            waiting = self._in(Phase.ACCEPTED, Phase.SUBMITTING)
            return tuple(
                it
                for it in waiting
                if at.has_come(it.not_before, changed_at=self._records[it.job_id].changed_at)
            )[:limit]

    def live(self) -> tuple[Job, ...]:
        """See LifecycleJournal."""
        return self._in(Phase.QUEUED, Phase.HELD, Phase.RUNNING)

    def jobs(self, job_ids: Iterable[JobId]) -> tuple[Job, ...]:
        """See LifecycleJournal."""
        with self._available():
            return tuple(self._records[it].job for it in set(job_ids) if it in self._records)

    def request(self, job_id: JobId) -> bytes:
        """See LifecycleJournal."""
        with self._available():
            return self._records[job_id].acceptance.request

    def record(self, changes: Sequence[Change]) -> tuple[JobId, ...]:
        """See LifecycleJournal. Raises ValueError when an event's id is in use already."""
        with self._transaction():
            return tuple(it.job.job_id for it in changes if not self._record(it))

    def news(self, limit: int, *, unknown_before: datetime) -> tuple[News, ...]:
        """See DependencyJournal."""
        with self._available():
            return tuple(islice(self._news(unknown_before), limit))

    def blocked(self) -> tuple[Job, ...]:
        """See DependencyJournal."""
        return self._in(Phase.BLOCKED)

    def pulling(self) -> tuple[Job, ...]:
        """See PullJournal."""
        return self._in(Phase.PULLING)

    def awaited(self, job_ids: Iterable[JobId]) -> frozenset[JobId]:
        """See IntakeJournal."""
        waiting = self._in(Phase.BLOCKED, Phase.ARRAY)
        waited_for = {dependency.job_id for it in waiting for dependency in it.waits_for}
        return frozenset(job_ids) & waited_for

    def remember_cancel(self, job_id: JobId, *, at: datetime) -> None:
        """See CancelJournal."""
        with self._available():
            self._cancels.setdefault(job_id, at)

    def cancels(self, job_ids: Iterable[JobId]) -> frozenset[JobId]:
        """See CancelJournal."""
        with self._available():
            return frozenset(it for it in job_ids if it in self._cancels)

    def overtaken(self) -> tuple[JobId, ...]:
        """See CancelJournal."""
        known = self.jobs(self._cancels)
        return tuple(it.job_id for it in known if not it.is_over and it.cancel_requested_at is None)

    def cancelling(self) -> tuple[Job, ...]:
        """See CancelJournal."""
        return tuple(it for it in self.live() if it.cancel_requested_at is not None)

    def last_notice(self, routing_keys: Sequence[str]) -> str | None:
        """See NoticeJournal."""
        with self._available():
            newest = self._newest_notices()
            found = {newest[it]: it for it in routing_keys if it in newest}
            return found[max(found)] if found else None

    def unsent(self, limit: int) -> tuple[OutboxEntry, ...]:
        """See Outbox."""
        with self._available():
            waiting = (it.entry for it in self._events.values() if it.sent_at is None)
            return tuple(islice(waiting, limit))

    def mark_sent(self, positions: Sequence[int]) -> None:
        """See Outbox."""
        with self._available():
            sent = set(positions)
            for event_id, it in self._events.items():
                if it.entry.position in sent and it.sent_at is None:
                    self._events[event_id] = replace(it, sent_at=self._clock.now())

    def told(self, job_id: JobId, *, after: int, limit: int) -> tuple[ToldEvent, ...]:
        """See QueryJournal."""
        with self._available():
            mine = (
                it.entry
                for event_id, it in self._events.items()
                if it.job_id == job_id and "/progress/" not in event_id
            )
            return tuple(
                ToldEvent(position=it.position, body=it.message.body)
                for it in islice((it for it in mine if it.position > after), limit)
            )

    def running(self, *, after: int, limit: int) -> tuple[Reading, ...]:
        """See ProgressJournal."""
        with self._available():
            places = enumerate(self._records, start=1)
            found = (
                self._reading(place, job_id)
                for place, job_id in places
                if place > after and self._records[job_id].job.phase is Phase.RUNNING
            )
            return tuple(islice(found, limit))

    def readings(self, job_ids: Iterable[JobId]) -> tuple[Reading, ...]:
        """See ProgressJournal."""
        with self._available():
            wanted = set(job_ids)
            places = enumerate(self._records, start=1)
            return tuple(self._reading(place, it) for place, it in places if it in wanted)

    def note(self, notes: Sequence[ProgressNote]) -> int:
        """See ProgressJournal. Raises ValueError when an event's id is in use already."""
        with self._transaction():
            return sum(map(self._note, notes))

    def load(self) -> Load:
        """See QueryJournal."""
        waiting = self._in(Phase.ACCEPTED, Phase.SUBMITTING, Phase.BLOCKED, Phase.PULLING)
        return Load(waiting=len(waiting), live=len(self.live()))

    def is_empty(self) -> bool:
        """Whether it holds no job, no event and no cancel."""
        with self._available():
            return not (self._records or self._events or self._cancels)

    def prune(self, before: datetime) -> int:
        """Forget jobs that are over, last changed before then, and all of whose events are sent.

        Notices that were sent before then go too, but for the newest of each routing key, and so
        do cancels that were remembered before then. Returns how many of all these are gone.
        """
        with self._available():
            untold = {it.job_id for it in self._events.values() if it.sent_at is None}
            jobs = {
                job_id
                for job_id, it in self._records.items()
                if it.job.is_over and it.changed_at < before and job_id not in untold
            }
            newest = set(self._newest_notices().values())
            notices = {
                event_id
                for event_id, it in self._events.items()
                if it.job_id is None and it.sent_at is not None and it.sent_at < before
                if it.entry.position not in newest
            }
            cancels = {job_id for job_id, at in self._cancels.items() if at < before}
            for job_id in jobs:
                del self._records[job_id]
                self._progress.pop(job_id, None)
            for job_id in cancels:
                del self._cancels[job_id]
            self._events = {
                event_id: it
                for event_id, it in self._events.items()
                if it.job_id not in jobs and event_id not in notices
            }
            return len(jobs) + len(notices) + len(cancels)

    def close(self) -> None:
        """Every later call raises UnavailableError."""
        self.failure = "the journal is closed"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _available(self) -> Iterator[None]:
        with self._guard:
            if self.failure:
                raise UnavailableError(self.failure)
            yield

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._available():
            before = dict(self._records), dict(self._events)
            try:
                yield
            except ValueError:
                self._records, self._events = before
                raise

    def _in(self, *phases: Phase) -> tuple[Job, ...]:
        with self._available():
            return tuple(it.job for it in self._records.values() if it.job.phase in phases)

    def _news(self, unknown_before: datetime) -> Iterator[News]:
        for job_id, record in self._records.items():
            for it in record.job.waits_for:
                ending = self._ending(it.job_id)
                if ending is None and self._is_first_to_start(it.job_id, record.job):
                    yield News(job_id=job_id, dependency=it.job_id, ending=None)
                if ending is Ending.UNKNOWN and record.admitted_at >= unknown_before:
                    continue
                if ending is not None:
                    yield News(job_id=job_id, dependency=it.job_id, ending=ending)

    def _is_first_to_start(self, job_id: JobId, sweep: Job) -> bool:
        has_started = self._records[job_id].job.phase is Phase.RUNNING
        return has_started and sweep.phase is Phase.ARRAY and sweep.started_at is None

    def _ending(self, job_id: JobId) -> Ending | None:
        known = self._records.get(job_id)
        if known is not None:
            return Ending(known.job.phase) if known.job.is_over else None
        rejected = {it.rejected for it in self._events.values()}
        return Ending.REJECTED if job_id in rejected else Ending.UNKNOWN

    def _newest_notices(self) -> dict[str, int]:
        """By routing key, the position of its newest notice."""
        notices = (it.entry for it in self._events.values() if it.job_id is None)
        return {it.message.routing_key: it.position for it in notices}

    def _admit(self, entry: Acceptance | Notice) -> Admission:
        if isinstance(entry, Notice):
            if entry.message.event_id in self._events:
                return Admission.DUPLICATE
            self._tell(entry.message, None, rejected=entry.rejected)
            return Admission.RECORDED
        entries = (entry, *entry.siblings)
        known = [
            self._records[it.job.job_id].acceptance.fingerprint == it.fingerprint
            for it in entries
            if it.job.job_id in self._records
        ]
        if known:
            return Admission.DUPLICATE if all(known) else Admission.CONFLICT
        for it in entries:
            self._accept(it)
        return Admission.RECORDED

    def _accept(self, entry: Acceptance) -> None:
        now = self._clock.now()
        self._records[entry.job.job_id] = _Record(
            job=entry.job, acceptance=entry, admitted_at=now, changed_at=now
        )
        for message in entry.messages:
            self._tell(message, entry.job.job_id)

    def _record(self, change: Change) -> bool:
        known = self._records.get(change.job.job_id)
        if known is None or known.job.revision != change.job.revision - 1:
            return False
        self._records[change.job.job_id] = replace(
            known, job=change.job, changed_at=self._clock.now()
        )
        for message in change.messages:
            self._tell(message, change.job.job_id)
        for task in change.tasks:
            self._admit(task)
        return True

    def _reading(self, place: int, job_id: JobId) -> Reading:
        record, note = self._records[job_id], self._progress.get(job_id)
        job, first = record.job, record.acceptance
        bookmark = note.bookmark if note else None
        newest = self._events.get(progress_id(job_id, bookmark.number)) if bookmark else None
        return Reading(
            place=place,
            job_id=job_id,
            slurm_id=job.slurm_id,
            attempt=job.attempt,
            restart=job.restart,
            bookmark=bookmark,
            told_before=first.job.sequence - len(first.messages),
            is_told=newest is None or newest.sent_at is not None,
        )

    def _note(self, note: ProgressNote) -> bool:
        known = self._progress.get(note.job_id)
        if note.job_id not in self._records or (known and known.bookmark.number != note.was):
            return False
        self._progress[note.job_id] = note
        self._events = {
            event_id: it
            for event_id, it in self._events.items()
            if it.sent_at is None or not event_id.startswith(f"{note.job_id}/progress/")
        }
        for message in note.messages:
            self._tell(message, note.job_id)
        return True

    def _tell(
        self, message: Message, job_id: JobId | None, *, rejected: JobId | None = None
    ) -> None:
        if message.reply_to is not None:
            job_id = None
            if message.event_id in self._events:
                return
        if message.event_id in self._events:
            raise ValueError(f"the event {message.event_id} is recorded already")
        self._last_position += 1
        entry = OutboxEntry(position=self._last_position, message=message)
        self._events[message.event_id] = _Event(entry=entry, job_id=job_id, rejected=rejected)
