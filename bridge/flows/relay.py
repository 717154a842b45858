"""Relay: recorded events go out, confirmed by the broker before they count as sent."""

import structlog

from bridge.core.errors import UnavailableError
from bridge.ports import EventSink, Outbox

log = structlog.get_logger()


class Relay:
    """Publishes the outbox in the order in which it was written."""

    def __init__(self, *, outbox: Outbox, sink: EventSink, batch: int = 1000) -> None:
        self._outbox = outbox
        self._sink = sink
        self._batch = batch

    def publish_waiting(self) -> int:
        """Publish one batch; how many the broker has confirmed, 0 when nothing waits.

        Raises UnavailableError when the broker takes nothing.
        """
        entries = self._outbox.unsent(self._batch)
        if not entries:
            return 0
        confirmed = self._sink.publish([it.message for it in entries])
        sent = [it.position for it, yes in zip(entries, confirmed, strict=True) if yes]
        self._outbox.mark_sent(sent)
        if not sent:
            raise UnavailableError(f"the broker confirmed none of {len(entries)} events")
        return len(sent)
