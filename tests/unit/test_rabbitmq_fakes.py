"""The shipped fakes keep the promises of the ports."""

from datetime import timedelta

import pytest

from bridge.core.errors import UnavailableError
from bridge.ports import DeliverySource, EventSink, Settlement
from bridge.testing.broker import FakeJobsQueue, FakeStatusExchange
from bridge.wire.event import Message

NOW = timedelta(0)


def test_deliveries_come_in_the_order_in_which_they_were_put() -> None:
    queue = FakeJobsQueue()
    source: DeliverySource = queue
    for body in (b"a", b"b", b"c"):
        queue.put(body)
    assert [it.body for it in source.take(2, timeout=NOW)] == [b"a", b"b"]
    assert [it.body for it in source.take(2, timeout=NOW)] == [b"c"]
    assert source.take(2, timeout=NOW) == ()


def test_what_is_settled_is_gone() -> None:
    queue = FakeJobsQueue()
    queue.put(b"good")
    queue.put(b"bad")
    good, bad = queue.take(2, timeout=NOW)
    queue.settle([(good, Settlement.ACK), (bad, Settlement.DEAD_LETTER)])
    assert (queue.acked, queue.dead_letters, queue.unsettled) == ([good], [bad], ())


def test_what_is_not_settled_comes_again_after_a_lost_connection() -> None:
    queue = FakeJobsQueue()
    for body in (b"a", b"b"):
        queue.put(body)
    first, _ = queue.take(2, timeout=NOW)
    queue.reconnect()
    queue.settle([(first, Settlement.ACK)])
    again = queue.take(2, timeout=NOW)
    assert [(it.body, it.redelivered) for it in again] == [(b"a", True), (b"b", True)]
    assert queue.acked == []


def test_a_held_queue_delivers_nothing_until_it_is_resumed() -> None:
    queue = FakeJobsQueue()
    queue.put(b"a")
    queue.hold(paused=True)
    assert queue.take(1, timeout=NOW) == ()
    queue.hold(paused=False)
    assert [it.body for it in queue.take(1, timeout=NOW)] == [b"a"]


def test_an_exchange_keeps_what_it_confirms_and_nothing_else() -> None:
    exchange = FakeStatusExchange()
    sink: EventSink = exchange
    first, second = (
        Message(event_id=name, routing_key="site.started", body=b"{}") for name in ("1", "2")
    )
    exchange.refused.add("1")
    assert sink.publish([first, second]) == (False, True)
    exchange.is_available = False
    with pytest.raises(UnavailableError):
        sink.publish([first])
    assert exchange.published == [second]
