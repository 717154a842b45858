"""What the journal's tests put into it."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from bridge.core.advance import accept, advance
from bridge.core.facts import Fact
from bridge.core.job import Dependency, JobId
from bridge.core.lifecycle import Event, Job, Step
from bridge.ports import Acceptance, Change, Notice
from bridge.testing.clock import START
from bridge.wire.event import Message


def numbered_id(number: int) -> JobId:
    return JobId(str(UUID(int=number)))


def a_message(
    event_id: str, body: bytes = b"{}", *, routing_key: str = "testbed.accepted"
) -> Message:
    return Message(event_id=event_id, routing_key=routing_key, body=body)


def an_acceptance(
    number: int = 1,
    *,
    fingerprint: str = "same",
    request: bytes = b"",
    waits_for: Sequence[int] = (),
) -> Acceptance:
    depends_on = [Dependency(job_id=numbered_id(it)) for it in waits_for]
    step = accept(numbered_id(number), START, depends_on)
    return Acceptance(
        job=step.job,
        request=request or f"request {number}".encode(),
        fingerprint=fingerprint,
        messages=tuple(map(_told, step.events)),
    )


def a_notice(
    name: str = "rejected/testbed/1",
    *,
    routing_key: str = "testbed.rejected",
    rejected: int | None = None,
) -> Notice:
    return Notice(
        message=a_message(name, b"why", routing_key=routing_key),
        rejected=None if rejected is None else numbered_id(rejected),
    )


def a_change(job: Job, fact: Fact) -> Change:
    step: Step = advance(job, fact, absence_grace=timedelta(minutes=5))
    assert step.anomaly is None
    return Change(job=step.job, messages=tuple(map(_told, step.events)))


def _told(event: Event) -> Message:
    body = f"{event.kind} of {event.job.job_id}".encode()
    return Message(
        event_id=f"{event.job.job_id}/{event.job.sequence}",
        routing_key=f"testbed.{event.kind}",
        body=body,
    )
