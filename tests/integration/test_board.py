"""The board over the testbed's RabbitMQ: filled from the stream of events, whatever happens."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import pytest
from rabbitmq_management import Management, own_namespace, until
from testbed import CHECKOUT, Testbed
from unit.board_events import publish, told
from unit.builders import running, seen, site
from unit.house import job_id

from bridge.adapters.rabbitmq import (
    Begin,
    HistoryReader,
    Publisher,
    RabbitReturnChannel,
    declare_topology,
)
from bridge.client import Bridge
from bridge.client.board import Board, BoardKeeper, UserState
from bridge.client.kept import kept_events
from bridge.core.settings import BrokerSettings
from bridge.ports import Passing
from bridge.wire.event import CloudEvent
from bridge.wire.limits import digest_of, limits_of
from bridge.wire.presence import Presence, presence_body

SITE = "testbed"
SOON = timedelta(seconds=60)
FOR_EVER = timedelta(days=100 * 365)
"""The stories are of a day long ago."""
DONE = running(seen("COMPLETED", 9, code=0, start=3, end=8, nodes="n1"))


@pytest.fixture
def settings(testbed: Testbed) -> Iterator[BrokerSettings]:
    with own_namespace(testbed.broker) as it:
        declare_topology(it, SITE)
        yield it


@pytest.fixture
def management(testbed: Testbed) -> Management:
    return Management(testbed.broker)


def jobs(first: int, count: int) -> list[CloudEvent]:
    return [event for number in range(first, first + count) for event in told(DONE, number)]


def read(history: HistoryReader, count: int) -> list[str | None]:
    """The ids of so many messages; pytest's time limit ends the wait for those that do not come."""
    found: list[str | None] = []
    while len(found) < count:
        deliveries = history.take(count - len(found), timeout=timedelta(seconds=1))
        history.done(deliveries)
        found += [it.message_id for it in deliveries]
    return found


def test_a_board_that_is_new_knows_what_was_told_before_and_hears_what_is_told_now(
    settings: BrokerSettings, tmp_path: Path
) -> None:
    publish(settings, jobs(1, 300))
    with Board(tmp_path / "board.sqlite") as board, BoardKeeper(settings, board, keep=FOR_EVER):
        assert until(lambda: board.counts()[UserState.COMPLETE] == 300, within=SOON)
        publish(settings, jobs(301, 5))
        assert until(lambda: board.counts()[UserState.COMPLETE] == 305, within=SOON)


def test_what_was_kept_is_read_to_its_end_although_more_comes_all_the_time(
    settings: BrokerSettings,
) -> None:
    publish(settings, jobs(1, 20))
    found: list[str | None] = []
    # Should it never end, pytest's time limit does.
    for number, events in enumerate(kept_events(settings, since=None, patience=SOON)):
        found += [it.data.job_id for it in events]
        publish(settings, jobs(100 + number, 1))
    assert {job_id(it) for it in range(1, 21)} <= set(found)


def test_a_board_that_was_deleted_is_made_anew_and_equal(
    settings: BrokerSettings, tmp_path: Path
) -> None:
    publish(settings, jobs(1, 50))
    path = tmp_path / "board.sqlite"
    with Board(path) as board, BoardKeeper(settings, board, keep=FOR_EVER):
        assert until(lambda: board.counts()[UserState.COMPLETE] == 50, within=SOON)
        before = board.jobs(size=1000), board.events(board.jobs().jobs[0].job_id)
    for file in tmp_path.glob("board.sqlite*"):
        file.unlink()
    with Board(path) as board, BoardKeeper(settings, board, keep=FOR_EVER):
        assert until(lambda: board.counts()[UserState.COMPLETE] == 50, within=SOON)
        assert (board.jobs(size=1000), board.events(board.jobs().jobs[0].job_id)) == before


def test_a_board_that_is_deleted_under_its_keeper_is_filled_again(
    settings: BrokerSettings, tmp_path: Path
) -> None:
    publish(settings, jobs(1, 20))
    path = tmp_path / "board.sqlite"
    with Board(path) as board, BoardKeeper(settings, board, keep=FOR_EVER):
        assert until(lambda: board.counts()[UserState.COMPLETE] == 20, within=SOON)
        for file in tmp_path.glob("board.sqlite*"):
            file.unlink()
        publish(settings, jobs(21, 1))
        assert until(lambda: board.counts()[UserState.COMPLETE] == 21, within=SOON)


