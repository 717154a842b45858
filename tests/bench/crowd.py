"""Many jobs that Slurm holds, and a journal that knows them among many more that are over."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure, below
from bench.filling import Filling, fill, job_id
from bench.process_cost import Cost
from bench.slurm_calls import SlurmCalls, controller_requests
from bench.world import MeasuredBridge, World, testbed_variables, venv_python
from bridge.core.job import SlurmId, submission_tag

_FEW = 10
_FIRST_LOOK_SECONDS = 120
_ONE_LOOK = Path(__file__).with_name("one_look.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """What a bridge cost over a while."""

    commands_per_minute: float
    requests_per_minute: float
    cpu_share: float
    cost: Cost


def tracked(world: World) -> Iterator[Figure]:
    """What many live jobs cost; raw is the same bridge with ten of them, or Slurm's own command."""
    live = 1_000 if world.quick else 10_000
    world.wait_until_forgotten()
    with _crowd(world, live=_FEW, finished=0) as (bridge, calls):
        few = _load(world, bridge, calls)
    with _crowd(world, live=live, finished=0) as (bridge, calls):
        many = _load(world, bridge, calls)
        looks = _looks(world, bridge, live)
        squeue = min(_squeue_seconds(world) for _ in range(3))
    beside = f"{live} held jobs; raw: with {_FEW} jobs"
    yield Figure(
        name="tracked: Slurm commands",
        unit="1/min",
        ours=many.commands_per_minute,
        raw=few.commands_per_minute,
        note=f"{beside}; flat in the number of jobs",
    )
    yield Figure(
        name="tracked: controller requests",
        unit="1/min",
        ours=many.requests_per_minute,
        raw=few.requests_per_minute,
        note="as sdiag counts them for the user",
    )
    yield Figure(
        name="tracked: CPU",
        unit="% of a core",
        ours=100 * many.cpu_share,
        raw=100 * few.cpu_share,
        note="of the daemon, its commands included",
    )
    yield Figure(
        name="tracked: memory",
        unit="MB",
        ours=many.cost.peak_mb,
        raw=few.cost.peak_mb,
        goal=below(150),
        note=f"highest resident; at the end {many.cost.rss_mb:.0f} MB",
    )
    yield Figure(
        name="tracked: one look",
        unit="s",
        ours=statistics.median(looks),
        raw=squeue,
        note="nothing changed; raw: squeue with the same columns",
    )


def restart(world: World) -> Iterator[Figure]:
    """From exec until the daemon takes jobs; raw is the same with an empty journal."""
    live, finished = (1_000, 9_000) if world.quick else (10_000, 90_000)
    starts = 3
    with world.bridge() as bridge:
        empty = [_start(bridge) for _ in range(starts)]
    with _crowd(world, live=live, finished=finished) as (bridge, _):
        full = [_start(bridge) for _ in range(starts)]
        size = Path(bridge.settings.journal.path).stat().st_size / 1e6
    yield Figure(
        name="restart: ready to take jobs",
        unit="s",
        ours=statistics.median(full),
        raw=statistics.median(empty),
        goal=below(3),
        note=f"{live + finished} jobs in the journal ({size:.0f} MB), {live} live; raw: none",
    )


@contextmanager
def _crowd(
    world: World, *, live: int, finished: int
) -> Iterator[tuple[MeasuredBridge, SlurmCalls]]:
    with world.folder() as folder:
        calls = SlurmCalls.of(world, folder / "bin")
        with world.bridge(calls.configure) as bridge:
            prefix = bridge.settings.site.tag_prefix
            jobs = [job_id(number) for number in range(1, live + 1)]
            array = _hold_array(world, [submission_tag(prefix, it, 1) for it in jobs])
            known = [(it, SlurmId(f"{array}_{number}")) for number, it in enumerate(jobs)]
            path = Path(bridge.settings.journal.path)
            fill(path, bridge.settings.site, Filling(finished=finished, live=known))
            world.give(bridge.folder)
            try:
                yield bridge, calls
            finally:
                bridge.end()
                world.cancel_all()


def _hold_array(world: World, names: list[str]) -> str:
    """Have Slurm hold a job of each of these names; the array that they are tasks of.

    A name of its own makes each task a record of its own at the controller, as any job is; an
    array that is left alone is one record, and would flatter us.
    """
    array = world.run(
        ["sbatch", "--parsable", "--hold", f"--array=0-{len(names) - 1}", "--output=/dev/null"],
        stdin="#!/bin/sh\ntrue\n",
    ).strip()
    updates = (f"update JobId={array}_{task} JobName={name}" for task, name in enumerate(names))
    world.run(["scontrol"], stdin="\n".join([*updates, "quit", ""]))
    named = set(world.run(["squeue", "--me", "--noheader", "--array", "--format=%j"]).split())
    if not named >= set(names):
        raise RuntimeError(f"Slurm holds {len(named & set(names))} of {len(names)} jobs")
    return array


def _load(world: World, bridge: MeasuredBridge, calls: SlurmCalls) -> _Load:
    seconds = 16 if world.quick else 45
    bridge.start()
    # From one look to the next: what it costs to begin is told by `restart`.
    _wait(lambda: calls.counted().get("squeue", 0) >= 1)
    time.sleep(2)
    before, commands, requests = bridge.cost(), calls.counted(), controller_requests(world)
    time.sleep(seconds)
    after = bridge.cost()
    called = sum(calls.counted().values()) - sum(commands.values())
    cpu = after.cpu_s + after.children_s - before.cpu_s - before.children_s
    answered = controller_requests(world) - requests
    bridge.end()
    return _Load(
        commands_per_minute=60 * called / seconds,
        requests_per_minute=60 * answered / seconds,
        cpu_share=cpu / seconds,
        cost=after,
    )


def _looks(world: World, bridge: MeasuredBridge, live: int) -> list[float]:
    variables = [f"{name}={value}" for name, value in testbed_variables().items()]
    argv = [venv_python(world.testbed), "-", str(bridge.site_file)]
    source = _ONE_LOOK.read_text(encoding="utf-8")
    answer = json.loads(world.run(["env", *variables, *argv], stdin=source))
    if (answer["live"], answer["changed"]) != (live, 0):
        raise RuntimeError(f"the look was to see {live} jobs and no change: {answer}")
    seconds: list[float] = answer["seconds"]
    return seconds


def _squeue_seconds(world: World) -> float:
    columns = "%i|%T|%r|%V|%S|%e|%N|%j"
    began = time.perf_counter()
    world.run(["squeue", "--me", "--noheader", "--array", "--states=all", f"--format={columns}"])
    return time.perf_counter() - began


def _start(bridge: MeasuredBridge) -> float:
    seconds = bridge.start_timed()
    bridge.end()
    return seconds


def _wait(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + _FIRST_LOOK_SECONDS
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError(f"no look within {_FIRST_LOOK_SECONDS} s")
        time.sleep(0.2)
