"""The Debian packages that the testbed's parts come from."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .console import SetupFailed
from .part import ask

_ALWAYS = (
    "hostname",
    "munge",
    "openssh-client",
    "openssh-server",
    "passwd",
    "rabbitmq-server",
    "slurm-client",
    "slurmctld",
    "slurmd",
    "util-linux",
)
_ACCOUNTING = ("mariadb-client", "mariadb-server", "slurmdbd")
# What these packages would start at the machine's next boot.
_UNITS = (
    "epmd.service",
    "epmd.socket",
    "mariadb.service",
    "munge.service",
    "rabbitmq-server.service",
    "slurmctld.service",
    "slurmd.service",
    "slurmdbd.service",
    "ssh.service",
)
_SHELL = 'for file in progress root apt; do . "$1/$file.sh"; done; shift; apt_ensure "$@"'


def install(*, accounting: bool) -> None:
    """Install what is missing; no system service starts, now or at the next boot.

    Services of packages that were there before keep their settings.
    """
    wanted = _ALWAYS + (_ACCOUNTING if accounting else ())
    missing = _missing(wanted)
    if not missing:
        return
    before = set(_installed_units())
    library = Path(__file__).resolve().parents[1] / "lib"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _SHELL, "testbed", str(library), *missing], check=False
    )
    missing = _missing(wanted)
    if done.returncode != 0 or missing:
        raise SetupFailed(
            f"these packages are not installed: {' '.join(missing)}",
            hint="apt-get's own words are above; does `apt-get update` work?",
        )
    _disable([unit for unit in _installed_units() if unit not in before])


def _missing(packages: Sequence[str]) -> list[str]:
    form = "--showformat=${Package} ${db:Status-Status}\n"
    done = subprocess.run(
        ["dpkg-query", "--show", form, *packages], capture_output=True, text=True, check=False
    )
    rows = set(done.stdout.splitlines())
    return [package for package in packages if f"{package} installed" not in rows]


def _installed_units() -> list[str]:
    folders = (Path("/lib/systemd/system"), Path("/usr/lib/systemd/system"))
    return [unit for unit in _UNITS if any((folder / unit).exists() for folder in folders)]


def _disable(units: Sequence[str]) -> None:
    if units and shutil.which("systemctl"):
        went_well, answer = ask(["systemctl", "--quiet", "disable", *units], seconds=60)
        if not went_well:
            raise SetupFailed(
                f"the packages' services could not be disabled: {answer}",
                hint=f"do it by hand: systemctl disable {' '.join(units)}",
            )
