"""Dead letters on the testbed's RabbitMQ: looked at without a loss, sent once more."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from rabbitmq_management import Management, own_namespace, until
from testbed import Testbed

from bridge.adapters.rabbitmq import Consumer, ControlConsumer, declare_topology
from bridge.adapters.rabbitmq.dead_letters import DeadLetters
from bridge.adapters.rabbitmq.reader import QueueReader
from bridge.client import Submitter
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings
from bridge.ports import Settlement

SITE = "vaughan"
SOON = timedelta(seconds=60)
JOB_ID = "6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b"


@pytest.fixture
def settings(testbed: Testbed) -> Iterator[BrokerSettings]:
    with own_namespace(testbed.broker) as it:
        declare_topology(it, SITE)
        yield it


def refuse(settings: BrokerSettings, *bodies: bytes) -> None:
    with Submitter(settings) as submitter:
        for body in bodies:
            submitter.submit(SITE, body, job_id="m")
    with Consumer(settings, SITE) as consumer:
        refuse_all(consumer, len(bodies))


def refuse_all(consumer: QueueReader, count: int) -> None:
    refused = 0
    while refused < count:
        deliveries = consumer.take(100, timeout=SOON)
        consumer.settle([(it, Settlement.DEAD_LETTER) for it in deliveries])
        refused += len(deliveries)


def lying(settings: BrokerSettings) -> list[bytes]:
    with DeadLetters(settings, SITE) as letters:
        return [it.body for it in letters.letters(100)]


def test_looking_at_dead_letters_takes_none_away(settings: BrokerSettings) -> None:
    refuse(settings, b"one", b"two", b"three")
    assert until(lambda: len(lying(settings)) == 3, within=SOON)
    for _ in range(3):
        assert lying(settings) == [b"one", b"two", b"three"]
    with DeadLetters(settings, SITE) as letters:
        first = next(letters.letters(1))
    assert (first.reason, first.queue) == ("rejected", settings.jobs_queue(SITE))
    assert first.died_at is not None


def test_a_letter_that_is_sent_once_more_is_where_it_was_refused_and_only_there(
    settings: BrokerSettings,
) -> None:
    refuse(settings, b"one", b"two")
    assert until(lambda: len(lying(settings)) == 2, within=SOON)
    with DeadLetters(settings, SITE) as letters:
        one, _ = letters.letters(10)
        letters.replay(one)
    assert until(lambda: lying(settings) == [b"two"], within=SOON)
    with Consumer(settings, SITE) as consumer:
        (delivery,) = consumer.take(10, timeout=SOON)
    assert (delivery.body, delivery.message_id) == (b"one", "m")


def test_a_control_message_goes_back_to_the_control_queue(settings: BrokerSettings) -> None:
    with Submitter(settings) as submitter:
        submitter.cancel(SITE, JOB_ID)
    with ControlConsumer(settings, SITE) as control:
        refuse_all(control, 1)
        assert until(lambda: len(lying(settings)) == 1, within=SOON)
        with DeadLetters(settings, SITE) as letters:
            letters.replay(next(letters.letters(1)))
        assert len(control.take(1, timeout=SOON)) == 1


def test_a_letter_that_nobody_takes_stays_where_it_is(
    testbed: Testbed, settings: BrokerSettings
) -> None:
    refuse(settings, b"one")
    assert until(lambda: len(lying(settings)) == 1, within=SOON)
    Management(testbed.broker).delete_queue(settings.jobs_queue(SITE))
    with DeadLetters(settings, SITE) as letters:
        letter = next(letters.letters(1))
        with pytest.raises(UnavailableError, match="stays here"):
            letters.replay(letter)
    assert lying(settings) == [b"one"]


def test_a_site_that_is_not_there_is_told(settings: BrokerSettings) -> None:
    with (
        DeadLetters(settings, "nowhere") as letters,
        pytest.raises(UnavailableError, match="no such site"),
    ):
        list(letters.letters(1))
