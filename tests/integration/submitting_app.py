"""A front end's web application, as gunicorn serves it: each request submits a job."""

import json
import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from bridge.client import Bridge
from bridge.core.errors import UnavailableError

SITE = os.environ["SUBMITTING_APP_SITE"]
# Made, and used, before gunicorn forks its workers (--preload).
BRIDGE = Bridge(
    os.environ["SUBMITTING_APP_BROKER"],
    namespace=os.environ["SUBMITTING_APP_NAMESPACE"],
    patience=timedelta(seconds=float(os.environ["SUBMITTING_APP_PATIENCE"])),
)


def job(job_id: str) -> dict[str, object]:
    return {"job_id": job_id, "name": "test", "image": "/images/a.sif", "command": ["true"]}


BRIDGE.submit(SITE, job(os.environ["SUBMITTING_APP_FIRST_JOB"]))


def application(
    environment: dict[str, Any], respond: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Submits the job whose id is the path; the answer names the worker that did it."""
    job_id = environment["PATH_INFO"].strip("/")
    try:
        BRIDGE.submit(SITE, job(job_id))
    except UnavailableError as error:
        respond("503 Service Unavailable", [("Content-Type", "text/plain")])
        return [str(error).encode()]
    respond("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"worker": os.getpid()}).encode()]
