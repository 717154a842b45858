"""The status exchange, and the queues of those who wait for a reply."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from bridge.adapters.rabbitmq.batch import Outgoing
from bridge.adapters.rabbitmq.confirms import Confirmation
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings
from bridge.wire.event import CONTENT_TYPE, Message

log = structlog.get_logger()

_QUIET_SECONDS = 600.0
_TOLD = frozenset({Confirmation.CONFIRMED, Confirmation.UNROUTABLE})


class Sender(Protocol):
    """What the sink needs of a Publisher."""

    def send(self, messages: Sequence[Outgoing]) -> tuple[Confirmation, ...]:
        """Publish in order and wait; for each message what became of it."""
        ...


class RabbitEventSink:
    """Fulfils ports.EventSink over Publishers, which it neither starts nor closes."""

    def __init__(
        self,
        settings: BrokerSettings,
        publisher: Sender,
        *,
        replies: Sender | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds from any start.

        `replies` sends replies, where there are any: they go through the default exchange, and the
        broker closes a channel that may not write there, with all that is under way on it.
        """
        self.unroutable = 0
        """How many events nobody was bound to; that is no error, and they count as confirmed."""
        self._exchange = settings.events_exchange
        self._publisher = publisher
        self._replies = replies or publisher
        self._clock = clock
        self._warned_at: float | None = None

    def publish(self, messages: Sequence[Message]) -> tuple[bool, ...]:
        """Publish in order, pipelined; for each whether the broker has confirmed it.

        Raises UnavailableError when the broker cannot be reached: none is known to be confirmed.
        """
        events = iter(self._publish_events([it for it in messages if it.reply_to is None]))
        replies = iter(self._publish_replies([it for it in messages if it.reply_to is not None]))
        return tuple(next(events if it.reply_to is None else replies) for it in messages)

    def _publish_events(self, events: Sequence[Message]) -> list[bool]:
        if not events:
            return []
        confirmations = self._publisher.send([self._event(it) for it in events])
        if set(confirmations) == {Confirmation.UNKNOWN}:
            raise UnavailableError("the broker has confirmed none of the events")
        self._note(confirmations.count(Confirmation.UNROUTABLE))
        return [it in _TOLD for it in confirmations]

    def _publish_replies(self, replies: Sequence[Message]) -> list[bool]:
        """What stands in the way of replies is no reason to keep events."""
        if not replies:
            return []
        try:
            confirmations = self._replies.send([_reply(it) for it in replies])
        except UnavailableError as error:
            log.warning("replies_not_sent", count=len(replies), words=str(error))
            return [False] * len(replies)
        for reply, confirmation in zip(replies, confirmations, strict=True):
            if confirmation is Confirmation.UNROUTABLE:
                log.warning("reply_unroutable", message_id=reply.event_id, queue=reply.reply_to)
        return [it in _TOLD for it in confirmations]

    def _event(self, message: Message) -> Outgoing:
        return Outgoing(
            exchange=self._exchange,
            routing_key=message.routing_key,
            body=message.body,
            message_id=message.event_id,
            content_type=CONTENT_TYPE,
        )

    def _note(self, unroutable: int) -> None:
        if not unroutable:
            return
        self.unroutable += unroutable
        now = self._clock()
        is_due = self._warned_at is None or now - self._warned_at >= _QUIET_SECONDS
        if is_due:
            self._warned_at = now
        tell = log.warning if is_due else log.debug
        tell("event_unroutable", exchange=self._exchange, now=unroutable, total=self.unroutable)


def _reply(message: Message) -> Outgoing:
    return Outgoing(
        # The default exchange takes a message to the queue that its routing key names.
        exchange="",
        routing_key=message.reply_to or "",
        body=message.body,
        message_id=message.event_id,
        content_type="application/json",
        correlation_id=message.correlation_id,
    )
