"""Programs that stand before Slurm's own on the daemon's PATH."""

import shutil
from pathlib import Path

from site_bridge import Configuration
from testbed import Testbed


def stand_in(testbed: Testbed, user_folder: Path, command: str, script: str) -> Path:
    """Write bash that is run in place of the command; the folder it lies in.

    `{real}` in the script is the path of the command itself, `{folder}` the user's folder.
    """
    real = shutil.which(command, path=testbed.path)
    assert real is not None
    folder = user_folder / "bin"
    folder.mkdir(exist_ok=True)
    text = "#!/bin/bash\n" + script.format(real=real, folder=user_folder)
    (folder / command).write_text(text, encoding="utf-8")
    (folder / command).chmod(0o755)
    return folder


def stand_ins_first(configuration: Configuration, folder: Path) -> None:
    """Have the daemon find what lies in the folder before the real commands."""
    variables = configuration["scheduler"]["environment"]
    variables["PATH"] = f"{folder}:{variables['PATH']}"
