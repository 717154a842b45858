"""Listens to status events: what a client uses to watch jobs."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from uuid import uuid4

from bridge.adapters.rabbitmq.listening import Listening
from bridge.adapters.rabbitmq.reader import QueueReader, Subscription
from bridge.adapters.rabbitmq.topology import events_topology
from bridge.core.settings import BrokerSettings
from bridge.ports import Settlement

_AT_ONCE = 100
_LOOK_UP = timedelta(seconds=1)


class Listener(Listening):
    """The bodies of the events whose routing keys match.

    With no queue named, the broker keeps one for as long as the connection stands: events of the
    time between two connections are missed. A named queue is durable and misses nothing, but grows
    while nobody listens, and must be deleted by hand.
    """

    def __init__(
        self, settings: BrokerSettings, routing_keys: Iterable[str], *, queue: str | None = None
    ) -> None:
        """Routing keys are `<site>.<event>`; `*` stands for one word, `#` for any number."""
        keys = tuple(routing_keys)

        def subscribe() -> Subscription:
            # A new name each time: the broker may hold on to the old connection, and its queue.
            name = queue or f"{settings.namespace}.watch.{uuid4().hex}"
            topology = events_topology(
                settings, queue=name, durable=queue is not None, routing_keys=keys
            )
            return Subscription(queue=name, topology=topology)

        reader = QueueReader(settings, subscribe, name=f"{settings.namespace} listener")
        super().__init__(reader)
        self._is_closed = False

    def close(self, timeout: timedelta = timedelta(seconds=5)) -> None:
        """Stop listening; an iterator that waits ends."""
        self._is_closed = True
        super().close(timeout)

    def events(self, *, quiet: timedelta | None = None) -> Iterator[bytes]:
        """Event by event, until the listener is closed or nothing came for so long.

        An event is acknowledged when the next one is asked for.
        """
        while not self._is_closed:
            deliveries = self._reader.take(_AT_ONCE, timeout=_LOOK_UP if quiet is None else quiet)
            if not deliveries and quiet is not None:
                return
            for delivery in deliveries:
                yield delivery.body
                self._reader.settle([(delivery, Settlement.ACK)])
