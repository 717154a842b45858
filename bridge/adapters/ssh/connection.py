"""The connection to the login node, made again whenever it is gone."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Lock
from time import monotonic

import structlog
from paramiko import Channel

from bridge.adapters.ssh.keys import ExpiryAlarm, stamp
from bridge.adapters.ssh.link import Link
from bridge.adapters.ssh.login import LoginRefusedError, log_in
from bridge.adapters.ssh.route import Hop, our_route
from bridge.adapters.ssh.sftp import Sftp
from bridge.core.errors import UnavailableError
from bridge.core.policy import back_off
from bridge.core.settings import SshSettings
from bridge.ports import Clock

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=1)
"""After a server that cannot be reached."""
FIRST_REST, LONGEST_REST = timedelta(seconds=15), timedelta(minutes=15)
"""After a login that was refused: many of them look like an attack."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class SshConnection:
    """One long-lived connection with many channels. Threads share it.

    It is made when it is first wanted, and again when it is gone: after a wait that grows with
    each failure, in which every call fails at once. Keys, certificates and known hosts are read
    from disk each time, and one that was refused is tried again as soon as one of their files
    has changed.
    """

    def __init__(self, settings: SshSettings, clock: Clock) -> None:
        """Raises ConfigurationError when ssh_config(5) or the settings cannot be followed."""
        self._route = our_route(settings)
        self._sessions = settings.sessions
        self._clock = clock
        self._alarm = ExpiryAlarm(self._route, clock)
        self._lock = Lock()
        self._link: Link | None = None
        self._failures = 0
        self._failure = ""
        self._not_before = timedelta(0)
        self._refused_with: tuple[tuple[str, int, int], ...] | None = None

    @property
    def server(self) -> Hop:
        """The login node."""
        return self._route[-1]

    @contextmanager
    def session(self, deadline: float) -> Iterator[Channel]:
        """A new channel, closed in the end; `deadline` is on the monotonic clock.

        Raises UnavailableError when there is none.
        """
        with self._linked(deadline).session(deadline) as channel:
            yield channel

    @contextmanager
    def sftp(self, deadline: float) -> Iterator[Sftp]:
        """An SFTP session. Raises UnavailableError when there is none."""
        with self._linked(deadline).sftp(deadline) as sftp:
            yield sftp

    def close(self) -> None:
        """End it; a later call makes it anew."""
        with self._lock:
            if self._link is not None:
                self._link.close()
                self._link = None

    def _linked(self, deadline: float) -> Link:
        if not self._lock.acquire(timeout=max(deadline - monotonic(), 0)):
            raise UnavailableError(f"{self.server} is still being connected to")
        try:
            if self._link is not None and self._link.is_alive:
                return self._link
            if self._link is not None:
                log.warning("ssh_connection_lost", server=str(self.server))
                self._link.close()
                self._link = None
            self._wait_for_our_turn()
            self._link = self._connect()
        finally:
            self._lock.release()
        return self._link

    def _wait_for_our_turn(self) -> None:
        if self._clock.uptime() >= self._not_before:
            return
        if self._refused_with is not None and self._refused_with != stamp(self._route):
            return
        raise UnavailableError(self._failure)

    def _connect(self) -> Link:
        self._alarm.check()
        seen = stamp(self._route)
        try:
            transports = log_in(self._route)
        except LoginRefusedError as error:
            self._refused_with = seen
            self._fail(error, first=FIRST_REST, longest=LONGEST_REST)
            raise
        except UnavailableError as error:
            self._refused_with = None
            self._fail(error, first=FIRST_WAIT, longest=LONGEST_WAIT)
            raise
        self._failures, self._not_before, self._refused_with = 0, timedelta(0), None
        log.info("ssh_connected", server=str(self.server), hops=len(self._route))
        return Link(
            transports,
            name=str(self.server),
            sessions=self._sessions,
            alive_every=self.server.alive_every,
            alive_count=self.server.alive_count,
            on_pulse=self._alarm.check,
        )

    def _fail(self, error: UnavailableError, *, first: timedelta, longest: timedelta) -> None:
        self._failures += 1
        wait = back_off(self._failures, first=first, longest=longest, jitter=random.random())  # noqa: S311
        self._failure = str(error)
        self._not_before = self._clock.uptime() + wait
        log.warning("ssh_not_connected", words=self._failure, next_try_in=wait.total_seconds())
