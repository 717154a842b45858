"""The ports of the journal, fulfilled by a SQLite file."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bridge.adapters.sqlite_journal.database import Readers, open_database
from bridge.adapters.sqlite_journal.disk import is_network
from bridge.adapters.sqlite_journal.group_commit import GroupCommit
from bridge.adapters.sqlite_journal.lock import JournalLock, LockTerms, take_lock
from bridge.adapters.sqlite_journal.rows import job_of, reading_of, row_of, write_time
from bridge.adapters.sqlite_journal.statements import INSPECTION, SQL
from bridge.core.errors import ConfigurationError, Problem
from bridge.core.facts import Ending
from bridge.core.job import JobId
from bridge.core.lifecycle import Job, Phase
from bridge.core.retry import due
from bridge.core.settings import JournalSettings
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
from bridge.wire.event import Message

T = TypeVar("T")

_PRUNED_AT_ONCE = 200
"""Few enough that whoever writes meanwhile does not notice."""


class SqliteJournal:
    """All ports of the journal in one file; any thread may call it.

    Every call is one transaction, and on the disk when it returns. Every method may raise
    UnavailableError, for a disk that is full or fails: nothing of the call is then recorded, and
    it may be repeated. A writing method raises SupersededError once the lock is lost.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        path: Path,
        network: bool,
        clock: Clock,
        lock: JournalLock,
    ) -> None:
        """Take over the connection and the lock; `open_journal` is how to get one."""
        self.lock = lock
        self._clock = clock
        self._writer = GroupCommit(connection, name=str(path), may_write=lock.check)
        self._readers = None if network else Readers(path)

    def admit(self, entries: Sequence[Acceptance | Notice]) -> tuple[Admission, ...]:
        """See IntakeJournal, NoticeJournal. Raises ValueError when an event's id is in use."""
        now = write_time(self._clock.now())
        return self._writer.run(lambda it: tuple(_admit(it, entry, now) for entry in entries))

    def waiting(self, limit: int, *, now: datetime) -> tuple[Job, ...]:
        """See LifecycleJournal."""
        times = {name: write_time(moment) for name, moment in asdict(due(now)).items()}
        return self._read(lambda it: _jobs(it, "waiting", limit=limit, **times))

    def live(self) -> tuple[Job, ...]:
        """See LifecycleJournal."""
        return self._read(lambda it: _jobs(it, "live"))

    def jobs(self, job_ids: Iterable[JobId]) -> tuple[Job, ...]:
        """See LifecycleJournal."""
        wanted = json.dumps(sorted(set(job_ids)))
        return self._read(lambda it: _jobs(it, "jobs", job_ids=wanted))

    def request(self, job_id: JobId) -> bytes:
        """See LifecycleJournal."""
        return self._read(lambda it: _request(it, job_id))

    def record(self, changes: Sequence[Change]) -> tuple[JobId, ...]:
        """See LifecycleJournal. Raises ValueError when an event's id is in use already."""
        now = write_time(self._clock.now())
        return self._writer.run(
            lambda it: tuple(
                change.job.job_id for change in changes if not _record(it, change, now)
            )
        )

    def news(self, limit: int, *, unknown_before: datetime) -> tuple[News, ...]:
        """See DependencyJournal."""
        return self._read(lambda it: _news(it, limit, write_time(unknown_before)))

    def blocked(self) -> tuple[Job, ...]:
        """See DependencyJournal."""
        return self._read(lambda it: _jobs(it, "blocked"))

    def pulling(self) -> tuple[Job, ...]:
        """See PullJournal."""
        return self._read(lambda it: _jobs(it, "pulling"))

    def awaited(self, job_ids: Iterable[JobId]) -> frozenset[JobId]:
        """See IntakeJournal."""
        wanted = {"job_ids": json.dumps(sorted(set(job_ids)))}
        return self._read(
            lambda it: frozenset(row["dependency"] for row in it.execute(SQL["awaited"], wanted))
        )

    def remember_cancel(self, job_id: JobId, *, at: datetime) -> None:
        """See CancelJournal."""
        row = {"job_id": job_id, "requested_at": write_time(at)}
        self._writer.run(lambda it: it.execute(SQL["insert_cancel"], row).rowcount)

    def cancels(self, job_ids: Iterable[JobId]) -> frozenset[JobId]:
        """See CancelJournal."""
        wanted = {"job_ids": json.dumps(sorted(set(job_ids)))}
        return self._read(
            lambda it: frozenset(row["job_id"] for row in it.execute(SQL["cancels"], wanted))
        )

    def overtaken(self) -> tuple[JobId, ...]:
        """See CancelJournal."""
        return self._read(
            lambda it: tuple(JobId(row["job_id"]) for row in it.execute(SQL["overtaken"]))
        )

    def cancelling(self) -> tuple[Job, ...]:
        """See CancelJournal."""
        return self._read(lambda it: _jobs(it, "cancelling"))

    def last_notice(self, routing_keys: Sequence[str]) -> str | None:
        """See NoticeJournal."""
        return self._read(lambda it: _last_notice(it, routing_keys))

    def unsent(self, limit: int) -> tuple[OutboxEntry, ...]:
        """See Outbox."""
        return self._read(lambda it: _unsent(it, limit))

    def mark_sent(self, positions: Sequence[int]) -> None:
        """See Outbox."""
        now = write_time(self._clock.now())
        rows = [{"position": it, "sent_at": now} for it in positions]
        self._writer.run(lambda it: it.executemany(SQL["mark_sent"], rows).rowcount)

    def told(self, job_id: JobId, *, after: int, limit: int) -> tuple[ToldEvent, ...]:
        """See QueryJournal."""
        row = {"job_id": job_id, "after": after, "limit": limit}
        return self._read(
            lambda it: tuple(
                ToldEvent(position=found["position"], body=found["body"])
                for found in it.execute(SQL["told"], row)
            )
        )

    def running(self, *, after: int, limit: int) -> tuple[Reading, ...]:
        """See ProgressJournal."""
        row = {"after": after, "limit": limit}
        return self._read(lambda it: tuple(map(reading_of, it.execute(SQL["running"], row))))

    def readings(self, job_ids: Iterable[JobId]) -> tuple[Reading, ...]:
        """See ProgressJournal."""
        row = {"job_ids": json.dumps(sorted(set(job_ids)))}
        return self._read(lambda it: tuple(map(reading_of, it.execute(SQL["readings"], row))))

    def note(self, notes: Sequence[ProgressNote]) -> int:
        """See ProgressJournal. Raises ValueError when an event's id is in use already."""
        now = write_time(self._clock.now())
        return self._writer.run(lambda it: sum(_note(it, note, now) for note in notes))

    def load(self) -> Load:
        """See QueryJournal."""
        return self._read(lambda it: Load(**it.execute(SQL["load"]).fetchone()))

    def is_empty(self) -> bool:
        """Whether it holds no job, no event and no cancel."""
        return self._read(lambda it: not it.execute(INSPECTION["holds_anything"]).fetchone()[0])

    def prune(self, before: datetime) -> int:
        """Delete jobs that are over, last changed before then, and all of whose events are sent.

        Notices that were sent before then go too, but for the newest of each routing key, and so
        do cancels that were remembered before then. Returns how many of all these are gone. Done
        in small transactions, so that nobody waits long.
        """
        pruned = 0
        for name in ("prune_jobs", "prune_notices", "prune_cancels"):
            while count := self._prune_some(name, before):
                pruned += count
        return pruned

    def close(self) -> None:
        """Commit what waits, close the file, give the lock back; once closed, do nothing."""
        if self._readers:
            self._readers.close()
        self._writer.close()
        self.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # Where one connection keeps the file to itself, it must read as well.
        return self._readers.read(work) if self._readers else self._writer.run(work)

    def _prune_some(self, name: str, before: datetime) -> int:
        row = {"before": write_time(before), "limit": _PRUNED_AT_ONCE}
        return self._writer.run(lambda it: it.execute(SQL[name], row).rowcount)


