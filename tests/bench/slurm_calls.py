"""Counting what is asked of Slurm."""

import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from site_bridge import Configuration

from bench.world import World

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sdiag", "sinfo", "sacctmgr")
_BY_USER = re.compile(r"^\s*(\S+)\s*\(\s*\d+\)\s*count:(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmCalls:
    """Programs that stand before Slurm's on the PATH, note each call and hand it on."""

    folder: Path

    @classmethod
    def of(cls, world: World, folder: Path) -> "SlurmCalls":
        """Make them in `folder`, which the ordinary user may write to."""
        folder.mkdir()
        for command in COMMANDS:
            program = folder / command
            program.write_text(
                f'#!/bin/sh\necho {command} >>{folder}/calls\nexec /usr/bin/{command} "$@"\n',
                encoding="utf-8",
            )
            program.chmod(0o755)
        world.give(folder)
        return cls(folder=folder)

    def configure(self, configuration: Configuration) -> None:
        """Have a bridge use them."""
        environment = configuration["scheduler"]["environment"]
        environment["PATH"] = f"{self.folder}:{environment['PATH']}"

    def counted(self) -> Mapping[str, int]:
        """How often each command was called up to now."""
        calls = self.folder / "calls"
        return Counter(calls.read_text(encoding="utf-8").split() if calls.exists() else ())


def controller_requests(world: World) -> int:
    """How many requests of the ordinary user slurmctld has answered (sdiag(1))."""
    environment = {"SLURM_CONF": str(world.testbed.slurm_conf), "PATH": world.testbed.path}
    said = subprocess.run(
        ["sdiag"], check=True, capture_output=True, text=True, env=environment, timeout=60
    ).stdout
    return dict(_counts(said)).get(world.testbed.user, 0)


def _counts(said: str) -> list[tuple[str, int]]:
    by_user = said.partition("statistics by user")[2]
    return [(user, int(count)) for user, count in _BY_USER.findall(by_user)]
