"""Brings a database to this version's tables."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, insert, inspect, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from bridge.client.board import schema
from bridge.client.board.search import make_index
from bridge.client.board.setting_aside import draw_all
from bridge.core.errors import ConfigurationError, Problem

WRITES = "bridge_writes"
"""The execution option of a transaction that is to write."""

_TRIES = 100
_PAUSE_S = 0.05
_SOMEBODY_ELSE = ("locked", "already exists", "duplicate key")
"""What SQLite and PostgreSQL say when another process does the same just now."""


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes."""
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        yield connection


def bring_up_to_date(engine: Engine) -> None:
    """Make the tables, or draw those of another version anew from the events.

    Raises ConfigurationError where a newer bridge has made them.
    """
    for left in reversed(range(_TRIES)):
        try:
            if engine.dialect.name == "sqlite":
                _let_readers_be(engine)
            with writing(engine) as connection:
                _bring_up_to_date(connection)
        except DBAPIError as error:
            if not left or not any(it in str(error.orig) for it in _SOMEBODY_ELSE):
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _let_readers_be(engine: Engine) -> None:
    """Readers do not wait for the writer, nor it for them; kept in the file (sqlite.org/wal)."""
    pragma = "PRAGMA journal_mode = WAL"
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        if driver is None:
            return
        try:
            # Not through SQLAlchemy, which would begin a transaction: there it cannot be changed.
            driver.execute(pragma)
        except sqlite3.Error as error:
            raise OperationalError(pragma, None, error) from error


def _bring_up_to_date(connection: Connection) -> None:
    if not inspect(connection).has_table(schema.board.name):
        schema.metadata.create_all(connection, checkfirst=False)
        make_index(connection)
        first = insert(schema.board).values(
            only=1, version=schema.VERSION, revision=0, kept_until=None
        )
        connection.execute(first)
        return
    version = connection.scalar(select(schema.board.c.version)) or 0
    if version > schema.VERSION:
        what = (
            f"made by a newer bridge, as version {version}; this one reads versions up to "
            f"{schema.VERSION}: install the newer bridge, or name another database"
        )
        raise ConfigurationError(Problem(where="board", what=what))
    if version < schema.VERSION:
        connection.execute(update(schema.board).values(version=schema.VERSION))
        schema.metadata.drop_all(connection, tables=schema.DRAWN)
        schema.metadata.create_all(connection)
        make_index(connection)
        draw_all(connection)
