"""Stand-ins for Slurm's commands, that a bridge of one's own finds before the real ones."""

import shutil
from collections.abc import Callable
from pathlib import Path

from site_bridge import Configuration
from testbed import Testbed


def stand_in(folder: Path, testbed: Testbed, command: str, script: str) -> None:
    """Write a shell script of this command's name; `{real}` and `{folder}` in it are filled in."""
    real = shutil.which(command, path=testbed.path)
    assert real is not None
    program = folder / command
    program.write_text(script.format(real=real, folder=folder), encoding="utf-8")
    program.chmod(0o755)


def found_first(folder: Path, testbed: Testbed) -> Callable[[Configuration], None]:
    """Changes a site's YAML so that its Slurm commands are looked for in this folder first."""

    def configure(configuration: Configuration) -> None:
        configuration["scheduler"]["environment"]["PATH"] = f"{folder}:{testbed.path}"

    return configure
