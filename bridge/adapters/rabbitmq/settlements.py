"""Which acks and nacks settle a channel's deliveries: bookkeeping without a broker."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import takewhile

from bridge.ports import Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementFrame:
    """A basic.ack, or a basic.nack that does not requeue."""

    tag: int
    settlement: Settlement
    multiple: bool = False
    """Speaks of every delivery up to this tag that is not settled (AMQP 0-9-1, basic.ack)."""


class Unsettled:
    """The deliveries of one channel that were not settled yet, by their tags."""

    def __init__(self) -> None:
        self._tags: dict[int, None] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._tags)

    def delivered(self, tag: int) -> None:
        """A delivery came; tags rise (AMQP 0-9-1, delivery-tag)."""
        self._tags[tag] = None

    def settle(
        self, *, ack: Collection[int], dead_letter: Collection[int]
    ) -> tuple[SettlementFrame, ...]:
        """The frames that settle these deliveries and no others, to be sent in this order.

        A tag that is not unsettled is left out, for the broker closes a channel on which one is
        settled twice. One ack stands for many only where every older delivery is among those to
        be acked, or is settled already.
        """
        refused = sorted(self._tags.keys() & set(dead_letter))
        self._forget(refused)
        accepted = self._tags.keys() & set(ack)
        oldest = list(takewhile(accepted.__contains__, self._tags))
        self._forget(oldest)
        scattered = sorted(accepted.difference(oldest))
        self._forget(scattered)
        return (
            *(SettlementFrame(tag=it, settlement=Settlement.DEAD_LETTER) for it in refused),
            *(
                SettlementFrame(tag=it, settlement=Settlement.ACK, multiple=len(oldest) > 1)
                for it in oldest[-1:]
            ),
            *(SettlementFrame(tag=it, settlement=Settlement.ACK) for it in scattered),
        )

    def _forget(self, tags: Collection[int]) -> None:
        for tag in tags:
            del self._tags[tag]
