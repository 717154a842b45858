"""The exchanges, queues and bindings that we need, as data."""

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.core.settings import EVERYBODY, BrokerSettings

DELIVERY_LIMIT = 1_000_000
"""How often a quorum queue may hand out a message before it dead-letters it.

RabbitMQ 4.0 takes 20 if nothing is said, and a daemon that fails in a loop would lose jobs. -1 for
"no limit" is known since 4.0 only: 3.x reads it as 0 (RabbitMQ pull request 12250), and would
dead-letter at the first redelivery.
"""

MOST_QUESTIONS = 1_000
"""How many questions wait for a site's bridge; of more, the oldest are dropped."""
MOST_QUESTION_BYTES = 4 * 1024 * 1024
QUESTION_LIFE_MS = 30_000
"""Who asked has given up by then."""

_MIB = 1024 * 1024
_SEGMENT = 50 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str
    """"direct" or "topic"."""

    def __str__(self) -> str:
        return f"exchange {self.name!r} ({self.kind}, durable)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue: durable, or one that ends with its connection."""

    name: str
    durable: bool
    arguments: tuple[tuple[str, str | int], ...] = ()
    as_it_is: bool = False
    """One that is there is taken as it is: whoever made it has decided."""

    def __str__(self) -> str:
        kind = "durable" if self.durable else "exclusive, auto-delete"
        arguments = ", ".join(f"{name}={value}" for name, value in self.arguments)
        return f"queue {self.name!r} ({kind}{'; ' if arguments else ''}{arguments})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A queue's interest in what an exchange gets."""

    queue: str
    exchange: str
    routing_key: str

    def __str__(self) -> str:
        return f"binding of {self.queue!r} to {self.exchange!r} by {self.routing_key!r}"


Topology = tuple[Exchange | Queue | Binding, ...]


def exchanges(settings: BrokerSettings) -> Topology:
    """What those need who only publish."""
    return (
        Exchange(name=settings.jobs_exchange, kind="direct"),
        Exchange(name=settings.control_exchange, kind="direct"),
        Exchange(name=settings.events_exchange, kind="topic"),
        Exchange(name=settings.dead_letter_exchange, kind="direct"),
        Exchange(name=settings.questions_exchange, kind="direct"),
        Exchange(name=settings.answers_exchange, kind="direct"),
        Exchange(name=settings.logs_exchange, kind="topic"),
        Exchange(name=settings.presence_exchange, kind="topic"),
    )


def publishing_topology(settings: BrokerSettings) -> Topology:
    """What a bridge needs to tell events: none goes out before the history can keep it.

    For a moment after RabbitMQ has started, it takes connections and has no such stream yet: an
    event would then be returned, or go to other queues alone.
    """
    return (*exchanges(settings), *_history(settings, as_it_is=True))


def site_topology(settings: BrokerSettings, site: str) -> Topology:
    """What a site's bridge needs; the place for dead letters comes before what may need it."""
    dead_letters = settings.dead_letter_queue(site)
    jobs, control = settings.jobs_queue(site), settings.control_queue(site)
    return (
        *exchanges(settings),
        _quorum(dead_letters),
        Binding(queue=dead_letters, exchange=settings.dead_letter_exchange, routing_key=site),
        _with_dead_letters(settings, site, jobs),
        Binding(queue=jobs, exchange=settings.jobs_exchange, routing_key=site),
        _with_dead_letters(settings, site, control),
        Binding(queue=control, exchange=settings.control_exchange, routing_key=site),
        *_history(settings, as_it_is=False),
    )


def history_topology(settings: BrokerSettings) -> Topology:
    """What those need who read the events that were kept."""
    return (
        Exchange(name=settings.events_exchange, kind="topic"),
        *_history(settings, as_it_is=True),
    )


def _history(settings: BrokerSettings, *, as_it_is: bool) -> Topology:
    arguments = (
        ("x-queue-type", "stream"),
        ("x-max-age", f"{max(1, round(settings.history_keep.total_seconds()))}s"),
        ("x-max-length-bytes", settings.history_mib * _MIB),
        # A stream is shortened by whole segments; RabbitMQ's own are of 500 MB.
        ("x-stream-max-segment-size-bytes", min(_SEGMENT, settings.history_mib * _MIB)),
    )
    name = settings.history_queue
    return (
        Queue(name=name, durable=True, arguments=arguments, as_it_is=as_it_is),
        Binding(queue=name, exchange=settings.events_exchange, routing_key="#"),
    )


def events_topology(
    settings: BrokerSettings, *, queue: str, durable: bool, routing_keys: Iterable[str]
) -> Topology:
    """What somebody needs who listens to status events."""
    return (
        Exchange(name=settings.events_exchange, kind="topic"),
        _quorum(queue) if durable else Queue(name=queue, durable=False),
        *(
            Binding(queue=queue, exchange=settings.events_exchange, routing_key=it)
            for it in routing_keys
        ),
    )


def questions_topology(settings: BrokerSettings, site: str, *, queue: str) -> Topology:
    """What a site's bridge needs to be asked: a queue that is there only while the bridge is."""
    bounds = (
        ("x-max-length", MOST_QUESTIONS),
        ("x-max-length-bytes", MOST_QUESTION_BYTES),
        ("x-message-ttl", QUESTION_LIFE_MS),
    )
    exchange = settings.questions_exchange
    return (
        Exchange(name=exchange, kind="direct"),
        Queue(name=queue, durable=False, arguments=bounds),
        Binding(queue=queue, exchange=exchange, routing_key=site),
        Binding(queue=queue, exchange=exchange, routing_key=EVERYBODY),
    )


def passing_topology(exchange: Exchange, *, queue: str, routing_keys: Iterable[str]) -> Topology:
    """What somebody needs who listens to what passes by, such as answers or logs."""
    return (
        exchange,
        Queue(name=queue, durable=False),
        *(Binding(queue=queue, exchange=exchange.name, routing_key=it) for it in routing_keys),
    )


def _with_dead_letters(settings: BrokerSettings, site: str, name: str) -> Queue:
    return _quorum(
        name,
        ("x-dead-letter-exchange", settings.dead_letter_exchange),
        ("x-dead-letter-routing-key", site),
        # At least once asks for reject-publish (RabbitMQ: Quorum Queues, dead lettering).
        ("x-dead-letter-strategy", "at-least-once"),
        ("x-overflow", "reject-publish"),
    )


def _quorum(name: str, *arguments: tuple[str, str | int]) -> Queue:
    fixed = (("x-queue-type", "quorum"), ("x-delivery-limit", DELIVERY_LIMIT))
    return Queue(name=name, durable=True, arguments=(*fixed, *arguments))
