"""The one background consumer of a deployment: it fills the board from the stream of events."""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from time import monotonic
from typing import Protocol, Self, TypeVar

import structlog

from bridge.adapters.rabbitmq import Bookmark, HistoryReader
from bridge.client.address import broker_at
from bridge.client.board.board import Board
from bridge.client.board.hearing import BrokersBridges, Hearing, OpenBridges
from bridge.client.board.lease import LEASE, Lease
from bridge.client.follow import status_events
from bridge.core.errors import BridgeError, SupersededError, UnavailableError
from bridge.core.settings import BrokerSettings
from bridge.ports import Delivery
from bridge.wire.event import CloudEvent, decode

log = structlog.get_logger()

T = TypeVar("T")

_AT_ONCE = 500
_LOOK_UP = timedelta(milliseconds=500)
_STAND_BY_S = 2.0
_PAUSE_S = 1.0
_RENEW_S = LEASE.total_seconds() / 3
_PRUNE_S = 3600.0
_JOIN_S = 30.0


class History(Protocol):
    """What the keeper needs of a HistoryReader."""

    def take(self, limit: int, *, timeout: timedelta) -> tuple[Delivery, ...]:
        """Up to `limit` messages; waits until there is one or the time is over."""
        ...

    def done(self, deliveries: Sequence[Delivery]) -> None:
        """These were dealt with."""
        ...


OpenHistory = Callable[[Bookmark | None], AbstractContextManager[History]]


class BoardKeeper:
    """Keeps a board up to date, in a thread of its own, whatever happens to broker and database.

    Start one in every process if you like: one of them keeps the board, the others stand by and
    take over within half a minute when it ends. Not to be started before a fork.
    """

    def __init__(
        self,
        broker: BrokerSettings | str,
        board: Board,
        *,
        keep: timedelta = timedelta(days=30),
        open_history: OpenHistory | None = None,
        open_bridges: OpenBridges | None = None,
        read: Callable[[bytes], CloudEvent] = decode,
    ) -> None:
        """`broker` may be an URL, `keep` is how long jobs that are over stay on the board.

        `open_history` is for those who have the events from elsewhere, `open_bridges` for those
        who hear elsewhere which bridges are there; `read` is for those whose messages are not quite
        ours, and raises InvalidRequestError for what is no status event. Raises ConfigurationError.
        """
        settings = broker_at(broker) if isinstance(broker, str) else broker
        self._open = open_history or (lambda it: HistoryReader(settings, bookmark=it))
        open_bridges = open_bridges or (lambda: BrokersBridges(settings))
        self._board = board
        self._keep_jobs = keep
        self._read = read
        name = f"{socket.gethostname()}:{os.getpid()}:{token_hex(4)}"
        self._lease = Lease(board.database, name)
        self._stopped = threading.Event()
        self._keeping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="board keeper", daemon=True)
        self._hearing = Hearing(board.database, open_bridges, keeping=self._keeping)
        self._pruned_at: float | None = None
        self._renewed_at = 0.0

    def start(self) -> None:
        """Begin; does not wait, and a broker or database that is not there is no error."""
        self._thread.start()
        self._hearing.start()

    def close(self) -> None:
        """Stop, so that another keeper can take over at once."""
        self._stopped.set()
        self._hearing.stop()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)
        self._hearing.join(timedelta(seconds=_JOIN_S))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_keeping(self) -> bool:
        """Whether this one keeps the board; else it stands by, or cannot."""
        return self._keeping.is_set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if self._lease.take(_now()):
                    self._keep()
                else:
                    self._stopped.wait(_STAND_BY_S)
            except SupersededError as error:
                log.warning("board_superseded", why=str(error))
            except UnavailableError as error:
                log.warning("board_unavailable", why=str(error))
                self._stopped.wait(_PAUSE_S)
            except Exception:  # the thread must outlive every bug
                log.exception("board_keeper_broken")
                self._stopped.wait(_STAND_BY_S)
            finally:
                self._keeping.clear()

    def _keep(self) -> None:
        self._renewed_at = monotonic()
        with self._open(self._lease.bookmark()) as history:
            log.info("board_kept", board=str(self._board.database))
            self._keeping.set()
            while not self._stopped.is_set():
                if deliveries := history.take(_AT_ONCE, timeout=_LOOK_UP):
                    self._take_in(deliveries)
                    history.done(deliveries)
                elif monotonic() - self._renewed_at >= _RENEW_S:
                    self._record([], None)
                self._prune()
        with suppress(UnavailableError):
            self._lease.give_back()

    def _take_in(self, deliveries: Sequence[Delivery]) -> None:
        bookmark = _bookmark(deliveries[-1])
        events = [event for it in deliveries for event in self._events_in(it.body)]
        try:
            self._record(events, bookmark)
        except BridgeError:
            raise
        except Exception as error:  # noqa: BLE001  # a bug, or something that cannot be stored
            # The others must not suffer by that, and the next ones must not wait for it.
            log.warning("events_not_recorded_at_once", why=repr(error))
            for event in events:
                self._record_alone(event)
            self._record([], bookmark)

    def _events_in(self, body: bytes) -> Sequence[CloudEvent]:
        try:
            return tuple(status_events([body], read=self._read))
        except Exception as unreadable:  # noqa: BLE001  # a bug; the next message has no part in it
            error = unreadable
        log.error("message_set_aside", why=repr(error))
        self._persist(lambda: self._lease.set_aside(body, error, now=_now()))
        return ()

    def _record_alone(self, event: CloudEvent) -> None:
        error = self._persist(lambda: self._lease.record_alone(event, now=_now()))
        if error is not None:
            log.error("event_set_aside", id=event.id, job=event.data.job_id, why=repr(error))

    def _record(self, events: Sequence[CloudEvent], bookmark: Bookmark | None) -> None:
        self._persist(lambda: self._lease.record(events, bookmark=bookmark, now=_now()))

    def _persist(self, write: Callable[[], T]) -> T | None:
        """Write, however long the database takes to answer; nothing when told to stop."""
        while not self._stopped.is_set():
            try:
                written = write()
            except UnavailableError as error:
                log.warning("board_unavailable", why=str(error))
                self._stopped.wait(_PAUSE_S)
            else:
                self._renewed_at = monotonic()
                return written
        return None

    def _prune(self) -> None:
        if self._pruned_at is not None and monotonic() - self._pruned_at < _PRUNE_S:
            return
        self._pruned_at = monotonic()
        try:
            self._board.prune(_now() - self._keep_jobs)
        except UnavailableError as error:
            log.warning("board_not_pruned", why=str(error))


def _now() -> datetime:
    return datetime.now(UTC)


def _bookmark(delivery: Delivery) -> Bookmark | None:
    if delivery.offset is None:
        return None
    return Bookmark(offset=delivery.offset, message_id=delivery.message_id)
