"""Messages of a site that is not there, for tests of the broker side alone."""

from collections.abc import Iterable
from datetime import timedelta

from bridge.adapters.rabbitmq import Confirmation, Listener, Outgoing, Publisher
from bridge.core.settings import BrokerSettings
from bridge.ports import Delivery, DeliverySource, Settlement
from bridge.wire.event import Message

SITE = "vaughan"
_LOOK = timedelta(seconds=60)
_A_MOMENT = timedelta(seconds=2)


def events(count: int, *, first: int = 0) -> list[Message]:
    """Events of as many jobs, each of some 700 bytes."""
    return [
        Message(
            event_id=f"job-{number}/1",
            routing_key=f"{SITE}.started",
            body=b'{"number": %d, "padding": "%s"}' % (number, b"x" * 700),
        )
        for number in range(first, first + count)
    ]


def job_message(settings: BrokerSettings, number: int, *, site: str = SITE) -> Outgoing:
    """What the jobs queue of a site gets, with the number in it."""
    return Outgoing(
        exchange=settings.jobs_exchange,
        routing_key=site,
        body=b"job %d" % number,
        message_id=f"job-{number}",
        content_type="application/json",
    )


def send_jobs(settings: BrokerSettings, numbers: Iterable[int]) -> None:
    """Send these, and be sure that they arrived."""
    with Publisher(settings, connect_patience=_LOOK) as publisher:
        answers = publisher.send([job_message(settings, it) for it in numbers])
    assert set(answers) == {Confirmation.CONFIRMED}


def take_all(source: DeliverySource, count: int) -> list[Delivery]:
    """So many deliveries; pytest's time limit ends the wait for those that do not come."""
    taken: list[Delivery] = []
    while len(taken) < count:
        taken += source.take(count - len(taken), timeout=_LOOK)
    return taken


def hear_all(listener: Listener, count: int) -> list[bytes]:
    """So many events, and all that come in a moment after them; see `take_all`."""
    heard: list[bytes] = []
    while len(heard) < count:
        heard += listener.events(quiet=_A_MOMENT)
    return heard


def acks(deliveries: Iterable[Delivery]) -> list[tuple[Delivery, Settlement]]:
    """Settle all of them."""
    return [(it, Settlement.ACK) for it in deliveries]
