"""Which bridges are there, as the board knows it: their load, their limits, and who hears them."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from unit.board_events import told
from unit.builders import at, running, site

from bridge.client.board import Board, BoardKeeper, BoardSite
from bridge.core.settings import BrokerSettings
from bridge.testing.bridges import FakeBridges
from bridge.testing.broker import FakeHistory
from bridge.wire.limits import SiteLimits, digest_of, limits_of
from bridge.wire.presence import Presence

BROKER = BrokerSettings(host="nowhere", port=1, virtual_host="/", user="u", password="p")
LIMITS = limits_of(site())


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with Board(tmp_path / "board.sqlite") as opened:
        yield opened


def presence(name: str = "testbed", *, limits: SiteLimits = LIMITS, live: int = 3) -> Presence:
    return Presence(
        site=name,
        at=at(0),
        valid_seconds=60,
        bridge_version="1.2.3",
        running_since=at(0),
        limits_digest=digest_of(limits),
        waiting=2,
        live=live,
        is_reached=True,
        answered_seconds_ago=1.5,
    )


def keeper(board: Board, bridges: FakeBridges) -> BoardKeeper:
    return BoardKeeper(
        BROKER,
        board,
        keep=timedelta(days=100 * 365),
        open_history=lambda _: FakeHistory(),
        open_bridges=lambda: bridges,
    )


def wait_until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.01)


def known(board: Board, name: str = "testbed") -> BoardSite:
    (found,) = (it for it in board.sites() if it.name == name)
    return found


def test_a_bridge_that_says_that_it_is_there_is_on_the_board(board: Board) -> None:
    bridges = FakeBridges({"testbed": LIMITS})
    bridges.say(presence())
    with keeper(board, bridges):
        wait_until(lambda: bool(board.sites()) and known(board).limits is not None)
    there = known(board)
    assert there.presence == presence()
    assert there.limits == LIMITS
    assert there.presence_at is not None
    assert there.heard_at == there.presence_at
    assert there.is_there(there.presence_at + timedelta(seconds=60))
    assert not there.is_there(there.presence_at + timedelta(seconds=61))


def test_what_it_said_last_counts_and_other_limits_are_asked_for(board: Board) -> None:
    bridges = FakeBridges({"testbed": LIMITS})
    other = limits_of(site(most_tasks=7))
    with keeper(board, bridges):
        bridges.say(presence())
        wait_until(lambda: bool(board.sites()) and known(board).limits == LIMITS)
        bridges.limits_of["testbed"] = other
        bridges.say(presence(limits=other, live=9))
        wait_until(lambda: known(board).limits == other)
    latest = known(board).presence
    assert latest is not None
    assert latest.live == 9


def test_a_bridge_that_does_not_tell_its_limits_is_there_all_the_same(board: Board) -> None:
    bridges = FakeBridges()
    with keeper(board, bridges):
        bridges.say(presence("dumb"))
        bridges.say(presence("other"))
        wait_until(lambda: len(board.sites()) == 2)
    assert known(board, "dumb").limits is None
    assert known(board, "dumb").presence == presence("dumb")


def test_a_site_that_only_its_jobs_speak_of_is_not_said_to_be_there(board: Board) -> None:
    board.record(told(running()))
    there = known(board)
    assert there.presence is None
    assert not there.is_there(there.heard_at)


def test_it_is_known_up_to_when_bridges_could_be_heard(board: Board) -> None:
    assert board.heard_until() is None
    bridges = FakeBridges()
    with keeper(board, bridges):
        wait_until(lambda: board.heard_until() is not None)


def test_nobody_is_heard_while_the_broker_is_away(board: Board) -> None:
    bridges = FakeBridges()
    bridges.is_heard = False
    with keeper(board, bridges):
        bridges.say(presence())
        wait_until(lambda: len(board.sites()) == 1)
    assert board.heard_until() is None


def test_pages_are_told_when_a_bridge_says_something(board: Board) -> None:
    before = board.revision()
    bridges = FakeBridges()
    with keeper(board, bridges):
        bridges.say(presence())
        wait_until(lambda: len(board.sites()) == 1)
    assert board.revision() > before
