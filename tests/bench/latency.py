"""From what happens in a container to the event at its reader."""

import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pika import BlockingConnection
from site_bridge import Configuration

from bench.amqp import Ear, parameters, persistent, send_unconfirmed
from bench.figures import Figure, below, percentile
from bench.slurm_calls import SlurmCalls
from bench.world import SOME, MeasuredBridge, World

_QUESTIONS = ("squeue", "sacct")
_QUERIES_PER_MINUTE = 4
_LOOK_SECONDS = 60 * len(_QUESTIONS) / _QUERIES_PER_MINUTE
"""A look may take one of each."""
_JOB_SECONDS = 240
_PING_SECONDS = 0.1
_GOAL_SECONDS = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """How jobs come: so many at once, so often one after the other, of lengths between these."""

    at_once: int
    times: int
    shortest_s: float
    longest_s: float


def latency(world: World) -> Iterator[Figure]:
    """Seconds from the job's own start and the container's own end to the event at a reader.

    Raw is a message of a like size that goes straight through the broker meanwhile. Slurm is asked
    four times a minute at most.
    """
    world.wait_until_forgotten(but=SOME)
    rounds = (
        (_Round(at_once=10, times=1, shortest_s=3, longest_s=12),)
        if world.quick
        else (
            _Round(at_once=1, times=6, shortest_s=1, longest_s=4),
            _Round(at_once=100, times=1, shortest_s=20, longest_s=60),
        )
    )
    for jobs in rounds:
        yield from _measure(world, jobs)


def _measure(world: World, jobs: _Round) -> Iterator[Figure]:
    def configure(configuration: Configuration) -> None:
        calls.configure(configuration)
        configuration["scheduler"]["queries_per_minute"] = _QUERIES_PER_MINUTE

    with world.folder() as folder:
        calls = SlurmCalls.of(world, folder / "bin")
        with world.bridge(configure) as bridge:
            exchange = bridge.settings.broker.events_exchange
            with Ear(world.testbed.broker, exchange=exchange) as ear:
                bridge.start()
                began = time.monotonic()
                with _Pings(world, exchange):
                    job_ids = _run(world, bridge, ear, jobs)
                minutes = (time.monotonic() - began) / 60
            stamps = {it: _stamps(bridge, it) for it in job_ids}
            counted = calls.counted()
    asked = ", ".join(f"{it} {counted.get(it, 0) / minutes:.1f}/min" for it in _QUESTIONS)
    yield from _figures(jobs, stamps, ear, asked)


def _run(world: World, bridge: MeasuredBridge, ear: Ear, jobs: _Round) -> list[str]:
    """Run the jobs to their end; their ids."""
    job_ids: list[str] = []
    for _ in range(jobs.times):
        asked = [_job(world, bridge, jobs) for _ in range(jobs.at_once)]
        job_ids += [str(it["job_id"]) for it in asked]
        send_unconfirmed(
            world.testbed.broker,
            exchange=bridge.settings.broker.jobs_exchange,
            routing_key=bridge.name,
            bodies=[json.dumps(it).encode() for it in asked],
        )
        ear.wait_for("exited", len(job_ids), seconds=_JOB_SECONDS)
    ear.wait_for("finished", len(job_ids), seconds=_JOB_SECONDS)
    return job_ids


def _job(world: World, bridge: MeasuredBridge, jobs: _Round) -> dict[str, object]:
    seconds = random.uniform(jobs.shortest_s, jobs.longest_s)  # noqa: S311
    # The other image's `date` knows no fractions of seconds.
    image = f"{world.testbed.images}/sklearn.sif"
    command = f"date +%s.%N; sleep {seconds:.3f}; date +%s.%N"
    return bridge.job("sh", "-c", command, image=image)


def _stamps(bridge: MeasuredBridge, job_id: str) -> tuple[float, float]:
    """When the container began and ended, by its own clock."""
    began, ended = (bridge.folder / job_id / "stdout").read_text(encoding="utf-8").split()
    return float(began), float(ended)


def _figures(
    jobs: _Round, stamps: dict[str, tuple[float, float]], ear: Ear, asked: str
) -> Iterator[Figure]:
    late: dict[str, list[float]] = defaultdict(list)
    for arrival in ear.arrivals:
        kind, content = arrival.routing_key.rpartition(".")[2], json.loads(arrival.body)
        if kind == "ping":
            late[kind].append(arrival.at - content["at"])
            continue
        data = content["data"]
        began, ended = stamps[data["job_id"]]
        if kind == "started":
            # The job's script begins before its container does: the stricter of the two.
            began_script = datetime.fromisoformat(data["started_at"]).timestamp()
            late[kind].append(arrival.at - min(began_script, began))
            late["container"].append(arrival.at - began)
        else:
            late[kind].append(arrival.at - ended)
    in_container = f"from the container's start p95 {percentile(late['container'], 95):.2f}; "
    for kind, goal, more in (
        ("started", _GOAL_SECONDS, in_container),
        ("exited", _GOAL_SECONDS, ""),
        ("finished", _LOOK_SECONDS + _GOAL_SECONDS, f"{asked}; "),
    ):
        yield Figure(
            name=f"latency: {kind}, {jobs.at_once} at once, p95",
            unit="s",
            ours=percentile(late[kind], 95),
            raw=percentile(late["ping"], 95),
            goal=below(goal),
            note=f"{_percentiles(late[kind])}; {more}{len(late[kind])} jobs",
        )


def _percentiles(values: Sequence[float]) -> str:
    return ", ".join(f"p{it} {percentile(values, it):.2f}" for it in (50, 95, 99))


class _Pings:
    """Sends messages with the time of sending past the bridge."""

    def __init__(self, world: World, exchange: str) -> None:
        self._broker = world.testbed.broker
        self._exchange = exchange
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, name="pings")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        with BlockingConnection(parameters(self._broker)) as connection:
            channel = connection.channel()
            while not self._over.wait(_PING_SECONDS):
                body = json.dumps({"at": time.time(), "like": "x" * 800}).encode()
                channel.basic_publish(self._exchange, "bench.ping", body, persistent("ping"))
