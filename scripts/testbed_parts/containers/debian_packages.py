"""Debian packages, installed the way all scripts of this project do it: scripts/lib/apt.sh."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from testbed_parts.console import SetupFailed

_LIBRARY = Path(__file__).resolve().parents[2] / "lib"
_SHELL = 'for file in progress root apt; do . "$1/$file.sh"; done; shift; apt_ensure "$@"'
NETWORK_HINT = "look at the machine's apt sources and network: `apt-get update` must work"


def ensure(names: Sequence[str]) -> None:
    """Install the packages of ``names`` that are missing; none of their services starts.

    Quick when nothing is missing. Raises SetupFailed when apt cannot install them; its own words
    are on the screen by then.
    """
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _SHELL, "testbed", str(_LIBRARY), *names], check=False
    )
    if done.returncode != 0:
        raise SetupFailed("Debian packages could not be installed", hint=NETWORK_HINT)
