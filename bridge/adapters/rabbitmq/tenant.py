"""What a connection's thread needs of those who use the connection."""

from collections.abc import Callable
from typing import Protocol

from pika.channel import Channel

from bridge.adapters.rabbitmq.topology import Topology


class Tenant(Protocol):
    """What lives on a connection. Called in the connection's thread; must never wait."""

    def topology(self) -> Topology:
        """What to declare before the next channel is opened."""
        ...

    def opened(self, channel: Channel, number: int) -> None:
        """A channel is there; numbers rise, over reconnects too."""
        ...

    def lost(self) -> None:
        """The channel is gone, and everything that was under way on it."""
        ...

    def blocked(self, reason: str | None) -> None:
        """The broker stops reading from us for this reason; None: it reads again."""
        ...

    def leave(self, done: Callable[[], None]) -> None:
        """Begin nothing any more, and call `done` when nothing is under way."""
        ...
