"""One thread that writes for all: calls that come together are synced to the disk together."""

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from bridge.adapters.sqlite_journal.database import is_storage_failure
from bridge.core.errors import BridgeError, UnavailableError

T = TypeVar("T")

_MOST_UNITS = 256
"""In one transaction: nobody waits for more of others' work than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    work: Callable[[sqlite3.Connection], Any]
    outcome: "Future[Any]" = field(default_factory=Future)


class GroupCommit:
    """Runs units of work of many threads on one connection, all that wait in one transaction.

    Each unit is a savepoint: one that raises is undone by itself. A group that cannot be committed
    is undone and tried again unit by unit, so that none fails for its neighbours' sake.
    """

    def __init__(
        self, connection: sqlite3.Connection, *, name: str, may_write: Callable[[], None]
    ) -> None:
        """Take over `connection`. `may_write` raises when nothing may be written any more."""
        self._connection = connection
        self._name = name
        self._may_write = may_write
        self._waiting: SimpleQueue[_Unit | None] = SimpleQueue()
        self._closed = False
        self._gate = Lock()
        self._thread = Thread(target=self._serve, name="journal-writer", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Wait until `work` is committed, and return what it returned.

        Raises what it raised, or UnavailableError when the disk fails; then it did nothing.
        """
        unit = _Unit(work=work)
        with self._gate:
            if self._closed:
                raise UnavailableError(f"the journal {self._name} is closed")
            self._waiting.put(unit)
        outcome: T = unit.outcome.result()
        return outcome

    def close(self) -> None:
        """Commit what waits, take nothing more, close the connection."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _serve(self) -> None:
        try:
            while units := self._next_units():
                self._commit(units)
        finally:
            self._connection.close()

    def _next_units(self) -> list[_Unit]:
        """All that wait, at least one; none when there will be no more."""
        first = self._waiting.get()
        units = [] if first is None else [first]
        with suppress(Empty):
            while first is not None and len(units) < _MOST_UNITS:
                unit = self._waiting.get_nowait()
                if unit is None:
                    # It must be found again once these are committed.
                    self._waiting.put(None)
                    break
                units.append(unit)
        return units

    def _commit(self, units: Sequence[_Unit]) -> None:
        try:
            self._may_write()
            self._connection.execute("BEGIN IMMEDIATE")
            answers = [self._attempt(unit) for unit in units]
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - the thread must live, and callers must not hang
            self._roll_back()
            self._fail(units, error)
            return
        for unit, answer in zip(units, answers, strict=True):
            answer(unit.outcome)

    def _attempt(self, unit: _Unit) -> Callable[["Future[Any]"], None]:
        self._connection.execute("SAVEPOINT unit")
        try:
            value = unit.work(self._connection)
        except Exception as error:
            if is_storage_failure(error):
                # SQLite may have undone the whole transaction, and not only this unit.
                raise
            self._connection.execute("ROLLBACK TO unit")
            self._connection.execute("RELEASE unit")
            own_error = error
            return lambda outcome: outcome.set_exception(own_error)
        self._connection.execute("RELEASE unit")
        return lambda outcome: outcome.set_result(value)

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _fail(self, units: Sequence[_Unit], error: Exception) -> None:
        if len(units) > 1:
            for unit in units:
                self._commit([unit])
            return
        answer = error
        if not isinstance(error, BridgeError):
            answer = UnavailableError(f"the journal {self._name}: {error}")
            answer.__cause__ = error
        units[0].outcome.set_exception(answer)
