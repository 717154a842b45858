"""The board's database, opened anew in every process that uses it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, Row, create_engine, event, make_url, select
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    InterfaceError,
    InternalError,
    NoSuchModuleError,
    OperationalError,
    TimeoutError,  # noqa: A004  # the name that SQLAlchemy has given it
)

from bridge.client.board import schema
from bridge.client.board.set_up import WRITES, bring_up_to_date, writing
from bridge.core.errors import ConfigurationError, Problem, UnavailableError

T = TypeVar("T")

_BUSY_TIMEOUT_MS = 30_000
_NOT_NOW = (OperationalError, InterfaceError, InternalError, TimeoutError)


@dataclass(frozen=True, slots=True)
class _Opened:
    engine: Engine
    file: tuple[int, int] | None
    """Device and inode of a SQLite file."""


class Database:
    """Threads may share it, and so may processes that were forked after it was made."""

    def __init__(self, url: str | Path) -> None:
        """A SQLite file's path, or an SQLAlchemy URL of SQLite or PostgreSQL.

        Raises ConfigurationError, also where the board belongs to a newer bridge, and
        UnavailableError.
        """
        self._url = _url_of(url)
        self._opened: dict[int, _Opened] = {}
        self._engine()

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` makes of one state of the board. Raises UnavailableError."""
        with _failures(self._url), self._engine().begin() as connection:
            return work(connection)

    def write(self, work: Callable[[Connection, Row[Any]], T]) -> T:
        """What `work` does, given the row of `board`: one transaction, one writer at a time.

        Raises UnavailableError.
        """
        with _failures(self._url), writing(self._engine()) as connection:
            # SQLite's writers wait for each other anyhow, and it has no word for this.
            the_row = connection.execute(select(schema.board).with_for_update()).one()
            return work(connection, the_row)

    def close(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        opened = self._opened.pop(os.getpid(), None)
        if opened is not None:
            opened.engine.dispose()

    def _engine(self) -> Engine:
        # What was opened before a fork must not even be closed by the child (SQLite: How To
        # Corrupt An SQLite Database File, section 2.6): the parent's stays where it is.
        opened = self._opened.get(os.getpid())
        if opened is not None and opened.file == _file_of(self._url):
            return opened.engine
        # There is none yet, or somebody has deleted the file, and we would go on in its ghost.
        with _failures(self._url):
            engine = _open(self._url)
        self._opened[os.getpid()] = _Opened(engine, _file_of(self._url))
        if opened is not None:
            opened.engine.dispose()
        return engine


def _url_of(url: str | Path) -> URL:
    text = str(url)
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        parsed = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise _problem("cannot be read as an SQLAlchemy URL") from error
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise _problem(
            f"{parsed.drivername} is not supported; accepted: a file's path, sqlite:///..., "
            "postgresql+psycopg://..."
        )
    if _is_sqlite(parsed) and parsed.database in {None, "", ":memory:"}:
        raise _problem("a board in memory is nobody else's; name a file")
    return parsed


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _file_of(url: URL) -> tuple[int, int] | None:
    if _is_sqlite(url) and url.database is not None:
        with suppress(OSError):
            status = Path(url.database).stat()
            return status.st_dev, status.st_ino
    return None


def _open(url: URL) -> Engine:
    try:
        engine = create_engine(url, pool_pre_ping=not _is_sqlite(url))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise _problem(f"{url.drivername} cannot be used: {error}") from error
    if _is_sqlite(url):
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        bring_up_to_date(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


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


@contextmanager
def _failures(url: URL) -> Iterator[None]:
    """What the database cannot do becomes an error of ours, without the statement."""
    shown = url.render_as_string(hide_password=True)
    try:
        yield
    except _NOT_NOW as error:
        cause = getattr(error, "orig", None) or error
        raise UnavailableError(f"the board {shown}: {cause}") from error
    except DatabaseError as error:
        # The subclasses speak of a statement; SQLite's own says that the file is none of its.
        if type(error) is not DatabaseError:
            raise
        raise _problem(f"{shown}: {error.orig}") from error


def _problem(what: str) -> ConfigurationError:
    return ConfigurationError(Problem(where="board", what=what))
