"""A job queue, a status exchange and a return channel in memory."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Self

from bridge.core.errors import UnavailableError
from bridge.ports import Delivery, Passing, Reply, Settlement
from bridge.wire.event import Message


class FakeJobsQueue:
    """A DeliverySource whose broker is played by hand. Threads may share it."""

    def __init__(self) -> None:
        self.is_paused = False
        """What `hold` said last."""
        self.acked: list[Delivery] = []
        """What was acked, in that order; a broker would have forgotten it."""
        self.dead_letters: list[Delivery] = []
        """What was refused, in that order."""
        self._changed = threading.Condition()
        self._queue: deque[Delivery] = deque()
        self._unsettled: dict[int, Delivery] = {}
        self._connection = 1
        self._last_tag = 0

    def put(
        self,
        body: bytes,
        *,
        message_id: str | None = None,
        reply_to: str | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """What a front end does: a message joins the queue."""
        delivery = Delivery(
            body=body,
            message_id=message_id,
            redelivered=False,
            connection=0,
            delivery_tag=0,
            reply_to=reply_to,
            correlation_id=correlation_id,
        )
        with self._changed:
            self._queue.append(delivery)
            self._changed.notify_all()

    def reconnect(self) -> None:
        """What a lost connection does: everything unsettled comes again, in its old order."""
        with self._changed:
            again = [replace(it, redelivered=True) for it in self._unsettled.values()]
            self._queue.extendleft(reversed(again))
            self._unsettled.clear()
            self._connection += 1
            self._last_tag = 0
            self._changed.notify_all()

    @property
    def unsettled(self) -> tuple[Delivery, ...]:
        """What was taken on this connection and not settled, oldest first."""
        with self._changed:
            return tuple(self._unsettled.values())

    @property
    def depth(self) -> int:
        """How many wait to be taken."""
        with self._changed:
            return len(self._queue)

    def take(self, limit: int, *, timeout: timedelta) -> tuple[Delivery, ...]:
        """Up to `limit` deliveries; waits until there is one or the time is over."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._queue and not self.is_paused, timeout.total_seconds()
            )
            if self.is_paused:
                return ()
            return tuple(self._deliver() for _ in range(min(limit, len(self._queue))))

    def settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """Settle deliveries; those of a connection that is gone are left alone."""
        with self._changed:
            for delivery, settlement in settlements:
                if delivery.connection != self._connection:
                    continue
                if self._unsettled.pop(delivery.delivery_tag, None) is not None:
                    settled = self.acked if settlement is Settlement.ACK else self.dead_letters
                    settled.append(delivery)

    def hold(self, *, paused: bool) -> None:
        """Stop or resume consuming."""
        with self._changed:
            self.is_paused = paused
            self._changed.notify_all()

    def _deliver(self) -> Delivery:
        self._last_tag += 1
        delivery = replace(
            self._queue.popleft(), connection=self._connection, delivery_tag=self._last_tag
        )
        self._unsettled[self._last_tag] = delivery
        return delivery


class FakeStatusExchange:
    """An EventSink that keeps what it is given."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        """What was confirmed, in that order."""
        self.is_available = True
        """Whether the broker can be reached; `publish` raises UnavailableError otherwise."""
        self.refused: set[str] = set()
        """The ids of events that the broker does not confirm."""

    def publish(self, messages: Sequence[Message]) -> tuple[bool, ...]:
        """Publish in order; for each whether it was confirmed."""
        if not self.is_available:
            raise UnavailableError("the broker does not answer")
        answers = tuple(it.event_id not in self.refused for it in messages)
        self.published += [it for it, told in zip(messages, answers, strict=True) if told]
        return answers


class FakeReturnChannel:
    """A ReturnChannel that keeps what it is given."""

    def __init__(self) -> None:
        self.answers: list[Reply] = []
        """What was answered, in that order."""
        self.logs: list[Passing] = []
        """What was told of followed jobs' output."""
        self.presence: list[Passing] = []
        """How often, and how, this bridge said that it is there."""
        self.is_available = True
        """Whether the broker can be reached; every method raises UnavailableError otherwise."""

    def answer(self, replies: Sequence[Reply]) -> None:
        """Send answers."""
        self._reach()
        self.answers += replies

    def tell_logs(self, messages: Sequence[Passing]) -> None:
        """Tell what followed jobs have written."""
        self._reach()
        self.logs += messages

    def tell_presence(self, message: Passing) -> None:
        """Tell that this bridge is there."""
        self._reach()
        self.presence.append(message)

    def _reach(self) -> None:
        if not self.is_available:
            raise UnavailableError("the broker does not answer")


class FakeHistory:
    """A stream of status events and its reader, both played by hand. Threads may share it."""

    def __init__(self) -> None:
        self.read = 0
        """How many messages were dealt with."""
        self._changed = threading.Condition()
        self._bodies: list[bytes] = []
        self._taken = 0

    def put(self, *bodies: bytes) -> None:
        """What bridges do: events join the stream."""
        with self._changed:
            self._bodies += bodies
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin_at(self, offset: int) -> Self:
        """Read from this message on."""
        with self._changed:
            self._taken = self.read = offset
            return self

    def take(self, limit: int, *, timeout: timedelta) -> tuple[Delivery, ...]:
        """Up to `limit` messages that were not taken; waits until there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken < len(self._bodies), timeout.total_seconds())
            first = self._taken
            self._taken = min(len(self._bodies), first + limit)
            return tuple(
                Delivery(
                    body=self._bodies[it],
                    message_id=f"message {it}",
                    redelivered=False,
                    connection=1,
                    delivery_tag=it + 1,
                    offset=it,
                )
                for it in range(first, self._taken)
            )

    def done(self, deliveries: Sequence[Delivery]) -> None:
        """These were dealt with."""
        with self._changed:
            self.read += len(deliveries)
            self._changed.notify_all()

    def wait_until_read(self, count: int, timeout: timedelta) -> bool:
        """Whether so many messages were dealt with, by then at the latest."""
        with self._changed:
            return self._changed.wait_for(lambda: self.read >= count, timeout.total_seconds())
