"""The files that commands read."""

import json
import sys
import uuid
from pathlib import Path

from bridge.core.errors import InvalidRequestError, Problem
from bridge.wire.json_text import read_json


def read_file(path: Path) -> bytes:
    """The bytes of a file, `-` being standard input. Raises InvalidRequestError."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(Problem(where=str(path), what=str(error.strerror))) from error


def complete(body: bytes) -> tuple[bytes, str]:
    """The job message with a fresh `job_id` where it has none, and the id as it stands there.

    Raises InvalidRequestError when it is not a JSON object; what else is wrong, the site says.
    """
    data = read_json(body)
    if not isinstance(data, dict):
        raise InvalidRequestError(Problem(where="", what="a job is a JSON object"))
    if "job_id" in data:
        return body, str(data["job_id"])
    job_id = str(uuid.uuid4())
    return json.dumps({**data, "job_id": job_id}).encode(), job_id


def id_to_follow(job_id: str) -> str:
    """The id as it stands in events. Raises InvalidRequestError when no event would bear it."""
    try:
        return str(uuid.UUID(job_id))
    except ValueError as error:
        what = "a UUID is wanted: events of a job without one cannot be followed"
        raise InvalidRequestError(Problem(where="job_id", what=what)) from error
