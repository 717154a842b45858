"""Runs submit_directly.py: submission through a scheduler alone, by the bridge of the wheel."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.world import World, testbed_variables, venv_python

_PROGRAM = Path(__file__).with_name("submit_directly.py")


def pyslurm_misfit(world: World) -> str | None:
    """Why there is nothing to measure of pyslurm."""
    with world.folder() as folder:
        answer: str | None = json.loads(_run(world, folder, "misfit", ""))
    return answer


def seconds_to_submit(
    world: World, folder: Path, way: str, scripts: Sequence[Path], parallel: int
) -> float:
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
    said = world.run(argv, stdin=stdin, environment=testbed_variables())
    return said.splitlines()[-1]
