"""Relay: what is recorded goes out in order, and counts as sent only when the broker has it."""

from collections.abc import Sequence

import pytest
from unit.house import House, job_id, message

from bridge.core.errors import UnavailableError
from bridge.flows.relay import Relay
from bridge.ports import Notice
from bridge.testing.broker import FakeStatusExchange
from bridge.testing.memory_journal import MemoryJournal
from bridge.wire.event import Message


class JournalFailsMeanwhile(FakeStatusExchange):
    """The broker has the events, and then the journal cannot be written."""

    def __init__(self, journal: MemoryJournal) -> None:
        super().__init__()
        self._journal = journal

    def publish(self, messages: Sequence[Message]) -> tuple[bool, ...]:
        confirmed = super().publish(messages)
        self._journal.failure = "database or disk is full"
        return confirmed


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def exchange() -> FakeStatusExchange:
    return FakeStatusExchange()


def published(exchange: FakeStatusExchange) -> list[str]:
    return [it.event_id for it in exchange.published]


def test_events_go_out_in_the_order_in_which_they_were_recorded(
    house: House, exchange: FakeStatusExchange
) -> None:
    house.receive(message(1), message(2))
    house.submission.submit_waiting()
    relay = Relay(outbox=house.journal, sink=exchange)
    assert relay.publish_waiting() == 4
    assert published(exchange) == [
        f"{job_id(1)}/1",
        f"{job_id(2)}/1",
        f"{job_id(1)}/2",
        f"{job_id(2)}/2",
    ]


def test_what_was_sent_is_not_sent_again(house: House, exchange: FakeStatusExchange) -> None:
    house.receive(message())
    relay = Relay(outbox=house.journal, sink=exchange)
    relay.publish_waiting()
    assert relay.publish_waiting() == 0
    assert len(exchange.published) == 1


def test_when_nothing_waits_the_broker_is_not_asked(house: House) -> None:
    exchange = FakeStatusExchange()
    exchange.is_available = False
    assert Relay(outbox=house.journal, sink=exchange).publish_waiting() == 0


def test_a_batch_is_bounded_and_the_rest_follows(
    house: House, exchange: FakeStatusExchange
) -> None:
    house.receive(*(message(it) for it in range(1, 6)))
    relay = Relay(outbox=house.journal, sink=exchange, batch=2)
    assert [relay.publish_waiting() for _ in range(4)] == [2, 2, 1, 0]
    assert published(exchange) == [f"{job_id(it)}/1" for it in range(1, 6)]


def test_while_the_broker_is_away_events_wait(house: House, exchange: FakeStatusExchange) -> None:
    house.receive(message())
    relay = Relay(outbox=house.journal, sink=exchange)
    exchange.is_available = False
    with pytest.raises(UnavailableError):
        relay.publish_waiting()
    exchange.is_available = True
    assert relay.publish_waiting() == 1


def test_an_event_without_a_confirm_goes_out_again(
    house: House, exchange: FakeStatusExchange
) -> None:
    house.receive(message(1), message(2))
    relay = Relay(outbox=house.journal, sink=exchange)
    exchange.refused = {f"{job_id(1)}/1"}
    assert relay.publish_waiting() == 1
    exchange.refused = set()
    assert relay.publish_waiting() == 1
    assert published(exchange) == [f"{job_id(2)}/1", f"{job_id(1)}/1"]


def test_a_broker_that_confirms_nothing_counts_as_away(
    house: House, exchange: FakeStatusExchange
) -> None:
    house.receive(message())
    exchange.refused = {f"{job_id(1)}/1"}
    with pytest.raises(UnavailableError, match="none of 1 events"):
        Relay(outbox=house.journal, sink=exchange).publish_waiting()
    assert len(house.journal.unsent(10)) == 1


def test_a_reply_that_its_queue_does_not_take_keeps_nobody_waiting() -> None:
    house = House()
    reply = Message(event_id="reply/1", routing_key="testbed.reply", body=b"{}", reply_to="results")
    house.journal.admit([Notice(message=reply)])
    exchange = FakeStatusExchange()
    exchange.refused = {"reply/1"}
    relay = Relay(outbox=house.journal, sink=exchange, batch=1)
    with pytest.raises(UnavailableError):
        relay.publish_waiting()
    house.receive(message(1), message(2))
    assert relay.publish_waiting() == 1
    assert relay.publish_waiting() == 1
    assert published(exchange) == [f"{job_id(1)}/1", f"{job_id(2)}/1"]
    with pytest.raises(UnavailableError):
        relay.publish_waiting()
    exchange.refused = set()
    assert relay.publish_waiting() == 1
    assert published(exchange)[-1] == "reply/1"
    assert relay.publish_waiting() == 0


def test_an_event_of_which_it_is_not_recorded_that_it_went_out_goes_out_again(
    house: House,
) -> None:
    house.receive(message())
    exchange = JournalFailsMeanwhile(house.journal)
    relay = Relay(outbox=house.journal, sink=exchange)
    with pytest.raises(UnavailableError):
        relay.publish_waiting()
    house.journal.failure = None
    with pytest.raises(UnavailableError):
        relay.publish_waiting()
    assert published(exchange) == [f"{job_id(1)}/1", f"{job_id(1)}/1"]
