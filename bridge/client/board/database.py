"""The board's database, opened anew in every process that uses it."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, Row, create_engine, event, make_url, select
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from bridge.client.board import schema
from bridge.client.board.failures import failures, problem
from bridge.client.board.search import can_search
from bridge.client.board.set_up import WRITES, bring_up_to_date, writing

T = TypeVar("T")

_BUSY_TIMEOUT_MS = 30_000


@dataclass(frozen=True, slots=True)
class _Opened:
    engine: Engine
    file: tuple[int, int] | None
    """Device and inode of a SQLite file."""
    can_search: bool
    """Whether there is an index of text; see `search`."""


class Database:
    """Threads may share it, and so may processes that were forked after it was made."""

    def __init__(self, url: str | Path) -> None:
        """A SQLite file's path, or an SQLAlchemy URL of SQLite or PostgreSQL.

        Raises ConfigurationError, also where the board belongs to a newer bridge, and
        UnavailableError.
        """
        self._url = _url_of(url)
        self._opened: dict[int, _Opened] = {}
        self._opening: dict[int, Lock] = {}
        self._engine()

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` makes of one state of the board. Raises UnavailableError."""
        with failures(self._url), self._engine().begin() as connection:
            return work(connection)

    def write(self, work: Callable[[Connection, Row[Any]], T]) -> T:
        """What `work` does, given the row of `board`: one transaction, one writer at a time.

        Raises UnavailableError.
        """
        with failures(self._url), writing(self._engine()) as connection:
            # SQLite's writers wait for each other anyhow, and it has no word for this.
            the_row = connection.execute(select(schema.board).with_for_update()).one()
            return work(connection, the_row)

    @property
    def can_search(self) -> bool:
        """Whether there is an index of text. Raises UnavailableError."""
        return self._current().can_search

    def close(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        opened = self._opened.pop(os.getpid(), None)
        if opened is not None:
            _retire(opened.engine)

    def _engine(self) -> Engine:
        return self._current().engine

    def _current(self) -> _Opened:
        # What was opened before a fork must not even be closed by the child (SQLite: How To
        # Corrupt An SQLite Database File, section 2.6): the parent's stays where it is.
        process = os.getpid()
        if (opened := self._opened.get(process)) and self._is_current(opened):
            return opened
        # There is none yet, or somebody has deleted the file, and we would go on in its ghost.
        # A lock of this process's own: a fork copies the others as they are, held or not.
        with self._opening.setdefault(process, Lock()), failures(self._url):
            if (opened := self._opened.get(process)) and self._is_current(opened):
                return opened
            self._opened[process] = current = _open(self._url)
            if opened is not None:
                _retire(opened.engine)
            return current

    def _is_current(self, opened: _Opened) -> bool:
        return opened.file == _file_of(self._url)


def _url_of(url: str | Path) -> URL:
    text = str(url)
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        parsed = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise problem("cannot be read as an SQLAlchemy URL") from error
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise problem(
            f"{parsed.drivername} is not supported; accepted: a file's path, sqlite:///..., "
            "postgresql+psycopg://..."
        )
    if _is_sqlite(parsed) and parsed.database in {None, "", ":memory:"}:
        raise problem("a board in memory is nobody else's; name a file")
    return parsed


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _file_of(url: URL) -> tuple[int, int] | None:
    if _is_sqlite(url) and url.database is not None:
        with suppress(OSError):
            status = Path(url.database).stat()
            return status.st_dev, status.st_ino
    return None


def _open(url: URL) -> _Opened:
    try:
        engine = create_engine(url, pool_pre_ping=not _is_sqlite(url))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise problem(f"{url.drivername} cannot be used: {error}") from error
    if _is_sqlite(url):
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        bring_up_to_date(engine)
        with engine.begin() as connection:
            has_index = can_search(connection)
    except BaseException:
        engine.dispose()
        raise
    return _Opened(engine, _file_of(url), has_index)


def _retire(engine: Engine) -> None:
    """Close its connections: the idle ones now, those in use when they are given back."""
    event.listen(engine, "checkin", lambda _, record: record.invalidate())
    engine.dispose()


def _prepare_sqlite(connection: object, _record: object) -> None:
    # Left to itself the driver begins a transaction at the first write only: a reader would see
    # a different state with each statement.
    connection.isolation_level = None  # type: ignore[attr-defined]
    for pragma in (
        f"busy_timeout = {_BUSY_TIMEOUT_MS}",
        # What a power cut takes from the board is read again from the events.
        "synchronous = NORMAL",
    ):
        connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]


def _begin_sqlite(connection: Connection) -> None:
    # Who reads first and writes then is refused without waiting when another one wrote between.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
