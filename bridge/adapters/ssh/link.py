"""One connection to the login node, while it lasts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Event, Thread, Timer
from time import monotonic, sleep

import structlog
from paramiko import Channel, SSHException, Transport

from bridge.adapters.ssh.login import log_out
from bridge.adapters.ssh.sftp import Sftp
from bridge.adapters.ssh.slots import Slots
from bridge.core.errors import UnavailableError

PAUSES = (0.02, 0.1, 0.3, 0.6, 1, 1, 1)
"""Seconds between attempts: the server may not have noticed yet that a channel is closed."""
MOST_REFUSALS = 3
"""After so many, while others of ours are open, the server does not take as many as we thought."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Link:
    """Channels over the transports of one login. Threads share it."""

    def __init__(
        self,
        transports: Sequence[Transport],
        *,
        name: str,
        sessions: int,
        alive_every: timedelta,
        alive_count: int,
        on_pulse: Callable[[], None],
    ) -> None:
        """`on_pulse` is called as often as the server is asked whether it is alive."""
        self._transports = transports
        self._transport = transports[-1]
        self._name = name
        self._slots: Slots[Sftp] = Slots(sessions)
        self._alive_every = alive_every.total_seconds()
        self._patience = self._alive_every * alive_count
        self._on_pulse = on_pulse
        self._is_over = Event()
        self._pulse = Thread(target=self._beat, name="ssh keep-alive", daemon=True)
        self._pulse.start()

    @property
    def is_alive(self) -> bool:
        """Whether nothing is known of its end."""
        return not self._is_over.is_set() and all(it.is_active() for it in self._transports)

    def close(self) -> None:
        """End it, with all of its channels."""
        self._is_over.set()
        log_out(self._transports)

    @contextmanager
    def session(self, deadline: float) -> Iterator[Channel]:
        """A new channel, closed in the end. Raises UnavailableError."""
        channel = self._open(deadline)
        try:
            yield channel
        finally:
            self._end(channel)

    @contextmanager
    def sftp(self, deadline: float) -> Iterator[Sftp]:
        """An SFTP session; it is kept for the next one unless something went wrong in it.

        Raises UnavailableError, also when what is done in it fails.
        """
        sftp = self._slots.take_idle(lambda it: it.is_usable) or self._open_sftp(deadline)
        sftp.finish_by(deadline)
        is_good = False
        try:
            yield sftp
            is_good = True
        finally:
            if is_good and self.is_alive:
                self._slots.keep(sftp)
            else:
                sftp.close()
                self._slots.closed()

    def _open_sftp(self, deadline: float) -> Sftp:
        channel = self._open(deadline)
        try:
            channel.invoke_subsystem("sftp")
            return Sftp(channel, deadline)
        except (SSHException, EOFError, OSError) as error:
            self._end(channel)
            raise UnavailableError(f"{self._name} offers no SFTP: {error}") from error

    def _open(self, deadline: float) -> Channel:
        """A channel with its slot; waits for others to end when the server takes no more."""
        while self._slots.take(deadline):
            try:
                channel = self._try_to_open(deadline)
            except BaseException:
                self._slots.give_up()
                raise
            if channel is not None:
                self._slots.opened()
                return channel
            self._slots.learn()
        raise UnavailableError(f"{self._name} takes no more channels at once than are open")

    def _try_to_open(self, deadline: float) -> Channel | None:
        """A channel; None when the server refuses one while others of ours are open."""
        for refusals, pause in enumerate(PAUSES, start=1):
            try:
                return self._transport.open_session(timeout=max(deadline - monotonic(), 0.1))
            except (SSHException, EOFError, OSError) as error:
                refusal = error
            if not self.is_alive:
                words = f"{self._name}: the connection is lost: {refusal}"
                raise UnavailableError(words) from refusal
            others_are_open = self._slots.refused()
            if (others_are_open and refusals >= MOST_REFUSALS) or monotonic() + pause > deadline:
                return None
            sleep(pause)
        # None of ours is open, but perhaps commands that we gave up still run there and count.
        # A new connection has the whole number again.
        log.warning("ssh_channel_refused", server=self._name)
        self.close()
        raise UnavailableError(f"{self._name} takes no channel")

    def _end(self, channel: Channel) -> None:
        _close(channel)
        self._slots.closed()

    def _beat(self) -> None:
        """Asks for a sign of life; paramiko's own keep-alive does not wait for the answer."""
        while not self._is_over.wait(self._alive_every) and self.is_alive:
            end = Timer(self._patience, self._give_up)
            end.daemon = True
            end.start()
            try:
                # A server that does not know the request says so, which is as good (RFC 4254, 4).
                self._transport.global_request("keepalive@openssh.com", wait=True)
            except (SSHException, EOFError, OSError):
                self.close()
            finally:
                end.cancel()
            self._on_pulse()

    def _give_up(self) -> None:
        log.warning("ssh_peer_silent", server=self._name, seconds=self._patience)
        self.close()


def _close(channel: Channel) -> None:
    with suppress(SSHException, EOFError, OSError):
        channel.close()
