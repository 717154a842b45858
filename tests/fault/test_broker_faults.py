"""The broker and the way to it break in every manner that we know of."""

import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Self

import pytest
from broker_messages import SITE, acks, events, hear_all, job_message, send_jobs, take_all
from rabbitmq_management import Management, own_namespace, until
from structlog.testing import capture_logs
from tcp_proxy import TcpProxy
from testbed import Testbed

from bridge.adapters.rabbitmq import (
    Begin,
    Confirmation,
    Consumer,
    HistoryReader,
    Listener,
    Publisher,
    RabbitEventSink,
    publishing_topology,
)
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings

SOON = timedelta(seconds=60)
AFTER_AN_OUTAGE = timedelta(minutes=3)
QUIET = timedelta(seconds=3)
OLD_ENOUGH = timedelta(seconds=8)
"""RabbitMQ 3.10 that is killed just after it has declared a quorum queue finds no leader for it."""

BLOCKED, UNBLOCKED = 60, 61
"""The extension methods of class 10 (RabbitMQ: Blocked Connection Notifications)."""


@pytest.fixture
def settings(testbed: Testbed) -> Iterator[BrokerSettings]:
    with own_namespace(testbed.broker) as it:
        yield it


@pytest.fixture
def management(testbed: Testbed) -> Management:
    return Management(testbed.broker)


@pytest.fixture
def proxy(settings: BrokerSettings) -> Iterator[TcpProxy]:
    with TcpProxy(settings.port) as it:
        yield it


@pytest.fixture
def broker_is_back(testbed: Testbed) -> Iterator[None]:
    yield
    testbed.start("rabbitmq")


def through(proxy: TcpProxy, settings: BrokerSettings) -> BrokerSettings:
    return replace(settings, port=proxy.port, heartbeat=timedelta(seconds=1))


def method_frame(method: int, arguments: bytes = b"") -> bytes:
    """A frame of channel 0 with a method of class `connection` (AMQP 0-9-1, 4.2.3)."""
    payload = struct.pack(">HH", 10, method) + arguments
    return struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce"


