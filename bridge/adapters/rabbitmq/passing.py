"""Listens to what passes by, such as answers and logs: what is not heard at once is lost."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Self
from uuid import uuid4

from bridge.adapters.rabbitmq.listening import Listening
from bridge.adapters.rabbitmq.reader import QueueReader, Subscription
from bridge.adapters.rabbitmq.topology import Exchange, passing_topology
from bridge.core.settings import BrokerSettings
from bridge.ports import Delivery, Settlement


class PassingListener(Listening):
    """Reads a queue of its own, which ends with its connection."""

    def __init__(
        self,
        settings: BrokerSettings,
        exchange: Exchange,
        routing_keys: Callable[[str], Iterable[str]],
        *,
        name: str,
    ) -> None:
        """`routing_keys` says what is wanted, from the queue's name, which is new each time."""
        self._queue = ""

        def subscribe() -> Subscription:
            self._queue = f"{exchange.name}.{uuid4().hex}"
            topology = passing_topology(
                exchange, queue=self._queue, routing_keys=routing_keys(self._queue)
            )
            return Subscription(queue=self._queue, topology=topology)

        super().__init__(QueueReader(settings, subscribe, name=name))

    @classmethod
    def of_answers(cls, settings: BrokerSettings) -> Self:
        """Answers to questions that bear `queue` as `reply_to`."""
        exchange = Exchange(name=settings.answers_exchange, kind="direct")
        return cls(settings, exchange, lambda it: [it], name=f"{settings.namespace} answers")

    @classmethod
    def of_logs(cls, settings: BrokerSettings, routing_key: str) -> Self:
        """What followed jobs write."""
        exchange = Exchange(name=settings.logs_exchange, kind="topic")
        return cls(settings, exchange, lambda _: [routing_key], name=f"{settings.namespace} logs")

    @classmethod
    def of_presence(cls, settings: BrokerSettings) -> Self:
        """What bridges say of themselves."""
        exchange = Exchange(name=settings.presence_exchange, kind="topic")
        name = f"{settings.namespace} presence"
        return cls(settings, exchange, lambda _: ["#"], name=name)

    @property
    def queue(self) -> str:
        """What the queue is called now."""
        return self._queue

    def take(self, limit: int, *, timeout: timedelta) -> tuple[Delivery, ...]:
        """Up to `limit` messages; waits until there is one or the time is over."""
        deliveries = self._reader.take(limit, timeout=timeout)
        self._reader.settle([(it, Settlement.ACK) for it in deliveries])
        return deliveries
