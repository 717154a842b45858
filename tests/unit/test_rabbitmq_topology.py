"""What is declared, and what is said when it cannot be."""

from dataclasses import replace
from datetime import timedelta

from bridge.adapters.rabbitmq.declaration import problem_words
from bridge.adapters.rabbitmq.topology import (
    Binding,
    Exchange,
    Queue,
    events_topology,
    history_topology,
    questions_topology,
    site_topology,
)
from bridge.core.settings import BrokerSettings

SETTINGS = BrokerSettings(host="localhost", port=5672, virtual_host="/", user="u", password="p")


WITH_DEAD_LETTERS = (
    ("x-queue-type", "quorum"),
    ("x-delivery-limit", 1_000_000),
    ("x-dead-letter-exchange", "hpc-bridge.dead-letters"),
    ("x-dead-letter-routing-key", "vaughan"),
    ("x-dead-letter-strategy", "at-least-once"),
    ("x-overflow", "reject-publish"),
)


HISTORY = (
    ("x-queue-type", "stream"),
    ("x-max-age", "1209600s"),
    ("x-max-length-bytes", 1024 * 1024 * 1024),
    ("x-stream-max-segment-size-bytes", 50 * 1024 * 1024),
)


def test_a_site_has_its_queues_for_jobs_and_control_and_a_place_for_dead_letters() -> None:
    assert site_topology(SETTINGS, "vaughan") == (
        Exchange(name="hpc-bridge.jobs", kind="direct"),
        Exchange(name="hpc-bridge.control", kind="direct"),
        Exchange(name="hpc-bridge.events", kind="topic"),
        Exchange(name="hpc-bridge.dead-letters", kind="direct"),
        Exchange(name="hpc-bridge.questions", kind="direct"),
        Exchange(name="hpc-bridge.answers", kind="direct"),
        Exchange(name="hpc-bridge.logs", kind="topic"),
        Exchange(name="hpc-bridge.presence", kind="topic"),
        Queue(
            name="hpc-bridge.dead-letters.vaughan",
            durable=True,
            arguments=(("x-queue-type", "quorum"), ("x-delivery-limit", 1_000_000)),
        ),
        Binding(
            queue="hpc-bridge.dead-letters.vaughan",
            exchange="hpc-bridge.dead-letters",
            routing_key="vaughan",
        ),
        Queue(name="hpc-bridge.jobs.vaughan", durable=True, arguments=WITH_DEAD_LETTERS),
        Binding(queue="hpc-bridge.jobs.vaughan", exchange="hpc-bridge.jobs", routing_key="vaughan"),
        Queue(name="hpc-bridge.control.vaughan", durable=True, arguments=WITH_DEAD_LETTERS),
        Binding(
            queue="hpc-bridge.control.vaughan",
            exchange="hpc-bridge.control",
            routing_key="vaughan",
        ),
        Queue(name="hpc-bridge.events.history", durable=True, arguments=HISTORY),
        Binding(queue="hpc-bridge.events.history", exchange="hpc-bridge.events", routing_key="#"),
    )


def test_who_reads_the_history_takes_it_as_it_is_and_makes_it_where_it_is_missing() -> None:
    assert history_topology(SETTINGS) == (
        Exchange(name="hpc-bridge.events", kind="topic"),
        Queue(name="hpc-bridge.events.history", durable=True, arguments=HISTORY, as_it_is=True),
        Binding(queue="hpc-bridge.events.history", exchange="hpc-bridge.events", routing_key="#"),
    )


def test_a_history_is_kept_as_long_and_as_large_as_the_settings_say() -> None:
    settings = replace(SETTINGS, history_keep=timedelta(hours=2), history_mib=10)
    (queue,) = (it for it in history_topology(settings) if isinstance(it, Queue))
    assert dict(queue.arguments) == {
        "x-queue-type": "stream",
        "x-max-age": "7200s",
        "x-max-length-bytes": 10 * 1024 * 1024,
        "x-stream-max-segment-size-bytes": 10 * 1024 * 1024,
    }


def test_a_listener_for_a_while_has_a_queue_that_ends_with_it() -> None:
    assert events_topology(
        SETTINGS, queue="q", durable=False, routing_keys=["vaughan.#", "*.failed"]
    ) == (
        Exchange(name="hpc-bridge.events", kind="topic"),
        Queue(name="q", durable=False),
        Binding(queue="q", exchange="hpc-bridge.events", routing_key="vaughan.#"),
        Binding(queue="q", exchange="hpc-bridge.events", routing_key="*.failed"),
    )


def test_a_site_is_asked_through_a_queue_that_is_bounded_and_ends_with_its_bridge() -> None:
    assert questions_topology(SETTINGS, "vaughan", queue="q") == (
        Exchange(name="hpc-bridge.questions", kind="direct"),
        Queue(
            name="q",
            durable=False,
            arguments=(
                ("x-max-length", 1000),
                ("x-max-length-bytes", 4 * 1024 * 1024),
                ("x-message-ttl", 30_000),
            ),
        ),
        Binding(queue="q", exchange="hpc-bridge.questions", routing_key="vaughan"),
        Binding(queue="q", exchange="hpc-bridge.questions", routing_key="*"),
    )


def test_a_mismatch_names_the_object_what_we_expect_and_what_the_broker_says() -> None:
    queue = Queue(name="hpc-bridge.jobs.x", durable=True, arguments=(("x-queue-type", "quorum"),))
    words = problem_words(queue, 406, "PRECONDITION_FAILED - inequivalent arg 'x-queue-type'")
    assert words == (
        "queue 'hpc-bridge.jobs.x' (durable; x-queue-type=quorum) exists, but is not what we "
        "expect; it is used as it is until somebody deletes it. The broker says: 406 "
        "PRECONDITION_FAILED - inequivalent arg 'x-queue-type'"
    )


def test_a_missing_permission_is_told_as_one() -> None:
    words = problem_words(Exchange(name="e", kind="topic"), 403, "ACCESS_REFUSED - access to e")
    assert words == (
        "exchange 'e' (topic, durable) is not there, and our user may not declare it. "
        "The broker says: 403 ACCESS_REFUSED - access to e"
    )
