"""The broker side on the testbed's RabbitMQ."""

import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

import pytest
from broker_messages import SITE, acks, events, hear_all, job_message, send_jobs, take_all
from rabbitmq_management import Management, own_namespace, until
from structlog.testing import capture_logs
from tcp_proxy import TcpProxy
from testbed import Testbed

from bridge.adapters.rabbitmq import (
    Confirmation,
    Consumer,
    FrontEndConsumer,
    Listener,
    Publisher,
    RabbitEventSink,
    declare_topology,
)
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings
from bridge.ports import Delivery, Settlement
from bridge.wire.event import Message

SOON = timedelta(seconds=60)
NOTHING_COMES = timedelta(seconds=1.5)


@pytest.fixture
def settings(testbed: Testbed) -> Iterator[BrokerSettings]:
    with own_namespace(testbed.broker) as it:
        yield it


@pytest.fixture
def management(testbed: Testbed) -> Management:
    return Management(testbed.broker)


def bodies(deliveries: Sequence[Delivery]) -> list[bytes]:
    return [it.body for it in deliveries]


def test_two_thousand_events_are_confirmed_and_arrive_in_order(settings: BrokerSettings) -> None:
    messages = events(2_000)
    with (
        Publisher(settings, connect_patience=SOON) as publisher,
        Listener(settings, [f"{SITE}.*"]) as listener,
    ):
        assert publisher.wait_until_connected(SOON)
        assert listener.wait_until_listening(SOON)
        began = time.monotonic()
        answers = RabbitEventSink(settings, publisher).publish(messages)
        took = time.monotonic() - began
        heard = hear_all(listener, len(messages))
    print(f"\n{len(messages) / took:,.0f} events/s")  # noqa: T201  # a figure, not a check
    assert answers == (True,) * 2_000
    assert heard == [it.body for it in messages]


def test_an_event_that_nobody_listens_to_counts_as_told(settings: BrokerSettings) -> None:
    with Publisher(settings, connect_patience=SOON) as publisher:
        sink = RabbitEventSink(settings, publisher)
        assert sink.publish(events(50)) == (True,) * 50
    assert sink.unroutable == 50


def test_an_event_says_what_it_is_and_outlives_the_broker(
    settings: BrokerSettings, management: Management
) -> None:
    queue = f"{settings.namespace}.history"
    with Listener(settings, ["#"], queue=queue) as listener:
        assert listener.wait_until_listening(SOON)
    with Publisher(settings, connect_patience=SOON) as publisher:
        RabbitEventSink(settings, publisher).publish(events(1))
    (message,) = management.get_with_properties(queue)
    properties = message["properties"]
    assert properties["content_type"] == "application/cloudevents+json"
    assert properties["delivery_mode"] == 2
    assert properties["message_id"] == "job-0/1"


def test_a_listener_hears_only_what_it_asked_for(settings: BrokerSettings) -> None:
    with (
        Publisher(settings, connect_patience=SOON) as publisher,
        Listener(settings, ["*.failed"]) as listener,
    ):
        assert listener.wait_until_listening(SOON)
        failed = replace(events(1)[0], routing_key=f"{SITE}.failed", body=b"failed")
        RabbitEventSink(settings, publisher).publish([*events(3), failed])
        assert hear_all(listener, 1) == [b"failed"]


def test_a_named_queue_misses_nothing_between_two_listeners(settings: BrokerSettings) -> None:
    queue = f"{settings.namespace}.history"
    with Listener(settings, ["#"], queue=queue) as listener:
        assert listener.wait_until_listening(SOON)
    messages = events(20)
    with Publisher(settings, connect_patience=SOON) as publisher:
        RabbitEventSink(settings, publisher).publish(messages)
    with Listener(settings, ["#"], queue=queue) as listener:
        assert hear_all(listener, len(messages)) == [it.body for it in messages]


def test_a_listener_that_is_closed_ends_its_iterator(settings: BrokerSettings) -> None:
    heard: list[bytes] = []
    listener = Listener(settings, ["#"])
    listener.start()
    assert listener.wait_until_listening(SOON)
    thread = threading.Thread(target=lambda: heard.extend(listener.events()))
    thread.start()
    listener.close()
    thread.join(SOON.total_seconds())
    assert not thread.is_alive()
    assert heard == []


