"""Hears which bridges are there, beside the keeper: what passes by is on no stream."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self

import structlog
from sqlalchemy import Connection, Row

from bridge.adapters.rabbitmq import PassingListener
from bridge.client.ask import Asker
from bridge.client.board.database import Database
from bridge.client.board.presence import (
    unknown_limits,
    write_hearing,
    write_limits,
    write_presence,
)
from bridge.core.errors import BridgeError, InvalidRequestError
from bridge.core.settings import BrokerSettings
from bridge.wire.limits import SiteLimits
from bridge.wire.presence import Presence, read_presence

log = structlog.get_logger()

_AT_ONCE = 100
_LOOK_UP = timedelta(seconds=1)
_TELL = timedelta(seconds=5)
_PAUSE_S = 2.0


class Bridges(Protocol):
    """What is to be heard of bridges."""

    @property
    def is_heard(self) -> bool:
        """Whether what they say reaches us."""
        ...

    def take(self, *, timeout: timedelta) -> tuple[Presence, ...]:
        """What they have said of themselves; waits until one has, or the time is over."""
        ...

    def limits(self, site: str) -> SiteLimits:
        """What a site allows. Raises BridgeError."""
        ...


OpenBridges = Callable[[], AbstractContextManager[Bridges]]


class BrokersBridges:
    """Bridges that are heard over a broker. One thread may use it."""

    def __init__(self, broker: BrokerSettings) -> None:
        self._listener = PassingListener.of_presence(broker)
        self._asker = Asker(broker)
        self._was_heard = False

    def __enter__(self) -> Self:
        self._listener.start()
        self._asker.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._asker.__exit__()
        self._listener.close()

    @property
    def is_heard(self) -> bool:
        """Whether what they say reaches us."""
        return self._listener.wait_until_listening(timedelta(0))

    def take(self, *, timeout: timedelta) -> tuple[Presence, ...]:
        """What they have said of themselves; who begins to listen asks all of them first.

        Raises UnavailableError.
        """
        is_heard = self._listener.wait_until_listening(timeout)
        is_new, self._was_heard = is_heard and not self._was_heard, is_heard
        if is_new:
            return self._asker.sites()
        if not is_heard:
            return ()
        said = []
        for delivery in self._listener.take(_AT_ONCE, timeout=timeout):
            try:
                said.append(read_presence(delivery.body))
            except InvalidRequestError as error:
                log.warning("not_a_presence", problems=[str(it) for it in error.problems])
        return tuple(said)

    def limits(self, site: str) -> SiteLimits:
        """What a site allows. As Asker.limits."""
        return self._asker.limits(site)


class Hearing:
    """Tells a board which bridges are there while it is kept, in a thread of its own."""

    def __init__(
        self, database: Database, open_bridges: OpenBridges, *, keeping: threading.Event
    ) -> None:
        """`keeping` is set while this process keeps the board."""
        self._database = database
        self._open = open_bridges
        self._keeping = keeping
        self._stopped = threading.Event()
        self._told_at: datetime | None = None
        self._thread = threading.Thread(target=self._run, name="board hearing", daemon=True)

    def start(self) -> None:
        """Begin; does not wait."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end soon."""
        self._stopped.set()

    def join(self, timeout: timedelta) -> None:
        """Wait until it has ended."""
        if self._thread.is_alive():
            self._thread.join(timeout.total_seconds())

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if self._keeping.wait(_LOOK_UP.total_seconds()):
                    self._hear()
            except BridgeError as error:
                log.warning("bridges_not_heard", why=str(error))
                self._stopped.wait(_PAUSE_S)
            except Exception:  # the thread must outlive every bug
                log.exception("board_hearing_broken")
                self._stopped.wait(_PAUSE_S)

    def _hear(self) -> None:
        with self._open() as bridges:
            while self._keeping.is_set() and not self._stopped.is_set():
                said = bridges.take(timeout=_LOOK_UP)
                self._tell(said, is_heard=bridges.is_heard)
                if said:
                    self._ask_limits(bridges, said)

    def _tell(self, said: tuple[Presence, ...], *, is_heard: bool) -> None:
        now = datetime.now(UTC)
        is_due = self._told_at is None or now - self._told_at >= _TELL
        if not said and not (is_heard and is_due):
            return

        def write(connection: Connection, _: Row[Any]) -> None:
            write_presence(connection, said, now=now)
            if is_heard:
                write_hearing(connection, until=now)

        self._database.write(write)
        if is_heard:
            self._told_at = now

    def _ask_limits(self, bridges: Bridges, said: tuple[Presence, ...]) -> None:
        unknown = self._database.read(lambda it: unknown_limits(it, said))
        for site, digest in unknown.items():
            try:
                limits = bridges.limits(site)
            except BridgeError as error:
                # Asked again when that bridge next says that it is there.
                log.info("limits_not_told", site=site, why=str(error))
            else:
                self._keep_limits(site, limits, digest)

    def _keep_limits(self, site: str, limits: SiteLimits, digest: str) -> None:
        self._database.write(lambda it, _: write_limits(it, site, limits, digest=digest))