def open_journal(
    settings: JournalSettings,
    *,
    clock: Clock,
    lock_terms: LockTerms | None = None,
) -> SqliteJournal:
    """Open the journal, new if there is none, as its only user; take care to `lock.renew()`.

    Raises ConfigurationError when another daemon has it, when the file is no journal or of a newer
    version, or when its folder is missing: that is never made here, since a folder that is not
    mounted would then give a second, empty journal. Raises UnavailableError when the disk fails.
    """
    path = Path(settings.path)
    if not path.parent.is_dir():
        what = f"the folder {path.parent} does not exist: create it, or name another one"
        raise ConfigurationError(Problem(where="journal.path", what=what))
    network = is_network(path, settings.disk)
    lock = take_lock(path, network=network, terms=lock_terms or LockTerms(clock=clock))
    try:
        connection = open_database(path, network=network)
    except BaseException:
        lock.release()
        raise
    return SqliteJournal(connection, path=path, network=network, clock=clock, lock=lock)


def _admit(connection: sqlite3.Connection, entry: Acceptance | Notice, now: str) -> Admission:
    if isinstance(entry, Notice):
        row = _event_row(entry.message, now) | {"rejected_job": entry.rejected}
        added = connection.execute(SQL["insert_notice"], row).rowcount
        if entry.rejected is not None:
            connection.execute(SQL["dependency_rejected"], {"rejected_job": entry.rejected})
        return Admission.RECORDED if added else Admission.DUPLICATE
    if entry.siblings and (known := _known(connection, (entry, *entry.siblings))):
        return known
    admission = _accept(connection, entry, now)
    for sibling in entry.siblings:
        _accept(connection, sibling, now)
    return admission


def _known(connection: sqlite3.Connection, entries: Sequence[Acceptance]) -> Admission | None:
    """What becomes of jobs of one message of which some are recorded; None where none is."""
    admissions = set()
    for it in entries:
        row = connection.execute(SQL["fingerprint"], {"job_id": it.job.job_id}).fetchone()
        if row is not None:
            same = row["fingerprint"] == it.fingerprint
            admissions.add(Admission.DUPLICATE if same else Admission.CONFLICT)
    return Admission.CONFLICT if Admission.CONFLICT in admissions else next(iter(admissions), None)