def test_nothing_is_missed_and_nothing_comes_twice_when_the_connection_is_lost(
    settings: BrokerSettings, management: Management
) -> None:
    name = f"{settings.namespace} history"
    events = jobs(1, 10)
    with HistoryReader(settings, begin=Begin.NEXT) as history:
        assert history.wait_until_listening(SOON)
        publish(settings, events[:20])
        heard = read(history, 15)
        assert until(lambda: management.close_connections(name))
        publish(settings, events[20:])
        heard += read(history, 25)
        assert history.take(1, timeout=timedelta(seconds=1)) == ()
    assert heard == [it.id for it in events]


def test_a_stream_that_was_deleted_and_made_anew_is_read_from_its_beginning(
    settings: BrokerSettings, management: Management
) -> None:
    old, new = jobs(1, 10), jobs(11, 3)
    publish(settings, old)
    with HistoryReader(settings, patience=timedelta(seconds=2)) as history:
        assert read(history, 40) == [it.id for it in old]
        management.delete_queue(settings.history_queue)
        assert until(lambda: management.queue(settings.history_queue))
        assert history.wait_until_listening(SOON)
        publish(settings, new)
        assert read(history, 12) == [it.id for it in new]


def test_who_comes_back_goes_on_where_they_were(settings: BrokerSettings) -> None:
    events = jobs(1, 5)
    publish(settings, events)
    with HistoryReader(settings) as history:
        assert read(history, 7) == [it.id for it in events[:7]]
        bookmark = history.bookmark
    with HistoryReader(settings, bookmark=bookmark) as history:
        assert read(history, 13) == [it.id for it in events[7:]]


def test_a_history_that_somebody_made_otherwise_is_read_as_it_is(settings: BrokerSettings) -> None:
    publish(settings, jobs(1, 1))
    with HistoryReader(replace(settings, history_mib=10)) as history:
        assert len(read(history, 4)) == 4
        assert history.problems == ()


def documented_permissions(user: str, namespace: str) -> dict[str, str]:
    """What docs/broker.md gives this user, in a namespace of ours."""
    lines = (CHECKOUT / "docs" / "broker.md").read_text(encoding="utf-8").splitlines()
    (row,) = (it for it in lines if it.startswith(f"| {user} | `^"))
    patterns = re.findall("`(.*?)`", row.replace(r"\|", "|"))
    return {
        name: pattern.replace("hpc-bridge", re.escape(namespace))
        for name, pattern in zip(("configure", "write", "read"), patterns, strict=True)
    }


def test_a_front_end_submits_and_keeps_a_board_with_the_documented_permissions(
    settings: BrokerSettings, management: Management, tmp_path: Path
) -> None:
    name, password = f"test-{token_hex(4)}", token_hex(16)
    theirs = replace(settings, user=name, password=password)
    limits = limits_of(site())
    said = Presence(
        site=SITE,
        at=datetime.now(UTC),
        valid_seconds=60,
        bridge_version="1.2.3",
        running_since=datetime.now(UTC),
        limits_digest=digest_of(limits),
        waiting=0,
        live=1,
        is_reached=True,
        answered_seconds_ago=None,
    )
    presence = Passing(routing_key=f"{SITE}.presence", body=presence_body(said))
    publish(settings, jobs(1, 3))
    with (
        management.user(
            name, password, **documented_permissions("a front end", settings.namespace)
        ),
        Board(tmp_path / "board.sqlite") as board,
        BoardKeeper(theirs, board, keep=FOR_EVER) as keeper,
        Bridge(theirs) as front_end,
        Publisher(settings) as publisher,
    ):
        assert until(lambda: board.counts()[UserState.COMPLETE] == 3, within=SOON)
        assert until(lambda: board.heard_until() is not None, within=SOON)
        assert publisher.wait_until_connected(SOON)
        RabbitReturnChannel(settings, publisher).tell_presence(presence)
        assert until(lambda: any(it.presence == said for it in board.sites()), within=SOON)
        assert front_end.submit(SITE, {"name": "a", "image": "b", "command": ["c"]})
        assert keeper.is_keeping
