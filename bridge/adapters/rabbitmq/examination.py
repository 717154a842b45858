"""Looks whether the broker can be used as a site's file says, and leaves nothing there."""

import secrets
from collections.abc import Iterator, Sequence

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from bridge.adapters.rabbitmq.failure import explain
from bridge.adapters.rabbitmq.parameters import connection_parameters
from bridge.adapters.rabbitmq.pika_manners import quieten
from bridge.adapters.rabbitmq.topology import Binding, Exchange, Queue, site_topology
from bridge.core.errors import ConfigurationError
from bridge.core.finding import Finding, note, ok, wrong
from bridge.core.settings import BrokerSettings

_NOT_FOUND = 404
_CONNECT = "broker"
_RIGHTS = "broker rights"
_OBJECTS = "broker queues"
_FRONT_ENDS = "front ends"


def examine_broker(
    settings: BrokerSettings, site: str, *, front_ends: Sequence[str] | None = None
) -> Iterator[Finding]:
    """Connect, try every right that the bridge needs, and compare what is there already.

    `front_ends` are queues of their own from which it takes jobs; where they are not None, it also
    sends replies.
    """
    quieten()
    try:
        parameters = connection_parameters(settings, name=f"{settings.namespace} {site} check")
        connection = pika.BlockingConnection(parameters)
    except ConfigurationError as error:
        yield wrong(_CONNECT, str(error), "name a PEM file that can be read")
        return
    except (AMQPError, OSError) as error:
        failure = explain(error, settings)
        remedy = (
            "correct broker.user, the password or broker.virtual_host, or have them made"
            if failure.lasting
            else "is RabbitMQ running there, and is broker.host, broker.port and broker.tls right?"
        )
        yield wrong(_CONNECT, failure.words, remedy)
        return
    try:
        yield ok(
            _CONNECT,
            f"{settings.host}:{settings.port}, virtual host {settings.virtual_host!r}, "
            f"as {settings.user!r}",
        )
        yield _rights(connection, settings)
        yield from _objects(connection, settings, site)
        if front_ends is not None:
            yield _replies(connection, settings)
            yield from _queues_of_front_ends(connection, front_ends)
    except (AMQPError, OSError) as error:
        yield wrong(_CONNECT, explain(error, settings).words, "look into RabbitMQ's log")
    finally:
        if connection.is_open:
            connection.close()


def _rights(connection: pika.BlockingConnection, settings: BrokerSettings) -> Finding:
    """Make, use and remove an exchange and a queue that are gone with this connection."""
    name = f"{settings.namespace}.check-{secrets.token_hex(8)}"
    try:
        channel = connection.channel()
        channel.exchange_declare(name, exchange_type="direct", auto_delete=True)
        channel.queue_declare(name, exclusive=True, auto_delete=True)
        channel.queue_bind(name, name, routing_key="check")
        channel.confirm_delivery()
        channel.basic_publish(name, "check", b"")
        channel.basic_get(name, auto_ack=True)
        channel.queue_delete(name)
        channel.exchange_delete(name)
        channel.close()
    except ChannelClosedByBroker as error:
        return wrong(
            _RIGHTS,
            f"{error.reply_code} {error.reply_text}",
            f"rabbitmqctl set_permissions -p {settings.virtual_host} {settings.user} "
            f"'^{settings.namespace}\\.' '^{settings.namespace}\\.' '^{settings.namespace}\\.'",
        )
    return ok(_RIGHTS, f"may configure, write and read {settings.namespace}.*")


def _objects(
    connection: pika.BlockingConnection, settings: BrokerSettings, site: str
) -> Iterator[Finding]:
    """Compare what is there with what the bridge would make; what is missing stays so."""
    missing, other = [], []
    for item in site_topology(settings, site):
        if isinstance(item, Binding):
            continue
        try:
            _declare(connection.channel(), item, only_look=True)
        except ChannelClosedByBroker as error:
            if error.reply_code == _NOT_FOUND:
                missing.append(item.name)
            else:
                other.append(f"{item.name}: {error.reply_code} {error.reply_text}")
            continue
        try:
            _declare(connection.channel(), item, only_look=False)
        except ChannelClosedByBroker as error:
            other.append(f"{item}: {error.reply_code} {error.reply_text}")
    for words in other:
        yield wrong(_OBJECTS, words, "delete it when nobody needs what is in it, or allow it")
    if missing:
        yield note(_OBJECTS, f"not there yet: {', '.join(missing)}; the bridge makes them")
    elif not other:
        yield ok(_OBJECTS, f"all are there, {settings.jobs_queue(site)} too")


def _replies(connection: pika.BlockingConnection, settings: BrokerSettings) -> Finding:
    """Replies go through the default exchange, a right of its own (RabbitMQ: Access Control)."""
    name = f"{settings.namespace}.check-{secrets.token_hex(8)}"
    try:
        channel = connection.channel()
        channel.queue_declare(name, exclusive=True, auto_delete=True)
        channel.confirm_delivery()
        channel.basic_publish("", name, b"")
        channel.queue_delete(name)
        channel.close()
    except ChannelClosedByBroker as error:
        return wrong(
            _FRONT_ENDS,
            f"replies cannot be sent: {error.reply_code} {error.reply_text}",
            f"let {settings.user} write to amq\\.default: see docs/mlexchange.md",
        )
    return ok(_FRONT_ENDS, "replies can be sent")


def _queues_of_front_ends(
    connection: pika.BlockingConnection, names: Sequence[str]
) -> Iterator[Finding]:
    for name in names:
        queue = Queue(name=name, durable=True)
        try:
            _declare(connection.channel(), queue, only_look=True)
        except ChannelClosedByBroker as error:
            if error.reply_code == _NOT_FOUND:
                yield note(_FRONT_ENDS, f"{name} is not there yet; the bridge makes it")
            else:
                words = f"{name}: {error.reply_code} {error.reply_text}"
                yield wrong(_FRONT_ENDS, words, "let the bridge's user read and configure it")
            continue
        try:
            _declare(connection.channel(), queue, only_look=False)
        except ChannelClosedByBroker as error:
            words = f"{name} is used as it is: {error.reply_code} {error.reply_text}"
            yield note(_FRONT_ENDS, words)
        else:
            yield ok(_FRONT_ENDS, f"{name} is there")


def _declare(channel: BlockingChannel, item: Exchange | Queue, *, only_look: bool) -> None:
    if isinstance(item, Exchange):
        channel.exchange_declare(
            item.name, exchange_type=item.kind, passive=only_look, durable=True
        )
    else:
        channel.queue_declare(
            item.name, passive=only_look, durable=True, arguments=dict(item.arguments)
        )
    channel.close()
