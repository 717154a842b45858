"""A worker as the bridge sees it: a process that answers, is silent, or is dead."""

import fcntl
import os
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import IO

from bridge.adapters.pyslurm.framing import Frames, FramingError, Message, frame
from bridge.core.errors import SubmissionUncertainError, UnavailableError
from bridge.core.slurm_words import MOST_WORDS, said

CHUNK = 65536
LAST_WAIT_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a worker answers."""

    message: Message
    printed: str
    """What Slurm's library wrote to stderr meanwhile: some of its words stand nowhere else."""


class WorkerProcess:
    """One worker, from its start until it is closed. Not for two threads at once."""

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], *, patience: timedelta
    ) -> None:
        """Start it and hear its hello. Raises UnavailableError when there is none in time."""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        # Appended to, so that it can be emptied while the worker has it open.
        fcntl.fcntl(self._stderr, fcntl.F_SETFL, os.O_APPEND)
        self._frames = Frames()
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=0,
                env=dict(environment),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._stderr.close()
            raise UnavailableError(f"{argv[0]} cannot be started: {error}") from error
        try:
            self.hello = self._hear(monotonic() + patience.total_seconds())
        except _SilenceError as error:
            self.close()
            raise UnavailableError(f"a pyslurm worker {error} before it said hello") from error

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended, as far as one can see."""
        return self._process.poll() is None

    def submit(self, request: Message, *, patience: timedelta) -> Answer:
        """Have a job submitted.

        Raises UnavailableError when the worker did not get the request, and
        SubmissionUncertainError when it got it and does not answer; close it then.
        """
        self._stderr.truncate(0)
        deadline = monotonic() + patience.total_seconds()
        try:
            self._tell(frame(request), deadline)
        except _SilenceError as error:
            raise UnavailableError(f"a pyslurm worker {error} and took no job") from error
        try:
            message = self._hear(deadline)
        except _SilenceError as error:
            raise SubmissionUncertainError(
                f"a pyslurm worker {error} during a submission"
            ) from error
        return Answer(message=message, printed=self._printed())

    def close(self) -> None:
        """End it, whatever it does."""
        process = self._process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            # One in the kernel, on a file system that is away, is not even reached by SIGKILL.
            with suppress(subprocess.TimeoutExpired):
                process.wait(LAST_WAIT_SECONDS)
        for pipe in (process.stdin, process.stdout, self._stderr):
            if pipe is not None:
                pipe.close()

    def _tell(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)

        def write(pipe: IO[bytes]) -> bool:
            nonlocal rest
            try:
                rest = rest[os.write(pipe.fileno(), rest[:CHUNK]) :]
            except BrokenPipeError:
                raise _SilenceError(self._last_words()) from None
            return not rest

        self._wait(self._process.stdin, selectors.EVENT_WRITE, write, deadline)

    def _hear(self, deadline: float) -> Message:
        heard: list[Message] = []

        def read(pipe: IO[bytes]) -> bool:
            piece = os.read(pipe.fileno(), CHUNK)
            if not piece:
                raise _SilenceError(self._last_words())
            self._frames.hear(piece)
            try:
                message = self._frames.take()
            except FramingError as error:
                raise _SilenceError(f"said what is not understood: {error}") from error
            if message is not None:
                heard.append(message)
            return bool(heard)

        self._wait(self._process.stdout, selectors.EVENT_READ, read, deadline)
        return heard[0]

    def _wait(
        self,
        pipe: IO[bytes] | None,
        event: int,
        act: Callable[[IO[bytes]], bool],
        deadline: float,
    ) -> None:
        """Act on the pipe whenever it is ready, until `act` says that this was all."""
        if pipe is None:
            raise _SilenceError("has no pipe")
        os.set_blocking(pipe.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            while True:
                left = deadline - monotonic()
                if left <= 0:
                    raise _SilenceError(self._and_printed("did not answer in time"))
                if selector.select(left) and act(pipe):
                    return

    def _last_words(self) -> str:
        try:
            code = self._process.wait(LAST_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed its pipes"
        return self._and_printed(
            f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        )

    def _and_printed(self, what: str) -> str:
        # Such as that libslurm waits for a slurm.conf that is missing, which it does for a minute.
        words = said(self._printed())
        return f"{what} ({words})" if words else what

    def _printed(self) -> str:
        end = os.fstat(self._stderr.fileno()).st_size
        start = max(end - 2 * MOST_WORDS, 0)
        return os.pread(self._stderr.fileno(), end - start, start).decode(errors="replace")


class _SilenceError(Exception):
    """It gives no answer, and this is what became of it."""