def test_a_job_message_reaches_the_consumer_and_is_gone_after_its_ack(
    settings: BrokerSettings,
) -> None:
    with Consumer(settings, SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        send_jobs(settings, range(10))
        deliveries = take_all(consumer, 10)
        assert bodies(deliveries) == [b"job %d" % it for it in range(10)]
        assert [it.message_id for it in deliveries] == [f"job-{it}" for it in range(10)]
        assert not any(it.redelivered for it in deliveries)
        consumer.settle(acks(deliveries))
    with Consumer(settings, SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        assert consumer.take(1, timeout=NOTHING_COMES) == ()


def test_a_refused_delivery_lies_in_the_dead_letter_queue(
    settings: BrokerSettings, management: Management
) -> None:
    with Consumer(settings, SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        send_jobs(settings, range(3))
        first, second, third = take_all(consumer, 3)
        consumer.settle([(second, Settlement.DEAD_LETTER), *acks([first, third])])
        refused: list[bytes] = []

        def has_arrived() -> bool:
            refused.extend(management.get(settings.dead_letter_queue(SITE)))
            return bool(refused)

        assert until(has_arrived)
    assert refused == [b"job 1"]


def test_settlements_in_any_order_leave_exactly_the_rest(settings: BrokerSettings) -> None:
    with Consumer(settings, SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        send_jobs(settings, range(20))
        deliveries = take_all(consumer, 20)
        consumer.settle(acks([deliveries[it] for it in (7, 3, 0, 1)]))
        consumer.settle([(deliveries[2], Settlement.DEAD_LETTER)])
        consumer.settle(acks([deliveries[it] for it in (4, 6, 5, 19, 0)]))
    with Consumer(settings, SITE) as consumer:
        rest = take_all(consumer, 11)
        assert sorted(bodies(rest)) == sorted(b"job %d" % it for it in range(8, 19))
        assert all(it.redelivered for it in rest)
        assert consumer.take(1, timeout=NOTHING_COMES) == ()


def test_a_bridge_that_dies_again_and_again_loses_no_job(settings: BrokerSettings) -> None:
    more_than_rabbitmq_4_allows_by_default = 25
    assert declare_topology(settings, SITE) == ()
    send_jobs(settings, [1])
    for _ in range(more_than_rabbitmq_4_allows_by_default):
        with Consumer(settings, SITE) as consumer:
            assert bodies(take_all(consumer, 1)) == [b"job 1"]
    with Consumer(settings, SITE) as consumer:
        assert bodies(take_all(consumer, 1)) == [b"job 1"]


def test_a_job_message_for_a_site_without_a_bridge_is_told_to_its_sender(
    settings: BrokerSettings,
) -> None:
    with (
        Consumer(settings, SITE) as consumer,
        Publisher(settings, connect_patience=SOON) as publisher,
    ):
        assert consumer.wait_until_consuming(SOON)
        answers = publisher.send(
            [job_message(settings, 1, site="nowhere"), job_message(settings, 2)]
        )
    assert answers == (Confirmation.UNROUTABLE, Confirmation.CONFIRMED)


def test_a_message_that_amqp_cannot_carry_is_refused_and_harms_no_other(
    settings: BrokerSettings,
) -> None:
    with Publisher(settings, connect_patience=SOON) as publisher:
        answers = publisher.send(
            [
                job_message(settings, 1, site="s" * 256),
                replace(job_message(settings, 2), mandatory=False),
            ]
        )
    assert answers == (Confirmation.REFUSED, Confirmation.CONFIRMED)


def test_a_missing_exchange_leaves_it_open_and_the_publisher_comes_back(
    settings: BrokerSettings,
) -> None:
    lost = replace(job_message(settings, 1), exchange=f"{settings.namespace}.missing")
    with (
        Publisher(settings, connect_patience=SOON) as publisher,
        Consumer(settings, SITE) as consumer,
    ):
        assert consumer.wait_until_consuming(SOON)
        assert publisher.send([lost]) == (Confirmation.UNKNOWN,)
        assert publisher.send([job_message(settings, 2)]) == (Confirmation.CONFIRMED,)


def test_no_more_is_delivered_ahead_than_prefetch_says(settings: BrokerSettings) -> None:
    with Consumer(replace(settings, prefetch=5), SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        send_jobs(settings, range(12))
        deliveries = take_all(consumer, 5)
        assert consumer.take(10, timeout=NOTHING_COMES) == ()
        consumer.settle(acks(deliveries))
        assert bodies(take_all(consumer, 5)) == [b"job %d" % it for it in range(5, 10)]


def test_a_held_consumer_gets_nothing_until_it_is_resumed(settings: BrokerSettings) -> None:
    with Consumer(settings, SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        consumer.hold(paused=True)
        assert until(lambda: not consumer.wait_until_consuming(timedelta(0)))
        send_jobs(settings, range(3))
        assert consumer.take(3, timeout=NOTHING_COMES) == ()
        consumer.hold(paused=False)
        assert bodies(take_all(consumer, 3)) == [b"job 0", b"job 1", b"job 2"]


def test_what_was_delivered_before_a_hold_is_still_to_be_had(settings: BrokerSettings) -> None:
    with Consumer(settings, SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        send_jobs(settings, range(3))
        (first,) = take_all(consumer, 1)
        consumer.hold(paused=True)
        rest = take_all(consumer, 2)
        consumer.settle(acks([first, *rest]))
        consumer.hold(paused=False)
        assert consumer.take(1, timeout=NOTHING_COMES) == ()


def test_a_deleted_queue_is_declared_and_consumed_again(
    settings: BrokerSettings, management: Management
) -> None:
    queue = settings.jobs_queue(SITE)
    with (
        Consumer(settings, SITE) as consumer,
        Publisher(settings, connect_patience=SOON) as publisher,
    ):
        assert consumer.wait_until_consuming(SOON)
        send_jobs(settings, [1])
        (taken_before,) = take_all(consumer, 1)
        management.delete_queue(queue)
        message = job_message(settings, 2)
        assert until(lambda: publisher.send([message]) == (Confirmation.CONFIRMED,))
        (taken_after,) = take_all(consumer, 1)
        assert taken_after.body == b"job 2"
        consumer.settle(acks([taken_before, taken_after]))
        assert consumer.take(1, timeout=NOTHING_COMES) == ()


def test_a_queue_that_is_not_what_we_expect_is_reported_and_used(
    settings: BrokerSettings, management: Management
) -> None:
    queue = settings.jobs_queue(SITE)
    management.declare_classic_queue(queue)
    with capture_logs() as logs, Consumer(settings, SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        (problem,) = consumer.problems
        send_jobs(settings, [1])
        assert bodies(take_all(consumer, 1)) == [b"job 1"]
    assert f"queue {queue!r} (durable; x-queue-type=quorum" in problem
    assert "PRECONDITION_FAILED - inequivalent arg 'x-" in problem
    assert [it["problem"] for it in logs if it["event"] == "topology_problem"] == [problem]
    assert len([it for it in logs if it["event"] == "connected" and "consumer" in str(it)]) == 1
    assert management.queue(settings.dead_letter_queue(SITE))["type"] == "quorum"


def test_declaring_twice_is_as_good_as_once(
    settings: BrokerSettings, management: Management
) -> None:
    assert declare_topology(settings, SITE) == ()
    assert declare_topology(settings, SITE) == ()
    jobs = management.queue(settings.jobs_queue(SITE))
    assert (jobs["type"], jobs["durable"]) == ("quorum", True)
    assert jobs["arguments"]["x-dead-letter-strategy"] == "at-least-once"


def test_a_user_who_may_not_declare_uses_what_is_there(
    settings: BrokerSettings, management: Management
) -> None:
    assert declare_topology(settings, SITE) == ()
    name, password = f"test-{token_hex(4)}", token_hex(16)
    theirs = replace(settings, user=name, password=password)
    with (
        management.user(name, password, configure="^$", write=".*", read=".*"),
        Publisher(theirs, connect_patience=SOON) as publisher,
        Consumer(theirs, SITE) as consumer,
    ):
        assert consumer.wait_until_consuming(SOON)
        assert publisher.send([job_message(settings, 1)]) == (Confirmation.CONFIRMED,)
        assert bodies(take_all(consumer, 1)) == [b"job 1"]
        assert consumer.problems == ()


def test_what_is_missing_and_may_not_be_declared_is_reported(
    settings: BrokerSettings, management: Management
) -> None:
    name, password = f"test-{token_hex(4)}", token_hex(16)
    theirs = replace(settings, user=name, password=password)
    with management.user(name, password, configure="^$", write=".*", read=".*"):
        problems = declare_topology(theirs, SITE)
    queue = f"queue {settings.jobs_queue(SITE)!r}"
    (told,) = [it for it in problems if it.startswith(queue)]
    assert "is not there, and our user may not declare it" in told


def test_a_front_end_needs_no_more_than_the_documented_permissions(
    settings: BrokerSettings, management: Management
) -> None:
    # The front end may connect before the bridge's own connections have declared anything.
    assert declare_topology(settings, SITE) == ()
    name, password = f"test-{token_hex(4)}", token_hex(16)
    theirs = replace(settings, user=name, password=password)
    own = rf"{settings.namespace}\.watch\..*"
    with (
        management.user(
            name,
            password,
            configure=f"^{own}$",
            write=rf"^({settings.namespace}\.jobs|{own})$",
            read=rf"^({settings.namespace}\.events|{own})$",
        ),
        Consumer(settings, SITE) as consumer,
        Publisher(settings, connect_patience=SOON) as bridge,
        Publisher(theirs, connect_patience=SOON) as front_end,
        Listener(theirs, [f"{SITE}.#"]) as listener,
    ):
        assert consumer.wait_until_consuming(SOON)
        assert listener.wait_until_listening(SOON)
        assert front_end.send([job_message(settings, 1)]) == (Confirmation.CONFIRMED,)
        assert bodies(take_all(consumer, 1)) == [b"job 1"]
        messages = events(3)
        assert RabbitEventSink(settings, bridge).publish(messages) == (True,) * 3
        assert hear_all(listener, len(messages)) == [it.body for it in messages]
        assert (front_end.problems, listener.problems) == ((), ())


def test_a_bridge_needs_no_more_than_the_documented_permissions(
    settings: BrokerSettings, management: Management
) -> None:
    name, password = f"test-{token_hex(4)}", token_hex(16)
    theirs = replace(settings, user=name, password=password)
    own = rf"^{settings.namespace}\..*$"
    with management.user(name, password, configure=own, write=own, read=own):
        assert declare_topology(theirs, SITE) == ()
        with (
            Consumer(theirs, SITE) as consumer,
            Publisher(theirs, connect_patience=SOON) as publisher,
        ):
            assert consumer.wait_until_consuming(SOON)
            assert publisher.send([job_message(settings, 1)]) == (Confirmation.CONFIRMED,)
            assert bodies(take_all(consumer, 1)) == [b"job 1"]


def test_a_wrong_password_is_told_in_words_and_not_tried_again_at_once(
    settings: BrokerSettings,
) -> None:
    wrong = replace(settings, password="not-the-password")
    with (
        capture_logs() as logs,
        Publisher(wrong, connect_patience=timedelta(seconds=6)) as publisher,
        pytest.raises(UnavailableError) as raised,
    ):
        publisher.send([job_message(settings, 1)])
    refusal = f"refuses user {settings.user!r}: unknown user or wrong password"
    assert refusal in str(raised.value)
    (told,) = [it for it in logs if it["event"] == "no_connection"]
    assert refusal in told["why"]
    assert told["retry_in"] >= 15
    assert "not-the-password" not in f"{logs} {raised.value!r}"


def test_a_missing_virtual_host_is_told_by_name(settings: BrokerSettings) -> None:
    with pytest.raises(UnavailableError, match="the virtual host 'missing'"):
        declare_topology(
            replace(settings, virtual_host="missing"), SITE, timeout=timedelta(seconds=6)
        )


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", str(files[0]), "-keyout", str(files[1])),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return files


def test_tls_is_spoken_with_a_server_that_the_authority_vouches_for(
    settings: BrokerSettings, certificate: tuple[Path, Path]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with TcpProxy(settings.port, tls=context) as proxy:
        theirs = replace(settings, port=proxy.port, tls=True)
        trusting = replace(theirs, certificate_authority=str(certificate[0]))
        assert declare_topology(trusting, SITE) == ()
        with Publisher(trusting, connect_patience=SOON) as publisher:
            answers = publisher.send([job_message(settings, it) for it in range(500)])
        assert set(answers) == {Confirmation.CONFIRMED}
        with pytest.raises(UnavailableError, match="certificate verify failed"):
            declare_topology(theirs, SITE, timeout=timedelta(seconds=6))


def test_a_port_where_nobody_listens_is_an_outage(settings: BrokerSettings) -> None:
    nowhere = replace(settings, port=1)
    with (
        Publisher(nowhere, connect_patience=timedelta(seconds=3)) as publisher,
        pytest.raises(UnavailableError, match="Connection refused"),
    ):
        publisher.send([job_message(settings, 1)])


def test_a_publisher_that_is_closed_says_so(settings: BrokerSettings) -> None:
    publisher = Publisher(settings, connect_patience=timedelta(seconds=1))
    publisher.start()
    assert publisher.wait_until_connected(SOON)
    publisher.close()
    with pytest.raises(UnavailableError):
        publisher.send([job_message(settings, 1)])


def test_an_intake_that_works_for_long_does_not_cost_the_connection(
    settings: BrokerSettings, management: Management
) -> None:
    with Consumer(replace(settings, heartbeat=timedelta(seconds=2)), SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        name = f"{settings.namespace} {SITE} consumer"
        assert until(lambda: management.connections(name))
        before = management.connections(name)
        send_jobs(settings, range(2))
        deliveries = take_all(consumer, 2)
        time.sleep(8)
        assert management.connections(name) == before
        consumer.settle(acks(deliveries))
    with Consumer(settings, SITE) as consumer:
        assert consumer.wait_until_consuming(SOON)
        assert consumer.take(1, timeout=NOTHING_COMES) == ()


def test_nothing_is_left_behind_after_close(
    settings: BrokerSettings, management: Management
) -> None:
    with (
        Consumer(settings, SITE) as consumer,
        Publisher(settings, name="to be closed") as publisher,
    ):
        assert consumer.wait_until_consuming(SOON)
        assert publisher.wait_until_connected(SOON)
    assert not [it for it in threading.enumerate() if it.name.startswith(settings.namespace)]
    assert until(lambda: not management.connections(f"{settings.namespace} {SITE} consumer"))
    assert until(lambda: not management.connections("to be closed"))


def reply_to(queue: str) -> Message:
    return Message(
        event_id="reply/job-1",
        routing_key=f"{SITE}.reply",
        body=b'{"job_status": "complete"}',
        reply_to=queue,
        correlation_id="run-7",
    )


def test_replies_that_may_not_be_sent_hold_up_no_event(
    settings: BrokerSettings, management: Management
) -> None:
    name, password = f"test-{token_hex(4)}", token_hex(16)
    theirs = replace(settings, user=name, password=password)
    own = rf"^{settings.namespace}\..*$"
    with (
        management.user(name, password, configure=own, write=own, read=own),
        Publisher(theirs, connect_patience=SOON) as publisher,
        Publisher(theirs, connect_patience=SOON) as replies,
    ):
        sink = RabbitEventSink(settings, publisher, replies=replies)
        for event in events(2):
            assert sink.publish([reply_to(f"{settings.namespace}.results"), event]) == (False, True)


def test_the_queues_of_front_ends_need_no_more_than_the_documented_permissions(
    settings: BrokerSettings, management: Management
) -> None:
    name, password = f"test-{token_hex(4)}", token_hex(16)
    theirs = replace(settings, user=name, password=password)
    own, tasks = rf"{settings.namespace}\..*", f"ml_tasks_{token_hex(4)}"
    results = f"{settings.namespace}.results"
    management.declare_classic_queue(results)
    try:
        with (
            management.user(
                name,
                password,
                configure=rf"^({own}|{tasks})$",
                write=rf"^({own}|amq\.default)$",
                read=rf"^({own}|{tasks})$",
            ),
            Publisher(theirs, connect_patience=SOON) as publisher,
            FrontEndConsumer(theirs, tasks) as consumer,
        ):
            assert consumer.wait_until_consuming(SOON)
            sink = RabbitEventSink(settings, publisher)
            assert sink.publish([reply_to(results), reply_to(tasks)]) == (True, True)
            (delivery,) = take_all(consumer, 1)
            assert delivery.correlation_id == "run-7"
            consumer.settle(acks([delivery]))
        assert management.get(results) == [b'{"job_status": "complete"}']
    finally:
        management.delete_queue(tasks)
