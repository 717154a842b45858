"""Submission alone, through each way to Slurm here, beside the raw figure of that way."""

import sys
from collections.abc import Iterator

from bench.direct import pyslurm_misfit, seconds_to_submit
from bench.figures import Figure, at_least
from bench.submit import held_scripts, hold, ssh_sbatch, xargs_sbatch
from bench.world import SOME, World


def ways(world: World) -> Iterator[Figure]:
    """Jobs a second, through the very scheduler that a bridge would use; no broker, no journal.

    Half of the raw submissions come before ours and half after, since Slurm slows down as it
    fills.
    """
    count = 200 if world.quick else 2000
    world.wait_until_forgotten(but=SOME)
    with world.bridge(hold) as bridge:
        parallel = bridge.settings.scheduler.parallel_submissions
        scripts = held_scripts(world, bridge, count)
        half, few = count // 2, scripts[: count // 10]
        raw = xargs_sbatch(world, scripts[:half], parallel)
        ours = seconds_to_submit(world, bridge.folder, "command-line", scripts, parallel)
        raw += xargs_sbatch(world, scripts[half:], parallel)
        command_line = count / ours
        yield Figure(
            name="ways: command line",
            unit="jobs/s",
            ours=command_line,
            raw=count / raw,
            goal=at_least(0.8, "ratio"),
            note=f"{parallel} at once; raw: xargs -P {parallel} sbatch",
        )
        raw = ssh_sbatch(world, scripts[:half], parallel)
        ours = seconds_to_submit(world, bridge.folder, "ssh", scripts, parallel)
        raw += ssh_sbatch(world, scripts[half:], parallel)
        yield Figure(
            name="ways: SSH",
            unit="jobs/s",
            ours=count / ours,
            raw=count / raw,
            goal=at_least(0.8, "ratio"),
            note=f"{parallel} at once; raw: xargs -P {parallel} ssh over one master connection",
        )
        if words := pyslurm_misfit(world):
            sys.stdout.write(f"   ways: without pyslurm: {words}\n")
            return
        one_by_one = len(few) / seconds_to_submit(world, bridge.folder, "command-line", few, 1)
        raw = seconds_to_submit(world, bridge.folder, "raw-pyslurm", scripts[:half], 1)
        ours = seconds_to_submit(world, bridge.folder, "pyslurm", scripts, parallel)
        raw += seconds_to_submit(world, bridge.folder, "raw-pyslurm", scripts[half:], 1)
    yield Figure(
        name="ways: pyslurm",
        unit="jobs/s",
        ours=count / ours,
        raw=count / raw,
        goal=at_least(0.8, "ratio"),
        note=f"{parallel} at once; raw: pyslurm in a loop",
    )
    yield Figure(
        name="ways: pyslurm to command line",
        unit="times",
        ours=count / ours / command_line,
        goal=at_least(5),
        note=f"{parallel} sbatch at once",
    )
    yield Figure(
        name="ways: pyslurm to sbatch one by one",
        unit="times",
        ours=count / ours / one_by_one,
        goal=at_least(5),
    )
