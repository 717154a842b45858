"""From a message to a job that Slurm has."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from site_bridge import Configuration

from bench.amqp import Ear, send_unconfirmed
from bench.figures import Figure, at_least
from bench.world import SOME, MeasuredBridge, World
from bridge.script import render
from bridge.wire.request import read_job

_SECONDS = 300


def hold(configuration: Configuration) -> None:
    """Have a site's jobs held."""
    # Nothing of what is submitted runs: only the way into Slurm is measured.
    configuration["directives"] = ["--hold"]


def submit(world: World) -> Iterator[Figure]:
    """Jobs a second; raw is `xargs -P` over as many `sbatch` of the very same scripts.

    Half of the raw submissions come before ours and half after, since Slurm slows down as it
    fills.
    """
    count = 200 if world.quick else 2000
    world.wait_until_forgotten(but=SOME)
    with world.bridge(hold) as bridge:
        parallel = bridge.settings.scheduler.parallel_submissions
        scripts = held_scripts(world, bridge, count)
        raw_seconds = xargs_sbatch(world, scripts[: count // 2], parallel)
        bridge.start()
        bodies = [json.dumps(bridge.job()).encode() for _ in range(count)]
        with Ear(world.testbed.broker, exchange=bridge.settings.broker.events_exchange) as ear:
            before, began = bridge.cost(), time.time()
            send_unconfirmed(
                world.testbed.broker,
                exchange=bridge.settings.broker.jobs_exchange,
                routing_key=bridge.name,
                bodies=bodies,
            )
            ear.wait_for("queued", count, seconds=_SECONDS)
            after = bridge.cost()
        ours_seconds = max(it.at for it in ear.arrivals if ".queued" in it.routing_key) - began
        bridge.end()
        _check(world, count)
        world.cancel_all()
        raw_seconds += xargs_sbatch(world, scripts[count // 2 :], parallel)
    own = after.cpu_s - before.cpu_s
    yield Figure(
        name="submit: message to queued",
        unit="jobs/s",
        ours=count / ours_seconds,
        raw=count / raw_seconds,
        goal=at_least(0.8, "ratio"),
        note=f"{count} jobs, {parallel} sbatch at once; raw: xargs -P {parallel} sbatch",
    )
    yield Figure(
        name="submit: CPU of the daemon",
        unit="ms/job",
        ours=1000 * own / count,
        raw=1000 * (after.children_s - before.children_s) / count,
        note="raw: of the sbatch processes",
    )


def held_scripts(world: World, bridge: MeasuredBridge, count: int) -> Sequence[Path]:
    """So many files, each the script of a job of the bridge's."""
    folder = bridge.folder / "raw"
    folder.mkdir()
    paths = [folder / f"{number}.sbatch" for number in range(count)]
    for path in paths:
        spec = read_job(json.dumps(bridge.job()).encode(), site=bridge.name)
        path.write_text(render(spec, bridge.settings, 1), encoding="utf-8")
    world.give(folder)
    return paths


def xargs_sbatch(world: World, scripts: Sequence[Path], parallel: int) -> float:
    """Seconds that it takes to submit the scripts; the jobs are cancelled then."""
    began = time.perf_counter()
    said = world.run(
        ["xargs", "--max-procs", str(parallel), "--max-args", "1", "sbatch", "--parsable"],
        stdin="\n".join(map(str, scripts)),
    )
    seconds = time.perf_counter() - began
    if len(said.split()) != len(scripts):
        raise RuntimeError(f"sbatch took {len(said.split())} of {len(scripts)} scripts")
    world.cancel_all()
    return seconds


def _check(world: World, count: int) -> None:
    """Slurm has each job once."""
    rows = world.run(["squeue", "--me", "--noheader", "--states=PENDING", "--format=%j"]).split()
    if len(rows) != count or len(set(rows)) != count:
        raise RuntimeError(f"{count} jobs were sent, Slurm has {len(rows)}")