class Stream:
    """Sends ten messages at a time, through outages, and notes which are safe at the broker."""

    def __init__(self, send: Callable[[range], set[bytes]]) -> None:
        """`send` sends messages with these numbers; the bodies of those that are safe."""
        self.confirmed: set[bytes] = set()
        self._send = send
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Send no more."""
        self._ends.set()
        self._thread.join()

    def goes_on(self) -> bool:
        """Whether something is confirmed from now on."""
        so_far = len(self.confirmed)
        return until(lambda: len(self.confirmed) > so_far, within=AFTER_AN_OUTAGE)

    def _run(self) -> None:
        first = 0
        while not self._ends.wait(0.005):
            with suppress(UnavailableError):
                self.confirmed |= self._send(range(first, first + 10))
            first += 10


def sending_jobs(publisher: Publisher, settings: BrokerSettings) -> Callable[[range], set[bytes]]:
    """As front ends do."""

    def send(numbers: range) -> set[bytes]:
        messages = [job_message(settings, it) for it in numbers]
        answers = zip(messages, publisher.send(messages), strict=True)
        return {it.body for it, answer in answers if answer is Confirmation.CONFIRMED}

    return send


def telling_events(publisher: Publisher, settings: BrokerSettings) -> Callable[[range], set[bytes]]:
    """As the daemon does."""
    sink = RabbitEventSink(settings, publisher)

    def send(numbers: range) -> set[bytes]:
        messages = events(10, first=numbers[0])
        return {
            it.body for it, is_told in zip(messages, sink.publish(messages), strict=True) if is_told
        }

    return send


class Intake:
    """Takes and acks, as the daemon does, and notes what it saw."""

    def __init__(self, consumer: Consumer) -> None:
        self.seen: set[bytes] = set()
        self._consumer = consumer
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.is_set():
            deliveries = self._consumer.take(50, timeout=timedelta(seconds=0.5))
            self.seen |= {it.body for it in deliveries}
            self._consumer.settle(acks(list(deliveries)))


def stop_and_start(testbed: Testbed) -> None:
    testbed.stop("rabbitmq")
    time.sleep(2)
    testbed.start("rabbitmq")


def kill_and_start(testbed: Testbed) -> None:
    testbed.kill("rabbitmq")
    testbed.start("rabbitmq")


@pytest.mark.usefixtures("broker_is_back")
@pytest.mark.parametrize("outage", [stop_and_start, kill_and_start])
def test_nothing_confirmed_is_lost_over_an_outage_of_the_broker(
    testbed: Testbed, settings: BrokerSettings, outage: Callable[[Testbed], None]
) -> None:
    often = timedelta(seconds=0.2)
    with (
        Consumer(settings, SITE) as consumer,
        Publisher(settings, connect_patience=often) as front_end,
        # It tries so often that it is there before the broker has the history back.
        Publisher(
            settings,
            topology=publishing_topology(settings),
            connect_patience=often,
            longest_retry=timedelta(seconds=0.05),
        ) as bridge,
    ):
        assert consumer.wait_until_consuming(SOON)
        time.sleep(OLD_ENOUGH.total_seconds())
        with (
            Intake(consumer) as intake,
            Stream(sending_jobs(front_end, settings)) as jobs,
            Stream(telling_events(bridge, settings)) as told,
        ):
            assert jobs.goes_on()
            assert told.goes_on()
            outage(testbed)
            assert jobs.goes_on()
            assert told.goes_on()
            jobs.end()
            told.end()
            assert until(lambda: jobs.confirmed <= intake.seen, within=AFTER_AN_OUTAGE)
    kept = set[bytes]()
    with HistoryReader(settings, begin=Begin.FIRST) as history:
        history.listen_within(SOON)
        assert until(lambda: told.confirmed <= read_on(history, kept), within=AFTER_AN_OUTAGE)


def read_on(history: HistoryReader, kept: set[bytes]) -> set[bytes]:
    """What was read of the events that are kept, and some more."""
    deliveries = history.take(1_000, timeout=timedelta(seconds=1))
    history.done(deliveries)
    kept |= {it.body for it in deliveries}
    return kept


@pytest.mark.usefixtures("broker_is_back")
def test_a_bridge_that_starts_before_its_broker_gets_there(
    testbed: Testbed, settings: BrokerSettings
) -> None:
    testbed.stop("rabbitmq")
    with (
        Consumer(settings, SITE) as consumer,
        Publisher(settings, connect_patience=SOON) as publisher,
    ):
        assert until(lambda: consumer.problems)
        assert not consumer.wait_until_consuming(timedelta(0))
        testbed.start("rabbitmq")
        assert consumer.wait_until_consuming(AFTER_AN_OUTAGE)
        assert publisher.wait_until_connected(AFTER_AN_OUTAGE)
        assert publisher.send([job_message(settings, 1)]) == (Confirmation.CONFIRMED,)
        assert [it.body for it in take_all(consumer, 1)] == [b"job 1"]


def test_what_was_not_settled_comes_again_on_a_new_connection(
    settings: BrokerSettings, management: Management
) -> None:
    with Consumer(settings, SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        send_jobs(settings, range(3))
        first = take_all(consumer, 3)
        name = f"{settings.namespace} {SITE} consumer"
        assert until(lambda: management.close_connections(name))
        again = take_all(consumer, 3)
        assert sorted(it.body for it in again) == [b"job 0", b"job 1", b"job 2"]
        assert all(it.redelivered for it in again)
        assert {it.connection for it in again}.isdisjoint(it.connection for it in first)
        consumer.settle(acks(first))  # too late: means nothing on the new connection
        consumer.settle(acks(again[:1]))
    with Consumer(settings, SITE) as consumer:
        rest = take_all(consumer, 2)
        assert sorted(it.body for it in rest) == sorted(it.body for it in again[1:])
        assert consumer.take(1, timeout=QUIET) == ()


def test_a_hold_outlasts_the_connection(settings: BrokerSettings, proxy: TcpProxy) -> None:
    with Consumer(through(proxy, settings), SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        consumer.hold(paused=True)
        assert until(lambda: not consumer.wait_until_consuming(timedelta(0)))
        send_jobs(settings, range(1))
        before = proxy.accepted
        proxy.cut()
        proxy.mend()
        assert until(lambda: proxy.accepted > before)
        assert consumer.take(1, timeout=QUIET) == ()
        consumer.hold(paused=False)
        assert [it.body for it in take_all(consumer, 1)] == [b"job 0"]


def test_a_cut_network_is_survived_by_all_three(settings: BrokerSettings, proxy: TcpProxy) -> None:
    far = through(proxy, settings)
    with (
        Consumer(far, SITE) as consumer,
        Listener(far, ["#"], queue=f"{settings.namespace}.history") as listener,
        Publisher(far, connect_patience=timedelta(seconds=0.5)) as publisher,
    ):
        assert consumer.wait_until_consuming(SOON)
        assert listener.wait_until_listening(SOON)
        assert publisher.wait_until_connected(SOON)
        proxy.cut()
        assert until(lambda: publisher.problems)
        with pytest.raises(UnavailableError):
            publisher.send([job_message(settings, 0)])
        time.sleep(3)
        proxy.mend()
        assert publisher.wait_until_connected(SOON)
        assert consumer.wait_until_consuming(SOON)
        assert listener.wait_until_listening(SOON)
        assert publisher.send([job_message(settings, 1)]) == (Confirmation.CONFIRMED,)
        assert [it.body for it in take_all(consumer, 1)] == [b"job 1"]
        messages = events(5)
        assert RabbitEventSink(settings, publisher).publish(messages) == (True,) * 5
        assert hear_all(listener, len(messages)) == [it.body for it in messages]


def test_a_stalled_connection_is_noticed_and_replaced(
    settings: BrokerSettings, proxy: TcpProxy
) -> None:
    far = through(proxy, settings)
    with Consumer(far, SITE) as consumer, Publisher(far) as publisher:
        assert consumer.wait_until_consuming(SOON)
        assert publisher.wait_until_connected(SOON)
        proxy.stall()
        # The publisher cannot know yet: what it sends now is lost on the way.
        assert publisher.send([job_message(settings, 0)]) == (Confirmation.UNKNOWN,)
        assert publisher.wait_until_connected(SOON)
        assert publisher.send([job_message(settings, 1)]) == (Confirmation.CONFIRMED,)
        assert [it.body for it in take_all(consumer, 1)] == [b"job 1"]


def threads_of(settings: BrokerSettings) -> list[str]:
    """Our connections' threads that have not ended."""
    return [it.name for it in threading.enumerate() if it.name.startswith(settings.namespace)]


