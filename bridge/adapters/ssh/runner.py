"""Runs commands on the login node."""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from threading import Event
from time import monotonic

import structlog
from paramiko import Channel, SSHException

from bridge.adapters.ssh.connection import SshConnection
from bridge.adapters.ssh.framing import Frame, exit_code, remote_command
from bridge.core.errors import UnavailableError
from bridge.ports import Completed

MOST_OUTPUT = 32 * 1024 * 1024
"""Bytes of stdout, and of stderr: some 200 000 rows of squeue."""

CHUNK = 65536
FEEDING_SECONDS = 0.02
WAKE_SECONDS = 1
LOGGED_ARGUMENTS = 8
SHOWN_CHARACTERS = 500

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class SshRunner:
    """A Runner on the login node; threads may share it.

    The return code is the command's own, never ssh's. It is None when the command's time was
    over, when it said more than `most_output` bytes, or when the connection was lost after the
    command may have been started: what it did is then not known. A command whose time is over is
    not killed: it loses its input and outputs. What sh(1) has built in, such as echo, is that and
    no program.
    """

    def __init__(self, connection: SshConnection, *, most_output: int = MOST_OUTPUT) -> None:
        self._connection = connection
        self._most_output = most_output

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: timedelta) -> Completed:
        """Run `argv` and wait; its output is read as UTF-8, and what is none is replaced.

        Raises UnavailableError when it certainly was not started.
        """
        deadline = monotonic() + timeout.total_seconds()
        token, end = secrets.token_hex(16), secrets.token_hex(16)
        try:
            command = remote_command(token, argv)
        except ValueError as error:
            raise UnavailableError(f"{argv[0]} cannot be started: {error}") from error
        with self._connection.session(deadline) as channel:
            talk = _Talk(channel, token, end, deadline, self._most_output)
            talk.start(command)
            answer = talk.hold(stdin.encode())
        if answer.return_code is None:
            log.warning("command_given_up", command=list(argv[:LOGGED_ARGUMENTS]))
        return answer


class _News(Event):
    """Set when there is something new to hear on one of a channel's outputs, or an end of it."""

    def clear(self) -> None:
        """Nothing: paramiko says so when one output is drained; the other may have more.

        Its own pipe for both loses news by that, and when it is closed while the connection's
        thread writes to it, that thread ends, and the connection with it (seen with 5.1).
        """

    def wait_for_more(self, seconds: float) -> None:
        """Return when there was some since the last time, or so much later."""
        self.wait(seconds)
        super().clear()


class _Talk:
    """Feeds a command and listens to it, whichever of the two it is ready for."""

    def __init__(self, channel: Channel, token: str, end: str, deadline: float, most: int) -> None:
        self._channel = channel
        self._end = end
        self._deadline = deadline
        self._most = most
        self._stdout = Frame(token, end)
        self._stderr = Frame(end, end)
        self._unfed = memoryview(b"")

    def start(self, command: str) -> None:
        """Have it wait for our word on the other side. Raises UnavailableError."""
        try:
            # It waits for a word of the server's; one that is dead is found out by the keep-alives.
            self._channel.exec_command(command)
        except (SSHException, EOFError, OSError) as error:
            raise UnavailableError(f"no command can be started there: {error}") from error
        self._listen(until=lambda: self._stdout.is_open)
        if not self._stdout.is_open:
            shown = self._stdout.before(SHOWN_CHARACTERS) + self._stderr.before(SHOWN_CHARACTERS)
            words = " ".join(shown.split()) or "nothing was said"
            raise UnavailableError(f"the login node's shell does not get so far: {words}")

    def hold(self, stdin: bytes) -> Completed:
        """Let it run. Raises UnavailableError when not even that word could be sent."""
        whole = memoryview(f"{self._end}\n".encode() + stdin)
        try:
            self._unfed = whole[self._channel.send(bytes(whole[:CHUNK])) :]
            if not self._unfed:
                self._channel.shutdown_write()
        except OSError as error:
            raise UnavailableError(f"the connection is lost: {error}") from error
        ended = self._listen(until=lambda: None not in (self._stdout.code, self._stderr.code))
        code = self._stdout.code if ended else None
        stderr = self._stderr.text(self._most)
        if code is None:
            stderr += f"\nssh: {self._why()}"
        return Completed(
            return_code=None if code is None else exit_code(code),
            stdout=self._stdout.text(self._most),
            stderr=stderr,
        )

    def _why(self) -> str:
        if self._is_too_much:
            return f"more than {self._most} bytes of output"
        if monotonic() >= self._deadline:
            return "the time was over"
        return "the connection was lost before the answer came"

    @property
    def _is_too_much(self) -> bool:
        return max(self._stdout.heard, self._stderr.heard) > self._most

    def _listen(self, *, until: Callable[[], bool]) -> bool:
        """Hear what is said until it holds; whether it does, or all ended in good order."""
        channel, news = self._channel, _News()
        channel.in_buffer.set_event(news)
        channel.in_stderr_buffer.set_event(news)
        while True:
            # Asked before the last of it is heard: what comes after the end is nothing.
            is_at_end, is_closed = channel.eof_received, channel.closed
            self._hear()
            if until():
                return True
            if is_at_end or is_closed or self._is_too_much:
                return bool(is_at_end) and not self._is_too_much
            left = self._deadline - monotonic()
            if left <= 0:
                return False
            news.wait_for_more(min(left, FEEDING_SECONDS if self._unfed else WAKE_SECONDS))
            # It need not listen to the end.
            with suppress(OSError):
                self._feed()

    def _hear(self) -> None:
        channel = self._channel
        while channel.recv_ready() and not self._is_too_much:
            self._stdout.hear(channel.recv(CHUNK))
        while channel.recv_stderr_ready() and not self._is_too_much:
            self._stderr.hear(channel.recv_stderr(CHUNK))

    def _feed(self) -> None:
        """Feed as much as it takes now. Raises OSError when it does not listen any more."""
        channel = self._channel
        while self._unfed and channel.send_ready():
            self._unfed = self._unfed[channel.send(bytes(self._unfed[:CHUNK])) :]
            if not self._unfed:
                channel.shutdown_write()
