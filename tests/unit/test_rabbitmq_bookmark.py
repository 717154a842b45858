"""Reading a stream on where it was left, and noticing that it is another one."""

from datetime import UTC, datetime

import pytest

from bridge.adapters.rabbitmq.bookmark import (
    Begin,
    Bookmark,
    StreamPosition,
    StreamReplacedError,
)
from bridge.ports import Delivery


def delivery(offset: int | None, *, message_id: str | None = None, connection: int = 1) -> Delivery:
    return Delivery(
        body=b"",
        message_id=message_id or f"event {offset}",
        redelivered=False,
        connection=connection,
        delivery_tag=1,
        offset=offset,
    )


def some(*offsets: int, connection: int = 1) -> list[Delivery]:
    return [delivery(it, connection=connection) for it in offsets]


def read_up_to(offset: int) -> StreamPosition:
    return StreamPosition(Begin.FIRST, Bookmark(offset=offset, message_id=f"event {offset}"))


@pytest.mark.parametrize(
    ("begin", "argument"),
    [
        (Begin.FIRST, "first"),
        (Begin.NEXT, "next"),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_who_has_read_nothing_begins_where_they_like(
    begin: Begin | datetime, argument: object
) -> None:
    position = StreamPosition(begin)
    assert position.arguments() == {"x-stream-offset": argument}
    assert position.news(some(7, 8)) == tuple(some(7, 8))


def test_who_has_read_something_goes_on_with_the_last_of_it_and_gets_it_once() -> None:
    position = read_up_to(10)
    assert position.arguments() == {"x-stream-offset": 10}
    assert position.news(some(10, 11, 12)) == tuple(some(11, 12))


def test_after_a_lost_connection_nothing_comes_twice() -> None:
    position = StreamPosition(Begin.NEXT)
    position.arguments()
    assert len(position.news(some(1, 2, 3))) == 3
    position.read(delivery(2))
    assert position.arguments() == {"x-stream-offset": 2}
    assert position.news(some(2, 3, 4, connection=2)) == tuple(some(3, 4, connection=2))


def test_what_was_read_while_the_connection_was_lost_is_not_taken_for_another_stream() -> None:
    position = read_up_to(10)
    position.arguments()
    taken = position.news(some(10, 11, 12))
    position.arguments()
    position.read(taken[-1])
    assert position.news(some(10, 11, 12, 13, connection=2)) == tuple(some(13, connection=2))


def test_another_stream_with_another_message_in_that_place_is_noticed() -> None:
    position = read_up_to(10)
    position.arguments()
    with pytest.raises(StreamReplacedError):
        position.news([delivery(10, message_id="something else")])


def test_who_reads_on_waits_until_something_has_come() -> None:
    position = read_up_to(10)
    assert position.waits_for is None
    position.arguments()
    assert position.waits_for == position.bookmark
    position.news(some(10))
    assert position.waits_for is None


def test_another_stream_that_is_shorter_is_noticed() -> None:
    position = read_up_to(10)
    position.arguments()
    with pytest.raises(StreamReplacedError):
        position.news(some(3))


def test_another_stream_on_the_same_connection_is_noticed() -> None:
    position = StreamPosition(Begin.FIRST)
    position.arguments()
    for it in position.news(some(0, 1, 2, 3)):
        position.read(it)
    position.arguments()
    with pytest.raises(StreamReplacedError):
        position.news([delivery(0, message_id="something else")])


def test_another_consumer_of_the_same_stream_on_the_same_connection_goes_on() -> None:
    position = StreamPosition(Begin.FIRST)
    position.arguments()
    for it in position.news(some(0, 1, 2, 3)):
        position.read(it)
    position.arguments()
    assert position.news(some(3, 4)) == tuple(some(4))


def test_messages_that_the_broker_has_dropped_are_counted() -> None:
    position = read_up_to(10)
    position.arguments()
    assert position.news(some(15, 16)) == tuple(some(15, 16))
    assert position.missed == 4


def test_a_message_without_a_place_is_news_and_moves_nothing() -> None:
    position = read_up_to(10)
    position.arguments()
    assert position.news([delivery(None)]) == (delivery(None),)
    position.read(delivery(None))
    assert position.bookmark == Bookmark(offset=10, message_id="event 10")