def test_a_stalled_connection_does_not_keep_anybody_from_closing(
    settings: BrokerSettings, proxy: TcpProxy
) -> None:
    patient = replace(settings, port=proxy.port)
    with Consumer(patient, SITE) as consumer, Publisher(patient) as publisher:
        assert consumer.wait_until_consuming(SOON)
        assert publisher.wait_until_connected(SOON)
        proxy.stall()
        consumer.close(timedelta(seconds=1))
        publisher.close(timedelta(seconds=1))
        assert until(lambda: not threads_of(settings))


def test_a_server_that_says_nothing_does_not_keep_anybody_from_closing(
    settings: BrokerSettings,
) -> None:
    slow = TcpProxy(settings.port, delay=3600)
    with slow, Publisher(replace(settings, port=slow.port)) as publisher:
        assert until(lambda: slow.accepted)
        publisher.close(timedelta(seconds=1))
        assert until(lambda: not threads_of(settings))


def test_a_blocked_connection_is_told_and_nothing_goes_out_until_it_is_free(
    settings: BrokerSettings, proxy: TcpProxy
) -> None:
    with (
        capture_logs() as logs,
        Consumer(settings, SITE) as consumer,
        Publisher(
            replace(settings, port=proxy.port), confirm_patience=timedelta(seconds=5)
        ) as publisher,
    ):
        assert consumer.wait_until_consuming(SOON)
        assert publisher.wait_until_connected(SOON)
        proxy.forge(method_frame(BLOCKED, b"\x0blow on disk"))
        assert until(lambda: publisher.problems)
        with pytest.raises(UnavailableError, match="takes no messages for now"):
            publisher.send([job_message(settings, 0)])
        proxy.forge(method_frame(UNBLOCKED))
        assert until(lambda: not publisher.problems)
        assert publisher.send([job_message(settings, 1)]) == (Confirmation.CONFIRMED,)
        assert [it.body for it in take_all(consumer, 1)] == [b"job 1"]
    assert [it["reason"] for it in logs if it["event"] == "blocked_by_broker"] == ["low on disk"]


def test_what_is_no_amqp_costs_the_connection_and_not_the_thread(
    settings: BrokerSettings, proxy: TcpProxy
) -> None:
    with Consumer(replace(settings, port=proxy.port), SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        before = proxy.accepted
        proxy.forge(b"\x01\x00\x01\x00\x00\x00\x04rubbish that ends with no frame end")
        assert until(lambda: proxy.accepted > before)
        assert consumer.wait_until_consuming(SOON)
        send_jobs(settings, range(1))
        assert [it.body for it in take_all(consumer, 1)] == [b"job 0"]


def test_events_are_pipelined_over_a_round_trip_of_20_ms(settings: BrokerSettings) -> None:
    messages = events(2_000)
    with (
        TcpProxy(settings.port, delay=0.010) as slow,
        Publisher(replace(settings, port=slow.port)) as publisher,
        Listener(settings, ["#"]) as listener,
    ):
        assert publisher.wait_until_connected(SOON)
        assert listener.wait_until_listening(SOON)
        began = time.monotonic()
        answers = RabbitEventSink(settings, publisher).publish(messages)
        took = time.monotonic() - began
        heard = hear_all(listener, len(messages))
    print(f"\n{len(messages) / took:,.0f} events/s at 20 ms")  # noqa: T201  # a figure, not a check
    assert answers == (True,) * 2_000
    assert heard == [it.body for it in messages]
