"""What becomes of a command whose output nobody reads any more, as in `hpc-bridge jobs | head`."""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import UnsupportedOperation
from typing import NoReturn, TextIO

import click


class EndingWithItsReader(click.Group):
    """A group whose commands end quietly when their reader goes: by SIGPIPE, as git and ls do.

    Of standard output or standard error: another connection that breaks is an error that is told.
    """

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """See click; `--help` is printed here."""
        with _ending_with_the_reader():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """See click."""
        with _ending_with_the_reader():
            return super().invoke(ctx)


@contextmanager
def _ending_with_the_reader() -> Iterator[None]:
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError as error:
        gone = [it for it in (sys.stdout, sys.stderr) if it is not None and _has_no_reader(it)]
        if gone:
            _end_by_sigpipe(gone)
        # click would end with 1 and no word, whatever broke.
        raise ConnectionError(f"a connection broke: {error}") from error


def _has_no_reader(stream: TextIO) -> bool:
    """Whether the other end of a pipe or a socket is closed (poll(2))."""
    try:
        number = stream.fileno()
    except UnsupportedOperation:
        return False
    poll = select.poll()
    poll.register(number, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def _end_by_sigpipe(gone: list[TextIO]) -> NoReturn:
    # What a stream still holds back would otherwise be tried once more, and complained of.
    for stream in gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.raise_signal(signal.SIGPIPE)
    # Only where somebody has blocked the signal.
    sys.exit(128 + signal.SIGPIPE)
