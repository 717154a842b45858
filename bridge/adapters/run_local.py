"""Runs commands on this machine."""

import os
import selectors
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import takewhile
from time import monotonic
from typing import IO

import structlog

from bridge.core.environment import scrubbed
from bridge.core.errors import UnavailableError
from bridge.ports import Completed

MOST_OUTPUT = 32 * 1024 * 1024
"""Bytes of stdout, and of stderr: some 200 000 rows of squeue."""

CHUNK = 65536
LAST_WAIT_SECONDS = 5
LOGGED_ARGUMENTS = 8

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def without_env(argv: Sequence[str]) -> tuple[dict[str, str], Sequence[str]]:
    """What `env NAME=VALUE... COMMAND...` would do, without a program of its own: env(1)."""
    if not argv or argv[0] != "env":
        return {}, argv
    settings = list(takewhile(lambda word: "=" in word and not word.startswith("-"), argv[1:]))
    rest = argv[1 + len(settings) :]
    if not rest or rest[0].startswith("-"):
        return {}, argv
    pairs = (word.partition("=") for word in settings)
    return {name: value for name, _, value in pairs}, rest


class LocalRunner:
    """A Runner on this machine; threads may share it.

    A command whose time is over, or that says more than `most_output` bytes, is killed with all
    of its process group; its return code is then None, as what it did is not known.
    """

    def __init__(
        self, environment: Mapping[str, str] = os.environ, *, most_output: int = MOST_OUTPUT
    ) -> None:
        self._environment = scrubbed(environment)
        self._most_output = most_output

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: timedelta) -> Completed:
        """Run `argv` and wait; its output is read as UTF-8, and what is none is replaced.

        Raises UnavailableError when it cannot be started.
        """
        deadline = monotonic() + timeout.total_seconds()
        variables, command = without_env(argv)
        try:
            with _readable(stdin.encode()) as fed:
                process = subprocess.Popen(
                    list(command),
                    stdin=fed,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    env={**self._environment, **variables},
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            # ValueError: a NUL byte in an argument.
            raise UnavailableError(f"{argv[0]} cannot be started: {error}") from error
        talk = _Talk(process, self._most_output)
        try:
            code = talk.hold(deadline)
        finally:
            _leave_nothing(process)
        if code is None:
            log.warning("command_killed", command=list(argv[:LOGGED_ARGUMENTS]))
        stdout, stderr = talk.heard()
        return Completed(return_code=code, stdout=stdout, stderr=stderr)


@contextmanager
def _readable(content: bytes) -> Iterator[int]:
    """A file in memory with this content (memfd_create(2)), from its beginning.

    Whoever reads it gets all of it or nothing: with a pipe, the death of this process would give
    sbatch the first half of a script. Raises OSError.
    """
    file = os.memfd_create("stdin")
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.lseek(file, 0, os.SEEK_SET)
        yield file
    finally:
        os.close(file)


class _Talk:
    """Listens to a process."""

    def __init__(self, process: subprocess.Popen[bytes], most: int) -> None:
        self._process = process
        self._most = most
        self._stdout = bytearray()
        self._stderr = bytearray()

    def hold(self, deadline: float) -> int | None:
        """Its return code; None when it did not end in time or said too much."""
        process = self._process
        with selectors.DefaultSelector() as selector:
            for pipe, heard in ((process.stdout, self._stdout), (process.stderr, self._stderr)):
                if pipe is not None:
                    os.set_blocking(pipe.fileno(), False)
                    selector.register(pipe, selectors.EVENT_READ, (pipe, heard))
            while selector.get_map():
                left = deadline - monotonic()
                if left <= 0:
                    # It may have ended while a child of its own still holds its pipes.
                    return _code_of_the_ended(process)
                for key, _ in selector.select(left):
                    pipe, heard = key.data
                    if _hear(pipe, heard):
                        selector.unregister(pipe)
                        pipe.close()
                if max(len(self._stdout), len(self._stderr)) > self._most:
                    return None
        return _code_in_time(process, deadline)

    def heard(self) -> tuple[str, str]:
        """What it said on stdout and stderr."""
        return (
            self._stdout[: self._most].decode(errors="replace"),
            self._stderr[: self._most].decode(errors="replace"),
        )


def _hear(pipe: IO[bytes], heard: bytearray) -> bool:
    """Whether this was all that there is to hear."""
    said = os.read(pipe.fileno(), CHUNK)
    heard += said
    return not said


def _code_in_time(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    try:
        return process.wait(max(deadline - monotonic(), 0))
    except subprocess.TimeoutExpired:
        return None


def _code_of_the_ended(process: subprocess.Popen[bytes]) -> int | None:
    # WNOWAIT: the group can be killed safely only while its leader's number is not given away.
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _leave_nothing(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of its process group, and close the pipes."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(LAST_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            # In the kernel, on a file system that is away: not even SIGKILL reaches it.
            log.warning("command_cannot_be_killed", process=process.pid)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
