"""From a message to a job that Slurm has."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from site_bridge import Configuration
from slurm_site import controller_port, slurm_conf_through

from bench.amqp import Ear, send_unconfirmed
from bench.direct import pyslurm_misfit
from bench.figures import Figure, at_least
from bench.proxy import slow_way
from bench.world import SOME, MeasuredBridge, World
from bridge.script import render
from bridge.wire.request import read_job

_SECONDS = 300
_FAR = timedelta(milliseconds=20)
_HOST = "127.0.0.1"


def hold(configuration: Configuration) -> None:
    """Have a site's jobs held."""
    # Nothing of what is submitted runs: only the way into Slurm is measured.
    configuration["directives"] = ["--hold"]


def hold_through_pyslurm(configuration: Configuration) -> None:
    """The same, and have them submitted in process."""
    hold(configuration)
    configuration["scheduler"]["kind"] = "pyslurm"


def submit(world: World) -> Iterator[Figure]:
    """Jobs a second; raw is `xargs -P` over as many `sbatch` of the very same scripts.

    Half of the raw submissions come before ours and half after, since Slurm slows down as it
    fills.
    """
    yield from _through(world, "the command line", hold)
    port = controller_port(world.testbed)
    with world.folder() as folder, slow_way(port, round_trip=_FAR) as far:
        conf = str(slurm_conf_through(world.testbed, folder, far))
        world.give(folder)

        def from_afar(configuration: Configuration) -> None:
            hold(configuration)
            configuration["scheduler"]["environment"]["SLURM_CONF"] = conf

        way = f"the controller {_FAR // timedelta(milliseconds=1)} ms away"
        yield from _through(world, way, from_afar, environment={"SLURM_CONF": conf})
    if words := pyslurm_misfit(world):
        sys.stdout.write(f"   submit: not through pyslurm: {words}\n")
    else:
        yield from _through(world, "pyslurm", hold_through_pyslurm)


def _through(
    world: World,
    way: str,
    configure: Callable[[Configuration], None],
    *,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Figure]:
    count = 200 if world.quick else 2000
    world.wait_until_forgotten(but=SOME)
    with world.bridge(configure) as bridge:
        parallel = bridge.settings.scheduler.parallel_submissions
        scripts = held_scripts(world, bridge, count)
        raw_seconds = xargs_sbatch(world, scripts[: count // 2], parallel, environment=environment)
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
        raw_seconds += xargs_sbatch(world, scripts[count // 2 :], parallel, environment=environment)
    own = after.cpu_s - before.cpu_s
    yield Figure(
        name=f"submit: message to queued, {way}",
        unit="jobs/s",
        ours=count / ours_seconds,
        raw=count / raw_seconds,
        goal=at_least(0.8, "ratio"),
        note=f"{count} jobs, {parallel} sbatch at once; raw: xargs -P {parallel} sbatch",
    )
    yield Figure(
        name=f"submit: CPU of the daemon, {way}",
        unit="ms/job",
        ours=1000 * own / count,
        raw=1000 * (after.children_s - before.children_s) / count,
        note="raw: of its child processes",
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


def xargs_sbatch(
    world: World,
    scripts: Sequence[Path],
    parallel: int,
    *,
    environment: Mapping[str, str] | None = None,
) -> float:
    """Seconds that it takes to submit the scripts; the jobs are cancelled then."""
    return _xargs(world, ["sbatch", "--parsable"], scripts, parallel, environment=environment)


def ssh_sbatch(world: World, scripts: Sequence[Path], parallel: int) -> float:
    """The same over the connection of one ssh, as ssh_config(5) has it: ControlMaster."""
    testbed, node = world.testbed, world.testbed.login_node
    ssh = [
        *("ssh", "-F", os.devnull, "-o", f"ControlPath={scripts[0].parent}/master"),
        *("-o", f"UserKnownHostsFile={node.known_hosts}", "-i", str(node.key)),
        *("-p", str(node.port), "-l", testbed.user),
    ]
    world.run([*ssh, "-o", "ControlMaster=yes", "-o", "ControlPersist=yes", "-fN", _HOST])
    try:
        variables = [f"SLURM_CONF={testbed.slurm_conf}", f"PATH={testbed.path}"]
        remote = shlex.join(["env", *variables, "sbatch", "--parsable"])
        return _xargs(world, [*ssh, _HOST, remote], scripts, parallel)
    finally:
        world.run([*ssh, "-O", "exit", _HOST])


def _xargs(
    world: World,
    command: Sequence[str],
    scripts: Sequence[Path],
    parallel: int,
    *,
    environment: Mapping[str, str] | None = None,
) -> float:
    began = time.perf_counter()
    said = world.run(
        ["xargs", "--max-procs", str(parallel), "--max-args", "1", *command],
        stdin="\n".join(map(str, scripts)),
        environment=environment,
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
