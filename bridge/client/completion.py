"""A job as it is sent: with an id, so that sending it twice is sending it once."""

import json
import uuid
from collections.abc import Mapping

from bridge.client.job import Job
from bridge.core.errors import InvalidRequestError, Problem
from bridge.wire.json_text import read_json
from bridge.wire.request import read_message

AnyJob = Job | Mapping[str, object] | bytes
"""A job message (docs/messages.md): built in Python, as data, or as JSON text."""


def complete(job: AnyJob) -> tuple[bytes, str]:
    """The job message with what may be left out: `version`, and a fresh `job_id`; and that id.

    Bytes that lack nothing stay as they are. Raises InvalidRequestError when it is no JSON object;
    what else is wrong, `checked` or the site says.
    """
    if isinstance(job, Job):
        return job.to_bytes(), job.id
    if isinstance(job, Mapping):
        whole = {"version": 1, "job_id": str(uuid.uuid4()), **job}
        return _encoded(whole), str(whole["job_id"])
    data = read_json(job)
    if not isinstance(data, dict):
        raise InvalidRequestError(Problem(where="", what="a job is a JSON object"))
    if "version" in data and "job_id" in data:
        return job, str(data["job_id"])
    return complete(data)


def checked(body: bytes, site: str) -> str:
    """The id of a job that is right in form. Raises InvalidRequestError with every problem."""
    return str(read_message(body, site=site).job_id)


def _encoded(job: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(job, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        what = f"this cannot be written as JSON: {error}"
        raise InvalidRequestError(Problem(where="", what=what)) from error
