"""The files that commands read."""

import sys
import uuid
from pathlib import Path

from bridge.core.errors import InvalidRequestError, Problem


def read_file(path: Path) -> bytes:
    """The bytes of a file, `-` being standard input. Raises InvalidRequestError."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(Problem(where=str(path), what=str(error.strerror))) from error


def id_to_follow(job_id: str) -> str:
    """The id as it stands in events. Raises InvalidRequestError when no event would bear it."""
    try:
        return str(uuid.UUID(job_id))
    except ValueError as error:
        what = "a UUID is wanted: events of a job without one cannot be followed"
        raise InvalidRequestError(Problem(where="job_id", what=what)) from error
