"""Follow status events."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Self

import structlog

from bridge.adapters.rabbitmq import Listener
from bridge.core.errors import InvalidRequestError
from bridge.core.lifecycle import EventKind
from bridge.core.settings import BrokerSettings
from bridge.wire.event import CloudEvent, decode

log = structlog.get_logger()

_ENDS = frozenset({EventKind.FINISHED, EventKind.FAILED, EventKind.CANCELLED})


class Follower:
    """Status events as they come, from the moment it has begun to listen.

    Events may come twice: `event.id` tells, and `event.data.sequence` orders those of one job.
    """

    def __init__(
        self, broker: BrokerSettings, *, site: str | None = None, queue: str | None = None
    ) -> None:
        """Follow one site, or all; a named `queue` is durable and misses nothing in between."""
        key = "#" if site is None else f"{site}.*"
        self._listener = Listener(broker, [key], queue=queue)

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def wait_until_listening(self, patience: timedelta = timedelta(seconds=10)) -> None:
        """Return when no further event can be missed. Raises UnavailableError."""
        self._listener.listen_within(patience)

    def events(self, *, quiet: timedelta | None = None) -> Iterator[CloudEvent]:
        """Event by event, until none came for the time `quiet`; for ever without it."""
        return status_events(self._listener.events(quiet=quiet))

    def job(self, job_id: str, *, quiet: timedelta | None = None) -> Iterator[CloudEvent]:
        """The events of one job, up to its last one."""
        return of_jobs(self.events(quiet=quiet), [job_id])


def status_events(
    bodies: Iterable[bytes], *, read: Callable[[bytes], CloudEvent] = decode
) -> Iterator[CloudEvent]:
    """The status events in these messages; what is none is logged and left out."""
    for body in bodies:
        try:
            yield read(body)
        except InvalidRequestError as error:
            log.warning("not_a_status_event", problems=[str(it) for it in error.problems])


def of_jobs(events: Iterable[CloudEvent], job_ids: Iterable[str]) -> Iterator[CloudEvent]:
    """The events of these jobs, of each up to its last one, until all are over.

    A `rejected` is the last one only where nothing of the job came before: later it speaks of
    another message that bears the same id, and the job lives on.
    """
    open_jobs, known = set(job_ids), set[str]()
    for event in events:
        job_id = event.data.job_id
        if job_id is None or job_id not in open_jobs:
            continue
        kind = event.data.event
        if kind in _ENDS or (kind is EventKind.REJECTED and job_id not in known):
            open_jobs.remove(job_id)
        known.add(job_id)
        yield event
        if not open_jobs:
            return
