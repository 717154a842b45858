"""Which published message a confirm speaks of: bookkeeping without a broker."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Confirmation(StrEnum):
    """What is known of a message that was to be published."""

    CONFIRMED = "confirmed"
    """The broker has taken charge of it: every durable queue it went to has it on disk."""
    UNROUTABLE = "unroutable"
    """The broker has seen it, and no queue is bound that takes it."""
    REFUSED = "refused"
    """It is in no queue for sure, or not in every one it was to go to."""
    UNKNOWN = "unknown"
    """No answer came: it may or may not have arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a returned message can be known by: basic.return bears no delivery tag."""

    exchange: str
    routing_key: str
    message_id: str


class ConfirmTracker(Generic[Item]):
    """The messages of one channel in confirm mode that wait for their answer.

    The broker numbers a channel's messages from 1 in the order of publishing; a basic.return comes
    before the same message's basic.ack (RabbitMQ: Publisher Confirms).
    """

    def __init__(self) -> None:
        self._last_tag = 0
        self._waiting: OrderedDict[int, tuple[Item, Route]] = OrderedDict()
        self._not_returned: dict[Route, list[int]] = {}
        self._returned: set[int] = set()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def published(self, item: Item, route: Route) -> int:
        """A message went out; answers its delivery tag."""
        self._last_tag += 1
        self._waiting[self._last_tag] = (item, route)
        self._not_returned.setdefault(route, []).append(self._last_tag)
        return self._last_tag

    def returned(self, route: Route) -> None:
        """A message came back: the oldest that is alike and has not come back yet."""
        if tags := self._not_returned.get(route):
            self._returned.add(tags.pop(0))

    def answered(
        self, tag: int, *, multiple: bool, is_ack: bool
    ) -> tuple[tuple[Item, Confirmation], ...]:
        """The messages that a basic.ack or basic.nack speaks of, oldest first.

        With `multiple`, these are all up to and including the tag; tag 0 then means all (AMQP
        0-9-1, basic.ack). A tag that does not wait is nothing.
        """
        return tuple(self._settle(it, is_ack=is_ack) for it in self._tags(tag, multiple=multiple))

    def lost(self) -> tuple[Item, ...]:
        """The channel is gone: what will never be answered. Tags begin anew at 1."""
        items = tuple(item for item, _ in self._waiting.values())
        self._last_tag = 0
        self._waiting.clear()
        self._not_returned.clear()
        self._returned.clear()
        return items

    def _tags(self, tag: int, *, multiple: bool) -> list[int]:
        if not multiple:
            return [tag] if tag in self._waiting else []
        tags = []
        for waiting in self._waiting:
            if tag and waiting > tag:
                break
            tags.append(waiting)
        return tags

    def _settle(self, tag: int, *, is_ack: bool) -> tuple[Item, Confirmation]:
        item, route = self._waiting.pop(tag)
        was_returned = tag in self._returned
        self._returned.discard(tag)
        alike = self._not_returned[route]
        if not was_returned:
            alike.remove(tag)
        if not alike:
            self._forget(route)
        if not is_ack:
            return item, Confirmation.REFUSED
        return item, Confirmation.UNROUTABLE if was_returned else Confirmation.CONFIRMED

    def _forget(self, route: Route) -> None:
        # Others that are alike may have been returned and wait for their ack.
        if not any(self._waiting[it][1] == route for it in self._returned):
            del self._not_returned[route]
