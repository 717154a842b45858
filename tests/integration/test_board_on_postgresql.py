"""The board in the testbed's PostgreSQL, filled over its RabbitMQ."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from postgresql_databases import new_database
from rabbitmq_management import own_namespace, until
from sqlalchemy import create_engine, inspect
from testbed import Testbed
from unit.board_events import publish, told
from unit.builders import running, seen

from bridge.adapters.rabbitmq import declare_topology
from bridge.client.board import Board, BoardKeeper, UserState
from bridge.core.settings import BrokerSettings
from bridge.wire.event import CloudEvent

pytestmark = pytest.mark.postgresql

FOR_EVER = timedelta(days=100 * 365)
"""The stories are of a day long ago."""
DONE = running(seen("COMPLETED", 9, code=0, start=3, end=8, nodes="n1"))


@pytest.fixture
def settings(testbed: Testbed) -> Iterator[BrokerSettings]:
    with own_namespace(testbed.broker) as it:
        declare_topology(it, "testbed")
        yield it


@pytest.fixture
def database() -> Iterator[str]:
    with new_database() as url:
        yield url


def jobs(first: int, count: int) -> list[CloudEvent]:
    return [event for number in range(first, first + count) for event in told(DONE, number)]


def is_complete(board: Board, count: int) -> bool:
    return until(lambda: board.counts()[UserState.COMPLETE] == count)


def test_of_two_keepers_one_keeps_the_board_also_when_the_database_was_killed_in_between(
    testbed: Testbed, settings: BrokerSettings, database: str
) -> None:
    publish(settings, jobs(1, 50))
    with Board(database) as one, Board(database) as other:
        keepers = [BoardKeeper(settings, it, keep=FOR_EVER) for it in (one, other)]
        with keepers[0], keepers[1]:
            assert is_complete(one, 50)
            testbed.kill("postgresql")
            try:
                publish(settings, jobs(51, 50))
            finally:
                testbed.start("postgresql")
            assert is_complete(one, 100)
            assert until(lambda: sum(it.is_keeping for it in keepers) == 1)
            keeps, stands_by = sorted(keepers, key=lambda it: not it.is_keeping)
            keeps.close()
            assert until(lambda: stands_by.is_keeping)
            publish(settings, jobs(101, 5))
            assert is_complete(other, 105)
        found = other.jobs(size=1000).jobs
        told_of = [[it.data.sequence for it in other.events(job.job_id)] for job in found]
        assert told_of == [[1, 2, 3, 4]] * 105
        assert other.number_set_aside() == 0


def test_who_owns_a_database_has_an_index_of_the_text_in_it(database: str) -> None:
    Board(database).close()
    engine = create_engine(database)
    names = {it["name"] for it in inspect(engine).get_indexes("bridge_jobs")}
    engine.dispose()
    assert {f"bridge_search_{it}" for it in ("name", "job_id", "image")} <= names
