"""Divide: a sweep's tasks become jobs of their own."""

from bridge.core.lifecycle import Job
from bridge.core.site import Site
from bridge.core.sweep import tasks_of
from bridge.ports import Acceptance
from bridge.wire.event import encode
from bridge.wire.request import fingerprint, read_job
from bridge.wire.sweep import task_requests


def divide(sweep: Job, request: bytes, site: Site) -> tuple[Acceptance, ...]:
    """The tasks of a sweep that has just been divided, in order, ready to be recorded.

    `request` is the message that the sweep came with.
    """
    at = sweep.submitted_at or sweep.accepted_at
    tasks: list[Acceptance] = []
    for step, body in zip(tasks_of(sweep, at), task_requests(request), strict=True):
        spec = read_job(body, site=site.name)
        accepted, *others = step.events
        messages = (encode(accepted, site, spec), *(encode(it, site) for it in others))
        tasks.append(
            Acceptance(job=step.job, request=body, fingerprint=fingerprint(body), messages=messages)
        )
    return tuple(tasks)
