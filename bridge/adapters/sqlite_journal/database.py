"""The journal's file: opened, checked, brought to this version's schema."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TypeVar

from bridge.adapters.sqlite_journal.statements import MIGRATIONS
from bridge.core.errors import ConfigurationError, Problem, UnavailableError

T = TypeVar("T")

APPLICATION_ID = int.from_bytes(b"HPCB", "big")
"""PRAGMA application_id: how a journal is told from any other SQLite file."""

_BUSY_TIMEOUT_S = 10
_WAL_LIMIT_BYTES = 64 * 1024 * 1024


def is_storage_failure(error: Exception) -> bool:
    """Whether SQLite could not do it, whatever was asked: disk full, I/O error, locked, corrupt."""
    return isinstance(error, sqlite3.OperationalError | sqlite3.InternalError) or (
        type(error) is sqlite3.DatabaseError
    )


@contextmanager
def storage_failures(path: Path) -> Iterator[None]:
    """What SQLite cannot do becomes UnavailableError."""
    try:
        yield
    except sqlite3.Error as error:
        if not is_storage_failure(error):
            raise
        raise UnavailableError(f"the journal {path}: {error}") from error


def connect(path: Path, *, network: bool) -> sqlite3.Connection:
    """A connection on which nothing begins by itself and every commit is synced to the disk.

    On a local disk WAL, so that readers and the writer do not wait for each other. WAL needs
    memory that all users of the file share, which no network file system gives
    (sqlite.org/wal.html): there a rollback journal, and one connection that keeps the file to
    itself.
    """
    connection = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        if network:
            # Before the first look at the file: even one left in WAL then needs no shared memory.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute(f"PRAGMA journal_mode = {'TRUNCATE' if network else 'WAL'}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_database(path: Path, *, network: bool) -> sqlite3.Connection:
    """The connection that writes, to a journal of this version, new if there is no file.

    Raises ConfigurationError when the file is no journal or one of a newer version, or cannot be
    made; UnavailableError when the disk fails.
    """
    try:
        # The messages in a journal may hold secrets. SQLite gives -wal and -shm the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise _problem(f"{path} cannot be opened: {error.strerror}") from error
    with storage_failures(path):
        check_is_journal(path, network=network)
        connection = connect(path, network=network)
        try:
            migrate(connection, MIGRATIONS)
        except BaseException:
            connection.close()
            raise
        return connection


def migrate(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    """Bring the schema to version `len(migrations)`, each migration in a transaction of its own."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, migration in enumerate(migrations[version:], start=version + 1):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID};\n{migration};\n"
                f"PRAGMA user_version = {number}; COMMIT;"
            )
        except sqlite3.Error:
            connection.execute("ROLLBACK")
            raise


def check_is_journal(path: Path, *, network: bool, timeout: float = _BUSY_TIMEOUT_S) -> int:
    """The version of the journal in this file, 0 where it is empty. Writes nothing.

    Raises ConfigurationError when it is no journal or of a newer version, and sqlite3's errors.
    """
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None)
    try:
        if network:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if is_storage_failure(error) and "not a database" not in str(error):
            raise
        raise _problem(f"{path} is not a journal, and not even a SQLite file") from error
    finally:
        connection.close()
    if application_id != APPLICATION_ID and (application_id or version or tables):
        raise _problem(f"{path} is a SQLite file, but not a journal of the bridge")
    if version > len(MIGRATIONS):
        raise _problem(
            f"{path} has version {version}, made by a newer bridge; this one reads journals up to "
            f"version {len(MIGRATIONS)}: install the newer bridge again, or name another file"
        )
    return int(version)


def _problem(what: str) -> ConfigurationError:
    return ConfigurationError(Problem(where="journal.path", what=what))


@dataclass(slots=True)
class Readers:
    """Connections for reading beside the writer, kept for the next reader."""

    path: Path
    _idle: list[sqlite3.Connection] = field(default_factory=list)
    _closed: bool = False
    _guard: Lock = field(default_factory=Lock)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` makes of the last committed state. Raises UnavailableError."""
        with storage_failures(self.path):
            connection = self._take()
            try:
                return work(connection)
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Close all connections; those in use, when their reader is done."""
        with self._guard:
            self._closed = True
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _take(self) -> sqlite3.Connection:
        with self._guard:
            if self._closed:
                raise UnavailableError(f"the journal {self.path} is closed")
            if self._idle:
                return self._idle.pop()
        connection = connect(self.path, network=False)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._guard:
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)
