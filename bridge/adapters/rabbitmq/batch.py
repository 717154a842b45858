"""Messages that are published together."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.adapters.rabbitmq.confirms import Confirmation


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to be published."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    content_type: str
    mandatory: bool = True
    """Whether a message that no queue takes comes back; without, it counts as confirmed."""
    durable: bool = True
    """Whether it survives a broker's restart in a durable queue."""
    reply_to: str | None = None
    correlation_id: str | None = None


class Batch:
    """What one call of `send` waits for. Written by the connection's thread alone."""

    def __init__(self, messages: Sequence[Outgoing]) -> None:
        self.messages = messages
        self.answers: list[Confirmation | None] = [None] * len(messages)
        self.published = 0
        """How many went out."""
        self.answered = 0
        self.done = threading.Event()
        if not messages:
            self.done.set()

    def answer(self, index: int, confirmation: Confirmation) -> None:
        """What became of a message."""
        if self.done.is_set():  # given up meanwhile
            return
        self.answers[index] = confirmation
        self.answered += 1
        if self.answered == len(self.messages):
            self.done.set()

    def give_up(self) -> None:
        """No more answers: what is open is not known."""
        self.done.set()

    def confirmations(self) -> tuple[Confirmation, ...]:
        """What became of each message. To be called when `done`."""
        return tuple(it or Confirmation.UNKNOWN for it in self.answers)
