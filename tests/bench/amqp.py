"""RabbitMQ with bare pika: the raw numbers, and an ear that costs little."""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pika import (
    BasicProperties,
    BlockingConnection,
    ConnectionParameters,
    DeliveryMode,
    PlainCredentials,
    SelectConnection,
)
from pika.channel import Channel
from testbed import Broker

from bridge.wire.event import Message

_IN_FLIGHT = 1_000


def parameters(broker: Broker, *, port: int | None = None) -> ConnectionParameters:
    """Of the testbed's broker, or of a proxy before it."""
    return ConnectionParameters(
        host=broker.host,
        port=port or broker.port,
        virtual_host=broker.vhost,
        credentials=PlainCredentials(broker.user, broker.password),
    )


def persistent(message_id: str) -> BasicProperties:
    return BasicProperties(delivery_mode=DeliveryMode.Persistent.value, message_id=message_id)


class PipelinedPublisher:
    """Publishes with at most a thousand messages unconfirmed: the best that one channel can do."""

    def __init__(
        self, where: ConnectionParameters, *, exchange: str, messages: Sequence[Message]
    ) -> None:
        self._where = where
        self._exchange = exchange
        self._messages = messages
        self._sent = self._confirmed = 0
        self._began = self._ended = 0.0

    def run(self) -> float:
        """Seconds from the first message out to the last confirm in. RuntimeError: it broke off."""
        connection = SelectConnection(
            self._where,
            on_open_callback=lambda it: it.channel(on_open_callback=self._opened),
            on_close_callback=lambda it, _error: it.ioloop.stop(),
            on_open_error_callback=lambda it, _error: it.ioloop.stop(),
        )
        connection.ioloop.start()
        if self._confirmed < len(self._messages):
            raise RuntimeError(f"{self._confirmed} of {len(self._messages)} messages confirmed")
        return self._ended - self._began

    def _opened(self, channel: Channel) -> None:
        def begin(_frame: object) -> None:
            self._began = time.perf_counter()
            self._publish(channel)

        def answered(frame: Any) -> None:
            tag = frame.method.delivery_tag
            self._confirmed = (
                max(self._confirmed, tag) if frame.method.multiple else (self._confirmed + 1)
            )
            self._publish(channel)

        channel.confirm_delivery(answered, callback=begin)

    def _publish(self, channel: Channel) -> None:
        while self._sent < len(self._messages) and self._sent - self._confirmed < _IN_FLIGHT:
            message = self._messages[self._sent]
            channel.basic_publish(
                self._exchange,
                message.routing_key,
                message.body,
                persistent(message.event_id),
                mandatory=True,
            )
            self._sent += 1
        if self._confirmed == len(self._messages):
            self._ended = time.perf_counter()
            channel.connection.close()


def send_unconfirmed(
    broker: Broker, *, exchange: str, routing_key: str, bodies: Iterable[bytes]
) -> None:
    """Everything at once, as a front end in a hurry would."""
    with BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        for body in bodies:
            channel.basic_publish(exchange, routing_key, body, persistent(""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message at its consumer."""

    at: float
    """Seconds since the epoch."""
    routing_key: str
    body: bytes


class Ear:
    """Notes when each event arrives; does nothing else, since it shares the machine."""

    def __init__(self, broker: Broker, *, exchange: str) -> None:
        self.arrivals: list[Arrival] = []
        self._exchange = exchange
        self._connection = BlockingConnection(parameters(broker))
        self._thread = threading.Thread(target=self._listen, name="ear")

    def __enter__(self) -> Self:
        channel = self._connection.channel()
        channel.exchange_declare(self._exchange, "topic", durable=True)
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, self._exchange, "#")
        channel.basic_consume(queue, self._note, auto_ack=True)
        self._channel = channel
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.add_callback_threadsafe(self._channel.stop_consuming)
        self._thread.join()
        self._connection.close()

    def count(self, event: str) -> int:
        """How many events of this kind have come."""
        return sum(it.routing_key.endswith(f".{event}") for it in self.arrivals)

    def wait_for(self, event: str, count: int, *, seconds: float) -> None:
        """Wait until so many events of this kind have come. TimeoutError."""
        ends = time.monotonic() + seconds
        while (come := self.count(event)) < count:
            if time.monotonic() > ends:
                raise TimeoutError(f"{come} of {count} events {event!r} within {seconds} s")
            time.sleep(0.1)

    def _listen(self) -> None:
        self._channel.start_consuming()

    def _note(self, _channel: object, method: Any, _properties: object, body: bytes) -> None:
        self.arrivals.append(Arrival(at=time.time(), routing_key=method.routing_key, body=body))
