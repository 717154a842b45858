"""Where somebody is in a stream, and whether it still is that stream: bookkeeping, no broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.ports import Delivery


class Begin(StrEnum):
    """Where to begin in a stream of which nothing was read yet (RabbitMQ: Streams, consuming)."""

    FIRST = "first"
    """With the oldest message that is kept."""
    NEXT = "next"
    """With what comes from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """The last message of a stream that was read."""

    offset: int
    message_id: str | None


class StreamReplacedError(Exception):
    """The stream is not the one that the bookmark was laid into: begin anew."""


class StreamPosition:
    """What was read of a stream, over one connection after the other.

    Somebody may delete a stream and another one begins in its place, with the same numbers for
    other messages. So reading goes on with the last message that was read, which must be the same.
    """

    def __init__(self, begin: Begin | datetime, bookmark: Bookmark | None = None) -> None:
        """`begin` counts where there is no bookmark; a time is that of the broker's arrivals."""
        self.bookmark = bookmark
        self.missed = 0
        """How many messages the stream has dropped before they were read."""
        self._begin = begin
        self.waits_for: Bookmark | None = None
        """What a consumer has asked for and did not get yet.

        In a stream of which it was read there is always that or something newer, for the newest
        messages are never dropped. RabbitMQ delivers nothing that lies before what was asked for.
        """
        self._asked_for: Bookmark | None = None
        self._last: tuple[int, int] | None = None
        """Connection and offset of the last message that came."""

    def arguments(self) -> Mapping[str, object]:
        """Of a consumer that reads on from here."""
        self._asked_for = self.waits_for = self.bookmark
        if self._asked_for is not None:
            return {"x-stream-offset": self._asked_for.offset}
        return {"x-stream-offset": getattr(self._begin, "value", self._begin)}

    def news(self, deliveries: Sequence[Delivery]) -> tuple[Delivery, ...]:
        """Those that were not read before. Raises StreamReplacedError."""
        return tuple(it for it in deliveries if self._is_new(it))

    def read(self, delivery: Delivery) -> None:
        """All up to this one has been dealt with."""
        if delivery.offset is not None:
            self.bookmark = Bookmark(offset=delivery.offset, message_id=delivery.message_id)

    def _is_new(self, delivery: Delivery) -> bool:
        if delivery.offset is None:
            return True
        place = delivery.connection, delivery.offset
        # A consumer's messages rise: another one has begun, maybe on the same connection.
        if self._last is None or place[0] != self._last[0] or place <= self._last:
            self._compare(delivery.offset, delivery.message_id)
        self._last = place
        return self.bookmark is None or delivery.offset > self.bookmark.offset

    def _compare(self, offset: int, message_id: str | None) -> None:
        """Whether a consumer's first delivery is what it has asked for."""
        wanted, self.waits_for = self._asked_for, None
        if wanted is None:
            return
        if offset > wanted.offset:
            self.missed += offset - wanted.offset - 1
        elif offset < wanted.offset or message_id != wanted.message_id:
            raise StreamReplacedError
