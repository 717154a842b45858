"""The board: how far it is behind, and how long a page waits for it."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path

from rabbitmq_management import own_namespace, until
from sqlalchemy import func, select
from unit.board_events import told
from unit.builders import running, seen

from bench.figures import Figure, below, percentile
from bench.world import World
from bridge.adapters.rabbitmq import Publisher, RabbitEventSink, declare_topology
from bridge.client.board import Board, BoardKeeper, JobFilter, JobSort, UserState, schema
from bridge.core.settings import BrokerSettings
from bridge.wire.event import CloudEvent, Message

_RATE = 2_000
_TICK_S = 0.05
_PATIENCE = timedelta(seconds=120)
_EVENTS_OF_A_JOB = 4
_DONE = running(seen("COMPLETED", 9, code=0, start=3, end=8, nodes="n1"))
_RUNS = running()


def board(world: World) -> Iterator[Figure]:
    """Seconds that the board is behind, and milliseconds that its answers take."""
    with world.folder() as folder:
        yield from _lag(world, folder / "lag.sqlite")
        yield from _queries(world, folder / "queries.sqlite")


def _lag(world: World, path: Path) -> Iterator[Figure]:
    seconds = 5 if world.quick else 20
    lags: list[float] = []
    with own_namespace(world.testbed.broker) as settings, Board(path) as page:
        declare_topology(settings, "testbed")
        stop = multiprocessing.get_context("spawn").Event()
        keeper = multiprocessing.get_context("spawn").Process(
            target=_keep, args=(settings, path, stop)
        )
        keeper.start()
        try:
            events = 0
            with Publisher(settings) as publisher:
                sink = RabbitEventSink(settings, publisher)
                sink.publish(_messages(0, 1))
                if not until(lambda: page.jobs().total == 1, within=_PATIENCE):
                    raise RuntimeError("the keeper does not keep")
                began = time.monotonic()
                while (elapsed := time.monotonic() - began) < seconds:
                    due = int(elapsed * _RATE) // _EVENTS_OF_A_JOB - events // _EVENTS_OF_A_JOB
                    if due > 0:
                        sink.publish(_messages(1 + events // _EVENTS_OF_A_JOB, due))
                        events += due * _EVENTS_OF_A_JOB
                    lags.append(_behind(page))
                    time.sleep(_TICK_S)
            wanted = 1 + events // _EVENTS_OF_A_JOB
            until(lambda: page.counts()[UserState.COMPLETE] == wanted, within=_PATIENCE)
            if page.counts()[UserState.COMPLETE] != wanted:
                raise RuntimeError("the board has not got all jobs")
        finally:
            stop.set()
            keeper.join(60)
    yield Figure(
        name="board: behind at 2,000 events/s, p95",
        unit="s",
        ours=percentile(lags, 95),
        note=f"{events / seconds:.0f} events/s for {seconds} s; p50 {percentile(lags, 50):.2f}",
    )


def _keep(settings: BrokerSettings, path: Path, stop: ProcessEvent) -> None:
    with Board(path) as kept, BoardKeeper(settings, kept, keep=timedelta(days=36500)):
        stop.wait()


def _behind(page: Board) -> float:
    newest = select(func.max(schema.events.c.at, type_=schema.events.c.at.type))
    at: datetime = page.database.read(lambda it: it.execute(newest).scalar_one())
    return (datetime.now(UTC) - at).total_seconds()


def _messages(first: int, jobs: int) -> list[Message]:
    now = datetime.now(UTC)
    return [
        Message(
            event_id=it.id,
            routing_key=f"{it.data.site}.{it.data.event}",
            body=it.model_dump_json().encode(),
        )
        for number in range(first, first + jobs)
        for it in (event.model_copy(update={"time": now}) for event in told(_DONE, number))
    ]


def _queries(world: World, path: Path) -> Iterator[Figure]:
    jobs = 10_000 if world.quick else 100_000
    with Board(path) as page:
        began = time.perf_counter()
        _fill(page, jobs)
        yield Figure(
            name="board: taking in",
            unit="events/s",
            ours=_events_of(jobs) / (time.perf_counter() - began),
            note=f"{_events_of(jobs)} events of {jobs} jobs, without a broker",
        )
        middle = page.jobs(sort=JobSort.NAME, size=1, offset=jobs // 2).jobs[0].job_id
        questions: dict[str, Callable[[], object]] = {
            "newest 50": page.jobs,
            "sorted by name": lambda: page.jobs(sort=JobSort.NAME),
            "running, sorted by when accepted": lambda: page.jobs(
                JobFilter(states={UserState.RUNNING})
            ),
            "queued or running": lambda: page.jobs(
                JobFilter(states={UserState.QUEUED, UserState.RUNNING})
            ),
            "queued or complete": lambda: page.jobs(
                JobFilter(states={UserState.QUEUED, UserState.COMPLETE})
            ),
            "of two kinds": lambda: page.jobs(JobFilter(kinds={"training", "other"})),
            "one user's": lambda: page.jobs(JobFilter(users={"user 7"})),
            "with a label": lambda: page.jobs(JobFilter(labels={"experiment": "42"})),
            "page in the middle, by offset": lambda: page.jobs(offset=jobs // 2),
            "text that one job has": lambda: page.jobs(JobFilter(text=f"job {jobs - 5}")),
            "counts by state": page.counts,
            "one job": lambda: page.job(middle),
            "its events": lambda: page.events(middle),
        }
        for name, ask in questions.items():
            took = _times(ask)
            yield Figure(
                name=f"board: {name}",
                unit="ms",
                ours=percentile(took, 50),
                goal=None if "offset" in name else below(5),
                note=f"{jobs} jobs; p99 {percentile(took, 99):.1f}",
            )


def _events_of(jobs: int) -> int:
    return jobs * (_EVENTS_OF_A_JOB - 1) + jobs - jobs // 100


def _fill(page: Board, jobs: int) -> None:
    some: list[CloudEvent] = []
    for number in range(jobs):
        story = _RUNS if number % 100 == 0 else _DONE
        some += told(
            story,
            number,
            later=number / 10,
            name=f"job {number}",
            user=f"user {number % 100}",
            labels=(("experiment", str(number % 1000)),),
        )
        if len(some) >= 5_000:
            page.record(some)
            some = []
    page.record(some)


def _times(ask: Callable[[], object]) -> Sequence[float]:
    took = []
    for _ in range(101):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1e3)
    return took[1:]
