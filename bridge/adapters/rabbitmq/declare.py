"""Declares a site's topology, for those who set a broker up."""

import threading
from collections.abc import Callable
from datetime import timedelta

from pika.channel import Channel

from bridge.adapters.rabbitmq.connection import ConnectionThread
from bridge.adapters.rabbitmq.topology import Topology, site_topology
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings

_CLOSE = timedelta(seconds=5)


class _Guest:
    """A tenant that only wants the topology to be there."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self.arrived = threading.Event()

    def topology(self) -> Topology:
        return self._topology

    def opened(self, channel: Channel, number: int) -> None:
        del channel, number
        self.arrived.set()

    def lost(self) -> None:
        pass

    def blocked(self, reason: str | None) -> None:
        pass

    def leave(self, done: Callable[[], None]) -> None:
        done()


def declare_topology(
    settings: BrokerSettings, site: str, *, timeout: timedelta = timedelta(seconds=20)
) -> tuple[str, ...]:
    """Declare everything that a site's bridge needs; answers every problem, in words.

    Raises UnavailableError when the broker could not be reached in time.
    """
    guest = _Guest(site_topology(settings, site))
    thread = ConnectionThread(settings, guest, name=f"{settings.namespace} {site} set-up")
    thread.start()
    try:
        if guest.arrived.wait(timeout.total_seconds()):
            return thread.problems
        failure = thread.failure
        why = failure.words if failure else "no answer in time"
        raise UnavailableError(f"not connected to the broker: {why}")
    finally:
        thread.close(_CLOSE)
