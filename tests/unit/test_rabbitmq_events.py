"""The status exchange over a sender that answers as it is told."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from bridge.adapters.rabbitmq import Confirmation, Outgoing, RabbitEventSink
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings
from bridge.wire.event import Message

if TYPE_CHECKING:
    from bridge.adapters.rabbitmq.events import Sender
    from bridge.ports import EventSink

SETTINGS = BrokerSettings(host="localhost", port=5672, virtual_host="/", user="u", password="p")
MESSAGES = tuple(
    Message(event_id=f"job/{number}", routing_key="vaughan.started", body=b"{}")
    for number in range(4)
)


class Silent:
    """A connection on which nothing goes out."""

    def send(self, messages: Sequence[Outgoing]) -> tuple[Confirmation, ...]:
        raise UnavailableError(f"not connected to the broker: {len(messages)} messages")


class Answering:
    def __init__(self, *answers: Confirmation) -> None:
        self.answers = answers
        self.sent: list[Outgoing] = []

    def send(self, messages: Sequence[Outgoing]) -> tuple[Confirmation, ...]:
        self.sent += messages
        return self.answers


def test_an_event_goes_out_as_a_cloud_event_under_its_own_id() -> None:
    sender = Answering(Confirmation.CONFIRMED)
    sink: EventSink = RabbitEventSink(SETTINGS, sender)
    assert sink.publish(MESSAGES[:1]) == (True,)
    assert sender.sent == [
        Outgoing(
            exchange="hpc-bridge.events",
            routing_key="vaughan.started",
            body=b"{}",
            message_id="job/0",
            content_type="application/cloudevents+json",
            mandatory=True,
        )
    ]


REPLY = Message(
    event_id="reply/job",
    routing_key="vaughan.reply",
    body=b"{}",
    reply_to="results",
    correlation_id="run-7",
)


def test_a_reply_goes_to_its_queue_alone() -> None:
    sender = Answering(Confirmation.CONFIRMED)
    assert RabbitEventSink(SETTINGS, sender).publish([REPLY]) == (True,)
    assert sender.sent == [
        Outgoing(
            exchange="",
            routing_key="results",
            body=b"{}",
            message_id="reply/job",
            content_type="application/json",
            correlation_id="run-7",
        )
    ]


def test_a_reply_whose_queue_is_gone_counts_as_told_and_is_warned_of() -> None:
    sink = RabbitEventSink(SETTINGS, Answering(Confirmation.UNROUTABLE))
    with capture_logs() as logs:
        assert sink.publish([REPLY]) == (True,)
    (told,) = logs
    assert (told["event"], told["queue"]) == ("reply_unroutable", "results")
    assert sink.unroutable == 0


def test_events_and_replies_have_ways_of_their_own_and_are_answered_in_their_order() -> None:
    events = Answering(Confirmation.REFUSED, Confirmation.CONFIRMED)
    replies = Answering(Confirmation.CONFIRMED)
    sink = RabbitEventSink(SETTINGS, events, replies=replies)
    assert sink.publish([MESSAGES[0], REPLY, MESSAGES[1]]) == (False, True, True)
    assert [it.message_id for it in events.sent] == ["job/0", "job/1"]
    assert [it.message_id for it in replies.sent] == ["reply/job"]


@pytest.mark.parametrize("way", [Silent(), Answering(Confirmation.UNKNOWN)])
def test_what_keeps_replies_from_going_out_keeps_no_event(way: "Sender") -> None:
    sink = RabbitEventSink(SETTINGS, Answering(Confirmation.CONFIRMED), replies=way)
    assert sink.publish([REPLY, MESSAGES[0]]) == (False, True)


def test_events_that_cannot_go_out_are_an_outage_whatever_becomes_of_replies() -> None:
    sink = RabbitEventSink(SETTINGS, Silent(), replies=Answering(Confirmation.CONFIRMED))
    with pytest.raises(UnavailableError):
        sink.publish([MESSAGES[0], REPLY])
    assert sink.publish([REPLY]) == (True,)


def test_only_what_the_broker_has_seen_counts_as_told() -> None:
    sender = Answering(
        Confirmation.CONFIRMED, Confirmation.UNROUTABLE, Confirmation.REFUSED, Confirmation.UNKNOWN
    )
    assert RabbitEventSink(SETTINGS, sender).publish(MESSAGES) == (True, True, False, False)


def test_nothing_known_of_any_event_is_an_outage() -> None:
    sender = Answering(Confirmation.UNKNOWN, Confirmation.UNKNOWN)
    with pytest.raises(UnavailableError):
        RabbitEventSink(SETTINGS, sender).publish(MESSAGES[:2])


def test_events_without_a_listener_are_counted_and_warned_of_now_and_then() -> None:
    now = [0.0]
    sink = RabbitEventSink(SETTINGS, Answering(Confirmation.UNROUTABLE), clock=lambda: now[0])
    with capture_logs() as logs:
        for now[0] in (0.0, 1.0, 599.0, 600.0):
            sink.publish(MESSAGES[:1])
    levels = [it["log_level"] for it in logs if it["event"] == "event_unroutable"]
    assert levels == ["warning", "debug", "debug", "warning"]
    assert sink.unroutable == 4
