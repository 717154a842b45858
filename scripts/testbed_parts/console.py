"""What the testbed says to the person: progress lines, failures with a hint."""

import sys
import time
from collections.abc import Sequence

_STARTED = time.monotonic()


class UsageError(Exception):
    """The person asked for something that cannot be done; exit code 2."""


class SetupFailed(Exception):
    """A part of the testbed did not do its work; exit code 1.

    ``log_lines`` are the part's own last words, ``hint`` says what to do next.
    """

    def __init__(self, message: str, *, hint: str = "", log_lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.hint = hint
        self.log_lines = tuple(log_lines)


def progress(line: str) -> None:
    """Print one progress line with the seconds since the command began."""
    print(f"[{time.monotonic() - _STARTED:6.1f}s] {line}", flush=True)


def complain(error: UsageError | SetupFailed) -> None:
    """Print a failure on standard error: log lines first, then what went wrong, then the hint."""
    if isinstance(error, SetupFailed):
        for line in error.log_lines:
            print(f"    | {line}", file=sys.stderr)
    print(f"testbed: {error}", file=sys.stderr)
    if isinstance(error, SetupFailed) and error.hint:
        print(f"    hint: {error.hint}", file=sys.stderr)
