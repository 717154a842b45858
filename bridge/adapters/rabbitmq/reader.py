"""Reads a queue: deliveries out, settlements in, over one connection after the other."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Self

import structlog
from pika.channel import Channel

from bridge.adapters.rabbitmq.connection import ConnectionThread
from bridge.adapters.rabbitmq.settlements import Unsettled
from bridge.adapters.rabbitmq.topology import Topology
from bridge.core.settings import BrokerSettings
from bridge.ports import Delivery, Settlement

log = structlog.get_logger()

_CLOSE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A queue to read, and what must be there for it."""

    queue: str
    topology: Topology
    arguments: Callable[[], Mapping[str, object]] = dict
    """What the consumer says of itself; asked anew whenever it begins."""


class QueueReader:
    """Takes what a queue holds, at most `prefetch` deliveries ahead of their settlement.

    Fulfils ports.DeliverySource. Threads may share it.
    """

    def __init__(
        self, settings: BrokerSettings, subscribe: Callable[[], Subscription], *, name: str
    ) -> None:
        """`subscribe` is asked anew for every channel: a queue may end with its connection."""
        self._subscribe = subscribe
        self._subscription = subscribe()
        self._prefetch = settings.prefetch
        self._arrivals = threading.Condition()
        self._arrived: deque[Delivery] = deque()
        self._is_closed = False
        self._consuming = threading.Event()
        self._is_paused = False
        self._channel: Channel | None = None
        self._number = 0
        self._consumer_tag: str | None = None
        self._unsettled = Unsettled()
        self._thread = ConnectionThread(settings, self, name=name)

    def start(self) -> None:
        """Begin to connect and to consume; does not wait."""
        self._thread.start()

    def close(self, timeout: timedelta = _CLOSE) -> None:
        """Stop consuming, let settlements out, close the connection, end the thread."""
        self._thread.close(timeout)
        with self._arrivals:
            self._is_closed = True
            self._arrived.clear()
            self._arrivals.notify_all()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_until_consuming(self, timeout: timedelta) -> bool:
        """Whether the broker delivers to us, by then at the latest."""
        return self._consuming.wait(timeout.total_seconds())

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the broker as we see it, in words; empty when all is well."""
        failure = self._thread.failure
        return (*((failure.words,) if failure else ()), *self._thread.problems)

    def take(self, limit: int, *, timeout: timedelta) -> tuple[Delivery, ...]:
        """Up to `limit` deliveries; waits until there is one or the time is over."""
        with self._arrivals:
            self._arrivals.wait_for(
                lambda: self._arrived or self._is_closed, timeout.total_seconds()
            )
            return tuple(self._arrived.popleft() for _ in range(min(limit, len(self._arrived))))

    def settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """Settle deliveries; those of a connection that is gone come again and are left alone."""
        self._thread.call(partial(self._settle, tuple(settlements)))

    def hold(self, *, paused: bool) -> None:
        """Stop or resume consuming, over reconnects too.

        What was delivered before is still to be taken; what is on its way goes back to the queue.
        """
        self._thread.call(partial(self._hold, paused=paused))

    def topology(self) -> Topology:
        """What must be there; see tenant.Tenant."""
        if self._channel is None:
            self._subscription = self._subscribe()
        return self._subscription.topology

    def opened(self, channel: Channel, number: int) -> None:
        """Consume on a new channel; see tenant.Tenant."""
        self._channel, self._number = channel, number
        self._unsettled = Unsettled()
        channel.add_on_cancel_callback(self._cancelled_by_broker)
        channel.basic_qos(prefetch_count=self._prefetch, callback=lambda _frame: None)
        self._consume(number)

    def lost(self) -> None:
        """What was not settled comes again; see tenant.Tenant."""
        self._channel = self._consumer_tag = None
        self._consuming.clear()
        with self._arrivals:
            self._arrived.clear()

    def blocked(self, reason: str | None) -> None:
        """The broker blocks only who publishes; see tenant.Tenant."""

    def leave(self, done: Callable[[], None]) -> None:
        """Settlements went out in the order they came, before this; see tenant.Tenant."""
        self._hold(paused=True)
        done()

    def _consume(self, number: int) -> None:
        channel = self._channel
        if channel is None or not channel.is_open or number != self._number:
            return
        if self._is_paused or self._consumer_tag is not None:
            return
        self._consumer_tag = channel.basic_consume(
            self._subscription.queue,
            self._delivered,
            arguments=dict(self._subscription.arguments()),
            callback=self._consumes,
        )

    def _consumes(self, _frame: object) -> None:
        if self._consumer_tag is None:  # held meanwhile
            return
        log.info("consuming", queue=self._subscription.queue)
        self._consuming.set()

    def _hold(self, *, paused: bool) -> None:
        self._is_paused = paused
        if not paused:
            self._consume(self._number)
        elif self._consumer_tag is not None and self._channel is not None:
            tag, self._consumer_tag = self._consumer_tag, None
            self._consuming.clear()
            if self._channel.is_open:
                self._channel.basic_cancel(tag, callback=lambda _frame: None)

    def _cancelled_by_broker(self, _frame: object) -> None:
        log.warning("consumer_cancelled_by_broker", queue=self._subscription.queue)
        self._consumer_tag = None
        self._consuming.clear()
        self._thread.redeclare(partial(self._consume, self._number))

    def _delivered(
        self, _channel: Channel, method: object, properties: object, body: bytes
    ) -> None:
        delivery = read_delivery(method, properties, body, connection=self._number)
        self._unsettled.delivered(delivery.delivery_tag)
        with self._arrivals:
            self._arrived.append(delivery)
            self._arrivals.notify()

    def _settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            return
        tags: dict[Settlement, list[int]] = {it: [] for it in Settlement}
        for delivery, settlement in settlements:
            if delivery.connection == self._number:
                tags[settlement].append(delivery.delivery_tag)
        for frame in self._unsettled.settle(
            ack=tags[Settlement.ACK], dead_letter=tags[Settlement.DEAD_LETTER]
        ):
            if frame.settlement is Settlement.ACK:
                channel.basic_ack(frame.tag, multiple=frame.multiple)
            else:
                channel.basic_nack(frame.tag, multiple=frame.multiple, requeue=False)


def read_delivery(method: object, properties: object, body: bytes, *, connection: int) -> Delivery:
    """A delivery from pika's objects; `connection` is the number of the channel it came on."""
    headers: Mapping[str, object] = getattr(properties, "headers", None) or {}
    offset = headers.get("x-stream-offset")
    return Delivery(
        body=body,
        message_id=_text(properties, "message_id"),
        redelivered=bool(getattr(method, "redelivered", False)),
        connection=connection,
        delivery_tag=int(getattr(method, "delivery_tag", 0)),
        reply_to=_text(properties, "reply_to"),
        correlation_id=_text(properties, "correlation_id"),
        offset=offset if isinstance(offset, int) else None,
    )


def _text(properties: object, name: str) -> str | None:
    value = getattr(properties, name, None)
    return None if value is None else str(value)
