"""Relay: recorded events go out, confirmed by the broker before they count as sent."""

from collections.abc import Sequence

import structlog

from bridge.core.errors import UnavailableError
from bridge.ports import EventSink, Outbox, OutboxEntry

log = structlog.get_logger()


class Relay:
    """Publishes the outbox in the order in which it was written."""

    def __init__(self, *, outbox: Outbox, sink: EventSink, batch: int = 1000) -> None:
        self._outbox = outbox
        self._sink = sink
        self._batch = batch
        self._refused: frozenset[int] = frozenset()
        """Replies that their queues did not take, such as one that is full."""

    def publish_waiting(self) -> int:
        """Publish one batch; how many the broker has confirmed, 0 when nothing waits.

        Raises UnavailableError when the broker takes nothing.
        """
        waiting = self._outbox.unsent(self._batch + len(self._refused))
        if not waiting:
            return 0
        # What one queue does not take must not keep everybody else waiting: it is tried again when
        # nothing else is to be told.
        entries = [it for it in waiting if it.position not in self._refused] or waiting
        confirmed = self._sink.publish([it.message for it in entries])
        sent = [it.position for it, yes in zip(entries, confirmed, strict=True) if yes]
        self._outbox.mark_sent(sent)
        self._remember(entries, confirmed)
        if not sent:
            raise UnavailableError(f"the broker confirmed none of {len(entries)} events")
        return len(sent)

    def _remember(self, entries: Sequence[OutboxEntry], confirmed: Sequence[bool]) -> None:
        told = zip(entries, confirmed, strict=True)
        tried = {it.position for it in entries}
        refused = {it.position for it, yes in told if not yes and it.message.reply_to is not None}
        if refused:
            log.warning("replies_not_taken", count=len(refused))
        self._refused = (self._refused - tried) | refused
