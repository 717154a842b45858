"""Publishes with confirms: pipelined, bounded, and honest about what is not known."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Self

import structlog
from pika import BasicProperties, DeliveryMode
from pika.channel import Channel
from pika.exceptions import ShortStringTooLong
from pika.spec import Basic

from bridge.adapters.rabbitmq.batch import Batch, Outgoing
from bridge.adapters.rabbitmq.confirms import Confirmation, ConfirmTracker, Route
from bridge.adapters.rabbitmq.connection import ConnectionThread
from bridge.adapters.rabbitmq.failure import LONGEST_RETRY
from bridge.adapters.rabbitmq.topology import Topology, exchanges
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings

log = structlog.get_logger()

_MOST_IN_FLIGHT = 1_000
_CLOSE = timedelta(seconds=5)
_CONNECT_PATIENCE = timedelta(seconds=5)
_CONFIRM_PATIENCE = timedelta(seconds=30)
_THREAD_PATIENCE = timedelta(seconds=10)


class Publisher:
    """Sends messages over a connection in confirm mode. Threads may share it."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        name: str | None = None,
        topology: Topology | None = None,
        connect_patience: timedelta = _CONNECT_PATIENCE,
        confirm_patience: timedelta = _CONFIRM_PATIENCE,
        longest_retry: timedelta = LONGEST_RETRY,
    ) -> None:
        """`topology`: what has to be there before anything goes out, the exchanges if None;
        `connect_patience`: how long `send` waits for a connection; `confirm_patience`: for how
        long it bears that no answer comes at all, a blocked connection included;
        `longest_retry`: the longest pause between two tries to connect.
        """
        self._topology = exchanges(settings) if topology is None else topology
        self._connect_patience = connect_patience
        self._confirm_patience = confirm_patience
        self._ready = threading.Event()
        self._blocked: str | None = None
        self._channel: Channel | None = None
        self._tracker: ConfirmTracker[tuple[Batch, int]] = ConfirmTracker()
        self._backlog: deque[tuple[Batch, int]] = deque()
        self._left: Callable[[], None] | None = None
        name = name or f"{settings.namespace} publisher"
        self._thread = ConnectionThread(settings, self, name=name, longest_retry=longest_retry)

    def start(self) -> None:
        """Begin to connect; does not wait."""
        self._thread.start()

    def close(self, timeout: timedelta = _CLOSE) -> None:
        """Wait for confirms that are due, close the connection, end the thread."""
        self._thread.close(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_until_connected(self, timeout: timedelta) -> bool:
        """Whether messages can go out, by then at the latest."""
        return self._ready.wait(timeout.total_seconds())

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the broker as we see it, in words; empty when all is well."""
        failure = self._thread.failure
        blocked = () if self._blocked is None else (_blocked_words(self._blocked),)
        return (*((failure.words,) if failure else ()), *blocked, *self._thread.problems)

    def send(self, messages: Sequence[Outgoing]) -> tuple[Confirmation, ...]:
        """Publish in order, pipelined, and wait; for each message what became of it.

        Raises UnavailableError when nothing went out, for there is no connection or the broker
        blocks it. What went out without an answer is UNKNOWN.
        """
        if not self.wait_until_connected(self._connect_patience):
            raise UnavailableError(f"not connected to the broker: {self._why()}")
        batch = Batch(tuple(messages))
        if not self._thread.call(partial(self._accept, batch)):
            raise UnavailableError("the publisher is closed")
        self._await(batch)
        if messages and not batch.published:
            raise UnavailableError(f"nothing was published: {self._why()}")
        return batch.confirmations()

    def _await(self, batch: Batch) -> None:
        seen = 0
        while not batch.done.wait(self._confirm_patience.total_seconds()):
            if batch.answered == seen:
                self._thread.call(partial(self._abandon, batch))
                if not batch.done.wait(_THREAD_PATIENCE.total_seconds()):
                    raise UnavailableError("the connection's thread does not answer")
            seen = batch.answered

    def _why(self) -> str:
        return "; ".join(self.problems) or "no answer in time"

    def topology(self) -> Topology:
        """See tenant.Tenant."""
        return self._topology

    def opened(self, channel: Channel, number: int) -> None:
        """Begin to publish once the channel confirms; see tenant.Tenant."""
        del number  # no answer outlives its channel
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(self._answered, callback=partial(self._confirms, channel))

    def lost(self) -> None:
        """Nothing that waits is answered any more; see tenant.Tenant."""
        self._ready.clear()
        self._channel = self._blocked = None
        for batch, _ in (*self._tracker.lost(), *self._backlog):
            batch.give_up()
        self._backlog.clear()
        self._leave_if_idle()

    def blocked(self, reason: str | None) -> None:
        """Publish no more until the broker reads again; see tenant.Tenant."""
        self._blocked = reason
        self._pump()

    def leave(self, done: Callable[[], None]) -> None:
        """Let confirms come in; see tenant.Tenant."""
        self._ready.clear()
        self._left = done
        self._leave_if_idle()

    def _confirms(self, channel: Channel, _frame: object) -> None:
        self._channel = channel
        self._ready.set()

    def _accept(self, batch: Batch) -> None:
        if self._channel is None or self._left is not None:
            batch.give_up()
            return
        self._backlog.extend((batch, index) for index in range(len(batch.messages)))
        self._pump()

    def _abandon(self, batch: Batch) -> None:
        # What did not go out must not go out later, when the caller may have sent it again.
        self._backlog = deque(it for it in self._backlog if it[0] is not batch)
        batch.give_up()

    def _pump(self) -> None:
        while (
            self._backlog
            and self._blocked is None
            and len(self._tracker) < _MOST_IN_FLIGHT
            and self._channel is not None
            and self._channel.is_open
        ):
            self._publish(self._channel, *self._backlog.popleft())

    def _publish(self, channel: Channel, batch: Batch, index: int) -> None:
        message = batch.messages[index]
        route = Route(
            exchange=message.exchange,
            routing_key=message.routing_key,
            message_id=message.message_id,
        )
        mode = DeliveryMode.Persistent if message.durable else DeliveryMode.Transient
        properties = BasicProperties(
            content_type=message.content_type,
            delivery_mode=mode.value,
            message_id=message.message_id,
            reply_to=message.reply_to,
            correlation_id=message.correlation_id,
        )
        try:
            channel.basic_publish(
                message.exchange,
                message.routing_key,
                message.body,
                properties,
                mandatory=message.mandatory,
            )
        except ShortStringTooLong as error:
            log.warning("not_publishable", message_id=message.message_id, why=repr(error))
            batch.answer(index, Confirmation.REFUSED)
            return
        batch.published += 1
        self._tracker.published((batch, index), route)

    def _returned(
        self,
        _channel: Channel,
        method: Basic.Return,
        properties: BasicProperties,
        _body: bytes,
    ) -> None:
        self._tracker.returned(
            Route(
                exchange=method.exchange,
                routing_key=method.routing_key,
                message_id=properties.message_id,
            )
        )

    def _answered(self, frame: object) -> None:
        method: Basic.Ack | Basic.Nack = getattr(frame, "method", None)
        is_ack = isinstance(method, Basic.Ack)
        for (batch, index), confirmation in self._tracker.answered(
            method.delivery_tag, multiple=method.multiple, is_ack=is_ack
        ):
            batch.answer(index, confirmation)
        self._pump()
        self._leave_if_idle()

    def _leave_if_idle(self) -> None:
        if self._left is not None and not self._backlog and not len(self._tracker):
            done, self._left = self._left, None
            done()


def _blocked_words(reason: str) -> str:
    return f"the broker takes no messages for now ({reason or 'it gives no reason'})"
