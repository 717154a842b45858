"""Exit codes: a public interface. Click itself exits with 2 when the command line is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from bridge.core.errors import (
    BridgeError,
    ConfigurationError,
    InvalidRequestError,
)

OK = 0
JOB_DID_NOT_FINISH = 1
USAGE = 2
BAD_FILE = 3
UNAVAILABLE = 4
STOPPED_LATE = 5
NOT_READY = 6

TABLE = """\b
Exit codes:
  0  all went well; for watched jobs: all of them finished
  1  a watched job failed, was cancelled or was rejected, or `watch --quiet` ended before it
  2  the command line is wrong
  3  a file is wrong: the site's YAML or the job
  4  the broker or the journal cannot be reached, no bridge serves the site or it has no answer, or
     `run` ended because another daemon has taken its journal over
  5  `run` was stopped while a command of Slurm still hung; nothing is lost by that
  6  `check --live` found something wrong
"""


class _BadFile(click.ClickException):
    exit_code = BAD_FILE


class _Unavailable(click.ClickException):
    exit_code = UNAVAILABLE


@contextmanager
def user_errors() -> Iterator[None]:
    """Errors that a person can mend become one message and an exit code, without a traceback."""
    try:
        yield
    except (ConfigurationError, InvalidRequestError) as error:
        raise _BadFile("\n".join(map(str, error.problems))) from error
    except BridgeError as error:  # also where a bridge has no answer
        raise _Unavailable(str(error)) from error


@contextmanager
def missing_extra(name: str) -> Iterator[None]:
    """What a command lacks that was not installed is told with the way to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        words = f"{error.name} is not installed; it comes with hpc-batch-bridge[{name}]"
        raise click.UsageError(words) from error
