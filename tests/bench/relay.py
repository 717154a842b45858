"""From the journal to the broker."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from rabbitmq_management import Management

from bench.amqp import PipelinedPublisher, parameters
from bench.figures import Figure, at_least
from bench.filling import Filling, fill
from bench.proxy import slow_way
from bench.world import World
from bridge.adapters.clock import SystemClock
from bridge.adapters.rabbitmq import Publisher, RabbitEventSink
from bridge.adapters.sqlite_journal import open_journal
from bridge.client import Follower
from bridge.core.settings import BrokerSettings, JournalSettings, SiteSettings
from bridge.flows.relay import Relay
from bridge.wire.event import Message

_PATIENCE = timedelta(seconds=30)
_EVENTS_OF_A_JOB = 4
_ROUND_TRIPS = ((timedelta(0), 5_000), (timedelta(milliseconds=20), 2_000))


def relay(world: World) -> Iterator[Figure]:
    """Events a second, from the recorded event to the confirmed and marked one.

    Raw is bare pika that publishes the same bodies to the same quorum queue, confirms pipelined.
    """
    events = 5_000 if world.quick else 20_000
    with world.bridge() as bridge:
        settings = bridge.settings
        queue = f"{settings.broker.namespace}.bench"
        with Follower(settings.broker, queue=queue) as follower:
            follower.wait_until_listening()
        for round_trip, goal in _ROUND_TRIPS:
            path = bridge.folder / f"relay-{round_trip.microseconds}.sqlite"
            filling = Filling(finished=events // _EVENTS_OF_A_JOB, sent=False)
            fill(path, settings.site, filling)
            messages = _messages(path, events)
            with slow_way(world.testbed.broker.port, round_trip=round_trip) as slow_port:
                port = slow_port if round_trip else world.testbed.broker.port
                ours = _ours(path, settings, replace(settings.broker, port=port))
                where = parameters(world.testbed.broker, port=port)
                exchange = settings.broker.events_exchange
                raw = PipelinedPublisher(where, exchange=exchange, messages=messages).run()
            _check(world, queue, 2 * events)
            yield Figure(
                name=f"relay: {round_trip.microseconds // 1000} ms round trip",
                unit="events/s",
                ours=events / ours,
                raw=events / raw,
                goal=at_least(goal),
                note=f"{events} events to a quorum queue; raw: pika, confirms pipelined",
            )


def _messages(path: Path, count: int) -> list[Message]:
    with open_journal(JournalSettings(path=str(path)), clock=SystemClock()) as journal:
        return [it.message for it in journal.unsent(count)]


def _ours(path: Path, settings: SiteSettings, broker: BrokerSettings) -> float:
    journal_settings = replace(settings.journal, path=str(path))
    with (
        open_journal(journal_settings, clock=SystemClock()) as journal,
        Publisher(broker) as publisher,
    ):
        if not publisher.wait_until_connected(_PATIENCE):
            raise RuntimeError(f"no connection: {publisher.problems}")
        verb = Relay(outbox=journal, sink=RabbitEventSink(broker, publisher))
        began = time.perf_counter()
        while verb.publish_waiting():
            pass
        return time.perf_counter() - began


def _check(world: World, queue: str, count: int) -> None:
    """The queue has got all of it; then it is emptied."""
    management = Management(world.testbed.broker)
    ends = time.monotonic() + _PATIENCE.total_seconds()
    while (messages := management.queue(queue).get("messages", 0)) < count:
        if time.monotonic() > ends:
            raise RuntimeError(f"{count} messages were confirmed, the queue has {messages}")
        time.sleep(0.5)
    management.purge_queue(queue)
