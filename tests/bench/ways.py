"""Submission alone, through each way to Slurm here, beside the raw figure of that way."""

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figures import Figure, at_least
from bench.submit import held_scripts, hold, xargs_sbatch
from bench.world import SOME, World, venv_python

_PROGRAM = Path(__file__).with_name("submit_directly.py")


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
        half = count // 2
        raw = xargs_sbatch(world, scripts[:half], parallel)
        ours = _seconds(world, bridge.folder, "command-line", scripts, parallel)
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
        words = _misfit(world, bridge.folder)
        if words:
            sys.stdout.write(f"   ways: without pyslurm: {words}\n")
            return
        raw = _seconds(world, bridge.folder, "raw-pyslurm", scripts[:half], 1)
        ours = _seconds(world, bridge.folder, "pyslurm", scripts, parallel)
        raw += _seconds(world, bridge.folder, "raw-pyslurm", scripts[half:], 1)
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
    )


def _misfit(world: World, folder: Path) -> str | None:
    """Why there is nothing to measure of pyslurm."""
    answer: str | None = json.loads(_run(world, folder, "misfit", ""))
    return answer


def _seconds(world: World, folder: Path, way: str, scripts: Sequence[Path], parallel: int) -> float:
    """How long it takes to submit the scripts; the jobs are cancelled then."""
    names = "\n".join(map(str, scripts))
    answer = json.loads(_run(world, folder, way, names, str(parallel)))
    if len(set(answer["slurm_ids"])) != len(scripts):
        raise RuntimeError(f"{way} took {len(answer['slurm_ids'])} of {len(scripts)} scripts")
    world.cancel_all()
    return float(answer["seconds"])


def _run(world: World, folder: Path, way: str, stdin: str, *arguments: str) -> str:
    """Run submit_directly.py as the ordinary user, with the bridge of the built wheel."""
    program = folder / _PROGRAM.name
    shutil.copyfile(_PROGRAM, program)
    program.chmod(0o644)
    argv = [venv_python(world.testbed), str(program), way, *arguments]
    return world.run(argv, stdin=stdin)
