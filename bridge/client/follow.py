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
        return of_job(self.events(quiet=quiet), job_id)


def status_events(
    bodies: Iterable[bytes], *, read: Callable[[bytes], CloudEvent] = decode
) -> Iterator[CloudEvent]:
    """The status events in these messages; what is none is logged and left out."""
    for body in bodies:
        try:
            yield read(body)
        except InvalidRequestError as error:
            log.warning("not_a_status_event", problems=[str(it) for it in error.problems])


def of_job(events: Iterable[CloudEvent], job_id: str) -> Iterator[CloudEvent]:
    """The events of one job, up to its last one.

    A `rejected` is the last one only where nothing of the job came before: later it speaks of
    another message that bears the same id, and the job lives on.
    """
    is_known = False
    for event in events:
        if event.data.job_id != job_id:
            continue
        yield event
        if event.data.event in _ENDS or (event.data.event is EventKind.REJECTED and not is_known):
            return
        is_known = True
