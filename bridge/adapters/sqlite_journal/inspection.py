"""Looking into a journal, beside the daemon where the disk allows it."""

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path

from bridge.adapters.sqlite_journal.database import check_is_journal, migrate, storage_failures
from bridge.adapters.sqlite_journal.disk import is_network
from bridge.adapters.sqlite_journal.rows import job_of, read_time
from bridge.adapters.sqlite_journal.statements import INSPECTION, MIGRATIONS
from bridge.core.audit import History, RecordedCancel, RecordedEvent
from bridge.core.errors import ConfigurationError, Problem, UnavailableError
from bridge.core.job import JobId
from bridge.core.lifecycle import Phase
from bridge.core.settings import JournalSettings

_BUSY_TIMEOUT_S = 2


class Inspection:
    """A journal as it was at one moment; writes nothing. Every method may raise UnavailableError.

    What cannot be read back, since somebody changed the file by hand, is told as words in the
    place of what should be there.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        """`inspect_journal` is how to get one."""
        self.path = path
        self.version = len(MIGRATIONS)
        self._connection = connection

    def phases(self) -> Mapping[Phase, int]:
        """How many jobs there are in each phase."""
        found = {row["phase"]: row["jobs"] for row in self._rows("phases")}
        return {it: found.get(it, 0) for it in Phase}

    def unsent(self) -> tuple[int, datetime | None]:
        """How many events wait to be published, and when the oldest was recorded."""
        (row,) = self._rows("unsent")
        return row["events"], None if row["oldest"] is None else read_time(row["oldest"])

    def history(self, job_id: JobId) -> History | str | None:
        """All that is known of a job, None where it is unknown."""
        for row in self._rows("one_job", job_id=job_id):
            return _history(row, self._rows("events_of_one_job", job=row["number"]))
        return None

    def cancel(self, job_id: JobId) -> RecordedCancel | None:
        """The wish to cancel this job, if there is one."""
        for row in self._rows("one_cancel", job_id=job_id):
            return RecordedCancel(job_id=job_id, requested_at=read_time(row["requested_at"]))
        return None

    def histories(self) -> Iterator[History | str]:
        """Every job, in the order of acceptance; words for one that cannot be read back."""
        events = deque(islice(told := self._rows("events_of_all_jobs"), 1))
        for row in self._rows("all_jobs"):
            mine: list[sqlite3.Row] = []
            while events and events[0]["job"] <= row["number"]:
                event = events.popleft()
                events.extend(islice(told, 1))
                # Of a job that is not there: `damage` tells.
                if event["job"] == row["number"]:
                    mine.append(event)
            yield _history(row, mine)

    def notices(self) -> Iterator[RecordedEvent | str]:
        """The events that are no job's, oldest first."""
        for row in self._rows("notices"):
            try:
                yield _event(row)
            except (ValueError, TypeError) as error:
                yield f"event {row['event_id']}: its row cannot be read: {error}"

    def cancels(self) -> Iterator[RecordedCancel]:
        """The wishes to cancel, oldest first. Raises ValueError."""
        for row in self._rows("all_cancels"):
            yield RecordedCancel(job_id=row["job_id"], requested_at=read_time(row["requested_at"]))

    def damage(self) -> Iterator[str]:
        """What SQLite itself finds wrong with the file, and where its schema is not ours."""
        try:
            for (words,) in self._connection.execute("PRAGMA integrity_check"):
                if words != "ok":
                    yield f"SQLite: {words}"
            for row in self._connection.execute("PRAGMA foreign_key_check"):
                yield f"{row['table']}, row {row['rowid']}: its row of {row['parent']} is missing"
        except sqlite3.DatabaseError as error:
            yield f"SQLite: {error}"
            return
        differences = list(self._schema_differences())
        yield from differences or self._unmatched_dependencies()

    def _schema_differences(self) -> Iterator[str]:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
            model.row_factory = sqlite3.Row
            migrate(model, MIGRATIONS)
            wanted = _schema(model)
        found = _schema(self._connection)
        for name in sorted(wanted.keys() | found.keys()):
            if wanted.get(name) != found.get(name):
                what = "is not ours" if name not in wanted else "is not as it should be"
                yield f"{name} {'is missing' if name not in found else what}"

    def _unmatched_dependencies(self) -> Iterator[str]:
        for row in self._rows("unmatched_dependencies"):
            yield f"job {row['job_id']}: the rows of what it waits for are not what it says itself"

    def _rows(self, name: str, **parameters: object) -> Iterator[sqlite3.Row]:
        with storage_failures(self.path):
            yield from self._connection.execute(INSPECTION[name], parameters)


@contextmanager
def inspect_journal(settings: JournalSettings) -> Iterator[Inspection]:
    """Look into the journal as it is now, whether or not a daemon runs.

    Raises ConfigurationError when there is no journal of this version, UnavailableError when the
    disk fails or, on a network file system, while a daemon runs.
    """
    path = Path(settings.path)
    network = is_network(path, settings.disk)
    if not path.is_file():
        what = f"there is no journal at {path}: the daemon makes it, `journal rebuild` restores it"
        raise ConfigurationError(Problem(where="journal.path", what=what))
    try:
        connection = _connect(path, network=network)
    except sqlite3.OperationalError as error:
        raise UnavailableError(_why_not(path, error, network=network)) from error
    with closing(connection):
        yield Inspection(connection, path)


def _connect(path: Path, *, network: bool) -> sqlite3.Connection:
    """A connection that writes nothing, at the beginning of a transaction.

    It is opened for writing all the same: only so can SQLite recover what a daemon that was killed
    has left (sqlite.org/wal.html, "Read-Only Databases").
    """
    version = check_is_journal(path, network=network, timeout=_BUSY_TIMEOUT_S)
    if version != len(MIGRATIONS):
        what = f"{path} has version {version}: start the daemon of this version once, it migrates"
        raise ConfigurationError(Problem(where="journal.path", what=what))
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
    )
    connection.row_factory = sqlite3.Row
    try:
        if network:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM jobs").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _why_not(path: Path, error: sqlite3.OperationalError, *, network: bool) -> str:
    if network and "locked" in str(error):
        return (
            f"the journal {path} is kept by its daemon alone, since it lies on a network file "
            f"system: stop the daemon to look into it"
        )
    return f"the journal {path}: {error}"


def _history(row: sqlite3.Row, events: Iterable[sqlite3.Row]) -> History | str:
    try:
        return History(
            job=job_of(row),
            request=row["request"],
            told_before=row["told_before"],
            changed_at=read_time(row["changed_at"]),
            events=tuple(map(_event, events)),
        )
    except (ValueError, TypeError) as error:
        return f"job {row['job_id']}: its rows cannot be read: {error}"


def _event(row: sqlite3.Row) -> RecordedEvent:
    return RecordedEvent(
        position=row["position"],
        event_id=row["event_id"],
        routing_key=row["routing_key"],
        body=row["body"],
        recorded_at=read_time(row["recorded_at"]),
        sent_at=None if row["sent_at"] is None else read_time(row["sent_at"]),
        reply_to=row["reply_to"],
    )


def _schema(connection: sqlite3.Connection) -> dict[str, str | None]:
    rows = connection.execute(INSPECTION["schema"])
    return {f"the {row['type']} {row['name']}": row["sql"] for row in rows}
