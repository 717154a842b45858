"""The files that commands read."""

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.core.errors import InvalidRequestError, Problem

if TYPE_CHECKING:
    from bridge.core.job import JobSpec
    from bridge.core.site import Site


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


def every_reason(error: InvalidRequestError, site: "Site") -> InvalidRequestError:
    """The error, which also tells what the site has against the rest of the job."""
    from bridge.core.partly_read import every_problem

    return InvalidRequestError(*every_problem(error, lambda it: objections(it, site)))


def objections(spec: "JobSpec", site: "Site") -> Iterator[Problem]:
    """Everything for which the site would reject the job."""
    from bridge.core.policy import admission_problems
    from bridge.script import refusals

    yield from admission_problems(spec, site)
    yield from refusals(spec, site)
