"""The board's keeper: everything once, one keeper at a time, and the next one goes on."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import DataError
from structlog.testing import capture_logs
from unit.board_events import told
from unit.builders import at, running, seen
from unit.house import job_id

from bridge.adapters.rabbitmq import Bookmark
from bridge.client.board import Board, BoardKeeper, UserState, schema
from bridge.client.board.lease import Lease
from bridge.client.board.rows import event_row
from bridge.core.errors import SupersededError
from bridge.core.settings import BrokerSettings
from bridge.testing.bridges import FakeBridges
from bridge.testing.broker import FakeHistory
from bridge.wire.event import CloudEvent, decode

BROKER = BrokerSettings(host="nowhere", port=1, virtual_host="/", user="u", password="p")
PATIENCE = timedelta(seconds=60)
DONE = running(seen("COMPLETED", 9, code=0, start=3, end=8, nodes="n1"))


def bodies(*events: CloudEvent) -> list[bytes]:
    return [it.model_dump_json().encode() for it in events]


def keeper(board: Board, history: FakeHistory) -> BoardKeeper:
    def open_history(bookmark: Bookmark | None) -> FakeHistory:
        return history.begin_at(0 if bookmark is None else bookmark.offset + 1)

    # No job of these stories is old enough to be forgotten.
    keep = timedelta(days=100 * 365)
    return BoardKeeper(
        BROKER, board, keep=keep, open_history=open_history, open_bridges=FakeBridges
    )


def wait_until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE.total_seconds()
    while not holds():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.01)


def test_what_is_told_is_on_the_board(board: Board) -> None:
    history = FakeHistory()
    history.put(*bodies(*told(DONE, 1)))
    with keeper(board, history):
        assert history.wait_until_read(4, PATIENCE)
        history.put(*bodies(*told(running(), 2)))
        assert history.wait_until_read(7, PATIENCE)
    assert board.counts()[UserState.COMPLETE] == 1
    assert board.counts()[UserState.RUNNING] == 1


def test_the_next_keeper_goes_on_where_the_last_one_was(board: Board) -> None:
    history = FakeHistory()
    first, *rest = bodies(*told(DONE, 1))
    history.put(first)
    with keeper(board, history):
        assert history.wait_until_read(1, PATIENCE)
    history.put(*rest)
    taken: list[int] = []

    def open_history(bookmark: Bookmark | None) -> FakeHistory:
        assert bookmark is not None
        taken.append(bookmark.offset)
        return history.begin_at(bookmark.offset + 1)

    with BoardKeeper(
        BROKER,
        board,
        keep=timedelta(days=36500),
        open_history=open_history,
        open_bridges=FakeBridges,
    ):
        assert history.wait_until_read(4, PATIENCE)
    assert taken == [0]
    assert [it.data.sequence for it in board.events(job_id(1))] == [1, 2, 3, 4]


def test_of_two_keepers_one_stands_by_and_takes_over_when_the_other_ends(board: Board) -> None:
    history = FakeHistory()
    first, second = keeper(board, history), keeper(board, history)
    with second:
        wait_until(lambda: second.is_keeping)
        with first:
            history.put(*bodies(*told(DONE, 1)))
            assert history.wait_until_read(4, PATIENCE)
            assert (second.is_keeping, first.is_keeping) == (True, False)
            second.close()
            wait_until(lambda: first.is_keeping)
    assert board.jobs().total == 1


def test_what_is_no_status_event_is_passed_over(board: Board) -> None:
    history = FakeHistory()
    history.put(b"garbage", *bodies(*told(DONE, 1)), b"[]")
    with keeper(board, history):
        assert history.wait_until_read(6, PATIENCE)
    assert board.jobs().total == 1


def test_an_event_that_cannot_be_stored_takes_no_other_with_it(board: Board) -> None:
    accepted, *_ = told(DONE, 2)
    data = accepted.data.model_copy(update={"exit_code": 2**80})
    impossible = accepted.model_copy(update={"data": data})
    history = FakeHistory()
    history.put(*bodies(*told(DONE, 1), impossible, *told(DONE, 3)))
    with capture_logs() as logs, keeper(board, history):
        assert history.wait_until_read(9, PATIENCE)
    assert {it.job_id for it in board.jobs().jobs} == {job_id(1), job_id(3)}
    assert [it["id"] for it in logs if it["event"] == "event_set_aside"] == [impossible.id]
    (aside,) = board.set_aside()
    assert (aside.event_id, aside.job_id, aside.at) == (impossible.id, job_id(2), impossible.time)
    assert aside.error.startswith(("OverflowError: ", "DataError: "))
    assert board.number_set_aside() == 1


def test_an_event_that_trips_over_a_bug_is_set_aside_and_those_after_it_go_on(
    board: Board,
) -> None:
    history = FakeHistory()
    first, second, *rest = told(DONE, 1)
    history.put(*bodies(first))
    with capture_logs() as logs, keeper(board, history):
        assert history.wait_until_read(1, PATIENCE)
        # What no event can do: whoever folds the next ones into this job trips over it.
        board.database.write(lambda it, _: it.execute(update(schema.jobs).values(artifacts="[1]")))
        history.put(*bodies(second, *told(DONE, 2)))
        assert history.wait_until_read(6, PATIENCE)
        board.database.write(lambda it, _: it.execute(update(schema.jobs).values(artifacts="[]")))
        history.put(*bodies(*rest))
        assert history.wait_until_read(8, PATIENCE)
    assert board.counts()[UserState.COMPLETE] == 2
    assert [it.event_id for it in board.set_aside()] == [second.id]
    assert "TypeError: " in board.set_aside()[0].error
    assert [it.id for it in board.events(job_id(1))] == [first.id, *(it.id for it in rest)]
    assert [it["id"] for it in logs if it["event"] == "event_set_aside"] == [second.id]


def test_a_message_over_which_reading_trips_is_set_aside_until_a_newer_version_can_read_it(
    place: str,
) -> None:
    first, second, *rest = told(DONE, 1)
    unlucky, never = second.model_dump_json().encode(), b"\xff\x00"

    def read(body: bytes) -> CloudEvent:
        if body in {unlucky, never}:
            raise KeyError("a bug")
        return decode(body)

    history = FakeHistory()
    history.put(*bodies(first), unlucky, never, *bodies(*rest, *told(DONE, 2)))
    with (
        Board(place) as old,
        capture_logs() as logs,
        BoardKeeper(
            BROKER,
            old,
            keep=timedelta(days=100 * 365),
            open_history=lambda _: history.begin_at(0),
            open_bridges=FakeBridges,
            read=read,
        ),
    ):
        assert history.wait_until_read(9, PATIENCE)
        assert [it.id for it in old.events(job_id(1))] == [first.id, *(it.id for it in rest)]
        assert old.counts()[UserState.COMPLETE] == 2
        assert {it.error for it in old.set_aside()} == {"KeyError: 'a bug'"}
        assert old.number_set_aside() == 2
        old.database.write(lambda it, _: it.execute(update(schema.board).values(version=1)))
    assert "board_keeper_broken" not in {it["event"] for it in logs}
    with Board(place) as new:
        assert [it.id for it in new.events(job_id(1))] == [it.id for it in told(DONE, 1)]
        assert new.number_set_aside() == 1


def test_an_event_that_trips_again_is_set_aside_once(board: Board) -> None:
    lease = Lease(board.database, "one")
    lease.take(at(0))
    accepted, *_ = told(DONE, 1)
    data = accepted.data.model_copy(update={"exit_code": 2**80})
    impossible = accepted.model_copy(update={"data": data})
    for minute in (1, 2):
        assert isinstance(lease.record_alone(impossible, now=at(minute)), OverflowError | DataError)
    assert [it.set_aside_at for it in board.set_aside()] == [at(2)]
    assert board.prune(at(3)) == 0
    assert board.set_aside() == ()


def test_a_newer_version_takes_in_what_was_set_aside_and_sets_aside_what_trips_it(
    place: str,
) -> None:
    first, second, *_ = told(DONE, 1)
    third, *_ = told(DONE, 3)
    data = third.data.model_copy(update={"exit_code": 2**80})
    impossible = third.model_copy(update={"id": "impossible", "data": data})
    with Board(place) as old:
        lease = Lease(old.database, "one")
        lease.take(at(0))
        lease.record([first, *told(DONE, 2)], bookmark=None, now=at(0))
        old.database.write(lambda it, _: it.execute(update(schema.jobs).values(artifacts="[1]")))
        assert isinstance(lease.record_alone(second, now=at(1)), TypeError)
        old.database.write(
            lambda it, _: it.execute(insert(schema.events).values(event_row(impossible)))
        )
        old.database.write(lambda it, _: it.execute(update(schema.board).values(version=1)))
    with Board(place) as new:
        assert [it.event_id for it in new.set_aside()] == ["impossible"]
        assert [it.id for it in new.events(job_id(1))] == [first.id, second.id]
        assert new.counts()[UserState.COMPLETE] == 1
        assert new.jobs().total == 2


def test_jobs_that_were_over_long_ago_are_forgotten_by_the_keeper(board: Board) -> None:
    board.record(told(DONE, 1))
    with BoardKeeper(BROKER, board, open_history=lambda _: FakeHistory(), open_bridges=FakeBridges):
        wait_until(lambda: board.jobs().total == 0)


def test_a_board_is_free_when_its_keeper_has_been_silent_for_too_long(board: Board) -> None:
    one, other = Lease(board.database, "one"), Lease(board.database, "other")
    assert one.take(at(0))
    assert not other.take(at(0.4))
    assert one.take(at(0.4))
    assert not other.take(at(0.8))
    assert other.take(at(1))
    assert not one.take(at(1))


def test_a_keeper_that_was_taken_for_dead_writes_nothing_more(board: Board) -> None:
    one, other = Lease(board.database, "one"), Lease(board.database, "other")
    assert one.take(at(0))
    assert other.take(at(10))
    with pytest.raises(SupersededError, match="other keeps the board now"):
        one.record(told(DONE), bookmark=None, now=at(11))
    assert board.jobs().total == 0
    one.give_back()
    assert not one.take(at(10))


def test_a_bookmark_is_there_when_its_events_are(board: Board) -> None:
    lease = Lease(board.database, "one")
    lease.take(at(0))
    assert lease.bookmark() is None
    mark = Bookmark(offset=41, message_id="message 41")
    lease.record(told(DONE), bookmark=mark, now=at(0))
    lease.record([], bookmark=None, now=at(0))
    assert lease.bookmark() == mark


def test_a_keeper_that_only_shows_that_it_lives_wakes_no_page(board: Board) -> None:
    lease = Lease(board.database, "one")
    lease.take(at(0))
    before = board.revision()
    lease.take(at(1))
    lease.record([], bookmark=Bookmark(offset=1, message_id=None), now=at(1))
    assert board.revision() == before