def _accept(connection: sqlite3.Connection, entry: Acceptance, now: str) -> Admission:
    job = entry.job
    row = row_of(job) | {
        "fingerprint": entry.fingerprint,
        "told_before": job.sequence - len(entry.messages),
        "changed_at": now,
    }
    if not connection.execute(SQL["insert_job"], row).rowcount:
        key = {"job_id": job.job_id}
        (known,) = connection.execute(SQL["fingerprint"], key).fetchone()
        return Admission.DUPLICATE if known == entry.fingerprint else Admission.CONFLICT
    connection.execute(SQL["insert_request"], {"job_id": job.job_id, "body": entry.request})
    connection.execute(SQL["dependency_came"], {"job_id": job.job_id})
    connection.execute(SQL["insert_dependencies"], row)
    _note_news(connection, job)
    _tell(connection, job.job_id, entry.messages, now)
    return Admission.RECORDED


def _record(connection: sqlite3.Connection, change: Change, now: str) -> bool:
    row = row_of(change.job) | {"changed_at": now}
    if not connection.execute(SQL["update_job"], row).rowcount:
        return False
    connection.execute(SQL["drop_dependencies"], row)
    if change.job.phase is Phase.ARRAY and change.job.started_at is not None:
        connection.execute(SQL["start_told"], {"job_id": change.job.job_id})
    _tell(connection, change.job.job_id, change.messages, now)
    if change.tasks:
        for task in change.tasks:
            _admit(connection, task, now)
        connection.execute(SQL["insert_dependencies"], row)
    _note_news(connection, change.job)
    return True


def _note_news(connection: sqlite3.Connection, job: Job) -> None:
    """Put it where those who wait for this job are told of it."""
    if job.is_over:
        key = {"job_id": job.job_id, "phase": job.phase.value}
        connection.execute(SQL["dependency_ended"], key)
    elif job.sweep is not None and job.phase is Phase.RUNNING:
        connection.execute(SQL["task_started"], {"job_id": job.job_id})


def _note(connection: sqlite3.Connection, note: ProgressNote, now: str) -> bool:
    row = {
        "job_id": note.job_id,
        "was": note.was,
        "told": note.bookmark.number,
        "read_to": note.bookmark.read_to,
        "known": note.bookmark.known,
    }
    is_next = connection.execute(SQL["update_progress"], row).rowcount
    if not is_next and not connection.execute(SQL["insert_progress"], row).rowcount:
        return False
    connection.execute(SQL["forget_progress"], row)
    _tell(connection, note.job_id, note.messages, now)
    return True


def _tell(
    connection: sqlite3.Connection, job_id: JobId, messages: Sequence[Message], now: str
) -> None:
    for message in messages:
        row = _event_row(message, now) | {"job_id": job_id}
        if message.reply_to is not None:
            connection.execute(SQL["insert_notice"], row | {"rejected_job": None})
            continue
        try:
            connection.execute(SQL["insert_event"], row)
        except sqlite3.IntegrityError as error:
            raise ValueError(f"the event {message.event_id} is recorded already") from error


def _event_row(message: Message, now: str) -> dict[str, object]:
    return {
        "event_id": message.event_id,
        "routing_key": message.routing_key,
        "body": message.body,
        "recorded_at": now,
        "reply_to": message.reply_to,
        "correlation_id": message.correlation_id,
    }


def _jobs(connection: sqlite3.Connection, name: str, **parameters: object) -> tuple[Job, ...]:
    return tuple(map(job_of, connection.execute(SQL[name], parameters)))


def _news(connection: sqlite3.Connection, limit: int, unknown_before: str) -> tuple[News, ...]:
    parameters = {"limit": limit, "unknown_before": unknown_before}
    return tuple(
        News(job_id=row["job_id"], dependency=row["dependency"], ending=_ending(row["ending"]))
        for name in ("endings", "unknown_for_long")
        for row in connection.execute(SQL[name], parameters)
    )


def _ending(word: str) -> Ending | None:
    return None if word == "started" else Ending(word)


def _request(connection: sqlite3.Connection, job_id: JobId) -> bytes:
    row = connection.execute(SQL["request"], {"job_id": job_id}).fetchone()
    if row is None:
        raise KeyError(job_id)
    body: bytes = row["body"]
    return body


def _last_notice(connection: sqlite3.Connection, routing_keys: Sequence[str]) -> str | None:
    wanted = {"routing_keys": json.dumps(list(routing_keys))}
    row = connection.execute(SQL["last_notice"], wanted).fetchone()
    routing_key: str | None = row["routing_key"] if row else None
    return routing_key


def _unsent(connection: sqlite3.Connection, limit: int) -> tuple[OutboxEntry, ...]:
    return tuple(
        OutboxEntry(
            position=row["position"],
            message=Message(
                event_id=row["event_id"],
                routing_key=row["routing_key"],
                body=row["body"],
                reply_to=row["reply_to"],
                correlation_id=row["correlation_id"],
            ),
        )
        for row in connection.execute(SQL["unsent"], {"limit": limit})
    )
