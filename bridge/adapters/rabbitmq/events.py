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


class Sender(Protocol):
    """What the sink needs of a Publisher."""

    def send(self, messages: Sequence[Outgoing]) -> tuple[Confirmation, ...]:
        """Publish in order and wait; for each message what became of it."""
        ...


class RabbitEventSink:
    """Fulfils ports.EventSink over a Publisher, which it neither starts nor closes."""

    def __init__(
        self,
        settings: BrokerSettings,
        publisher: Sender,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds from any start."""
        self.unroutable = 0
        """How many events nobody was bound to; that is no error, and they count as confirmed."""
        self._exchange = settings.events_exchange
        self._publisher = publisher
        self._clock = clock
        self._warned_at: float | None = None

    def publish(self, messages: Sequence[Message]) -> tuple[bool, ...]:
        """Publish in order, pipelined; for each whether the broker has confirmed it.

        Raises UnavailableError when the broker cannot be reached: none is known to be confirmed.
        """
        confirmations = self._publisher.send([self._outgoing(it) for it in messages])
        if messages and set(confirmations) == {Confirmation.UNKNOWN}:
            raise UnavailableError("the broker has confirmed none of the events")
        self._note(
            [
                it
                for it, yes in zip(messages, confirmations, strict=True)
                if yes is Confirmation.UNROUTABLE
            ]
        )
        told = {Confirmation.CONFIRMED, Confirmation.UNROUTABLE}
        return tuple(it in told for it in confirmations)

    def _outgoing(self, message: Message) -> Outgoing:
        if message.reply_to is not None:
            # By the default exchange, a message goes to the queue that its routing key names.
            return Outgoing(
                exchange="",
                routing_key=message.reply_to,
                body=message.body,
                message_id=message.event_id,
                content_type="application/json",
                correlation_id=message.correlation_id,
            )
        return Outgoing(
            exchange=self._exchange,
            routing_key=message.routing_key,
            body=message.body,
            message_id=message.event_id,
            content_type=CONTENT_TYPE,
        )

    def _note(self, lost: Sequence[Message]) -> None:
        for it in lost:
            if it.reply_to is not None:
                log.warning("reply_unroutable", message_id=it.event_id, queue=it.reply_to)
        unroutable = sum(it.reply_to is None for it in lost)
        if not unroutable:
            return
        self.unroutable += unroutable
        now = self._clock()
        is_due = self._warned_at is None or now - self._warned_at >= _QUIET_SECONDS
        if is_due:
            self._warned_at = now
        tell = log.warning if is_due else log.debug
        tell("event_unroutable", exchange=self._exchange, now=unroutable, total=self.unroutable)
