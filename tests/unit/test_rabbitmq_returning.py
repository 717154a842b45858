"""What goes back to front ends beside the events, over a sender that answers as it is told."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.rabbitmq import Confirmation, Outgoing, RabbitReturnChannel
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings
from bridge.ports import Passing, Reply

if TYPE_CHECKING:
    from bridge.ports import ReturnChannel

SETTINGS = BrokerSettings(host="localhost", port=5672, virtual_host="/", user="u", password="p")
LOG = Passing(routing_key="vaughan.job", body=b"log")


class Answering:
    def __init__(self, answer: Confirmation) -> None:
        self.answer = answer
        self.sent: list[Outgoing] = []

    def send(self, messages: Sequence[Outgoing]) -> tuple[Confirmation, ...]:
        self.sent += messages
        return (self.answer,) * len(messages)


def passing(exchange: str, routing_key: str, body: bytes, number: str | None = None) -> Outgoing:
    """Kept by no broker, and returned to nobody."""
    return Outgoing(
        exchange=exchange,
        routing_key=routing_key,
        body=body,
        message_id="",
        content_type="application/json",
        mandatory=False,
        durable=False,
        correlation_id=number,
    )


def test_each_goes_through_its_exchange_and_an_answer_bears_the_number_of_its_question() -> None:
    sender = Answering(Confirmation.CONFIRMED)
    channel: ReturnChannel = RabbitReturnChannel(SETTINGS, sender)
    channel.answer([Reply(reply_to="me", correlation_id="7", body=b"answer")])
    channel.tell_logs([LOG])
    channel.tell_presence(Passing(routing_key="vaughan.presence", body=b"here"))
    assert sender.sent == [
        passing("hpc-bridge.answers", "me", b"answer", "7"),
        passing("hpc-bridge.logs", "vaughan.job", b"log"),
        passing("hpc-bridge.presence", "vaughan.presence", b"here"),
    ]


def test_no_answer_goes_into_any_other_queue_whatever_the_question_names() -> None:
    sender = Answering(Confirmation.CONFIRMED)
    channel = RabbitReturnChannel(SETTINGS, sender)
    queue = SETTINGS.jobs_queue("vaughan")
    channel.answer([Reply(reply_to=queue, correlation_id=None, body=b"answer")])
    assert {it.exchange for it in sender.sent} == {"hpc-bridge.answers"}


@pytest.mark.parametrize("lost", [Confirmation.UNKNOWN, Confirmation.REFUSED])
def test_what_the_broker_has_not_taken_is_to_be_told_again(lost: Confirmation) -> None:
    channel = RabbitReturnChannel(SETTINGS, Answering(lost))
    with pytest.raises(UnavailableError):
        channel.tell_logs([LOG])


def test_what_nobody_listens_to_is_told_all_the_same() -> None:
    RabbitReturnChannel(SETTINGS, Answering(Confirmation.UNROUTABLE)).tell_logs([LOG])
