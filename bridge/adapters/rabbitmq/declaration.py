"""Declares a topology over a connection, one object after the other."""

from collections.abc import Callable

from pika.channel import Channel
from pika.connection import Connection
from pika.exceptions import ChannelClosedByBroker

from bridge.adapters.rabbitmq.topology import Binding, Exchange, Queue, Topology

_ACCESS_REFUSED = 403
_NOT_FOUND = 404
_PRECONDITION_FAILED = 406
_MOST_LOOKS = 150
"""For a queue that RabbitMQ has not got back yet: with the pauses, half a minute."""


class Declaration:
    """Declares what is missing, idempotently; what the broker refuses is told in words.

    The broker closes the channel on which it refuses something (AMQP 0-9-1), so declarations have a
    channel of their own, and get a new one after every refusal. What we may not declare is
    looked for instead, which needs no permission. A queue that is not back yet, as streams are not
    for a moment after RabbitMQ has started, is waited for; the broker says 404 of it, "home node of
    durable queue is down or inaccessible". A declaration ends without a word when its connection
    goes.
    """

    def __init__(
        self,
        connection: Connection,
        topology: Topology,
        done: Callable[[tuple[str, ...]], None],
        later: Callable[[Callable[[], None]], object],
    ) -> None:
        """`done` is called once with every problem; `later` calls what it gets after a pause."""
        self._connection = connection
        self._topology = topology
        self._done = done
        self._later = later
        self._looks_left = _MOST_LOOKS
        self._position = 0
        self._refusal: ChannelClosedByBroker | None = None
        """Why the object at hand may not be declared: now we only look whether it is there."""
        self._problems: list[str] = []

    def run(self) -> None:
        """Begin. To be called in the thread that owns the connection."""
        if self._position == len(self._topology):
            self._done(tuple(self._problems))
        else:
            self._connection.channel(on_open_callback=self._opened)

    def _opened(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._closed)
        self._declare_next(channel)

    def _declare_next(self, channel: Channel) -> None:
        if self._position == len(self._topology):
            channel.close()
            return

        def declared(_frame: object) -> None:
            self._advance()
            self._declare_next(channel)

        item, looks = self._topology[self._position], self._refusal is not None
        match item:
            case Exchange():
                channel.exchange_declare(
                    item.name,
                    exchange_type=item.kind,
                    passive=looks,
                    durable=True,
                    callback=declared,
                )
            case Queue():
                channel.queue_declare(
                    item.name,
                    passive=looks,
                    durable=item.durable,
                    exclusive=not item.durable,
                    auto_delete=not item.durable,
                    arguments=dict(item.arguments),
                    callback=declared,
                )
            case Binding():
                channel.queue_bind(
                    item.queue, item.exchange, routing_key=item.routing_key, callback=declared
                )

    def _closed(self, _channel: Channel, reason: Exception) -> None:
        if not self._connection.is_open:
            return
        if isinstance(reason, ChannelClosedByBroker):
            if self._is_to_come_back(reason):
                self._looks_left -= 1
                self._later(self._go_on)
                return
            self._refused(reason)
        self.run()

    def _go_on(self) -> None:
        if self._connection.is_open:
            self.run()

    def _is_to_come_back(self, reason: ChannelClosedByBroker) -> bool:
        is_queue = isinstance(self._topology[self._position], Queue)
        is_declared = self._refusal is None
        return is_queue and is_declared and reason.reply_code == _NOT_FOUND and self._looks_left > 0

    def _refused(self, reason: ChannelClosedByBroker) -> None:
        item, first = self._topology[self._position], self._refusal or reason
        if (
            reason.reply_code == _ACCESS_REFUSED
            and self._refusal is None
            and not isinstance(item, Binding)
        ):
            self._refusal = reason
        elif reason.reply_code == _PRECONDITION_FAILED and getattr(item, "as_it_is", False):
            self._advance()
        else:
            self._problems.append(problem_words(item, first.reply_code, first.reply_text))
            self._advance()

    def _advance(self) -> None:
        self._position += 1
        self._refusal = None


def problem_words(item: Exchange | Queue | Binding, code: int, text: str) -> str:
    """What is wrong with an object that the broker refused, and what becomes of it."""
    if code == _PRECONDITION_FAILED:
        why = "exists, but is not what we expect; it is used as it is until somebody deletes it"
    elif code == _ACCESS_REFUSED:
        why = "is not there, and our user may not declare it"
    else:
        why = "cannot be declared"
    return f"{item} {why}. The broker says: {code} {text}"
