"""The Debian packages that the testbed's parts come from."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .console import SetupFailed
from .layout import Options
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
_POSTGRESQL = ("postgresql",)
# What Debian's package does when it is new here (pg_createcluster(1), DEFAULT VALUES).
_CREATE_CLUSTER = Path("/etc/postgresql-common/createcluster.conf")
# Where Debian notes which services start at the next boot: for systemd, and for sysvinit.
_UNIT_LINKS = (
    "systemd/system/multi-user.target.wants/*.service",
    "systemd/system/sockets.target.wants/*.socket",
)
_SCRIPT_LINKS = "rc2.d/S[0-9][0-9]*"
_SHELL = 'for file in progress root apt; do . "$1/$file.sh"; done; shift; apt_ensure "$@"'


@contextmanager
def nothing_starts_at_boot() -> Iterator[None]:
    """Services of packages that are installed meanwhile stay off at the machine's next boot.

    Those of packages that were there before keep their settings.
    """
    units, scripts = _units_at_boot(), _scripts_at_boot()
    try:
        yield
    finally:
        _disable(_units_at_boot() - units, _scripts_at_boot() - scripts)


def install(options: Options) -> None:
    """Install what is missing, without starting any system service."""
    _ensure(_ALWAYS + (_ACCOUNTING if options.accounting else ()))
    if options.postgresql and _missing(_POSTGRESQL):
        _ensure(("postgresql-common",))
        with _no_cluster_for_the_machine():
            _ensure(_POSTGRESQL)


@contextmanager
def _no_cluster_for_the_machine() -> Iterator[None]:
    """A server that is installed meanwhile makes no database cluster of its own."""
    before = _CREATE_CLUSTER.read_text()
    try:
        _CREATE_CLUSTER.write_text(f"{before}\ncreate_main_cluster = false\n")
        yield
    finally:
        _CREATE_CLUSTER.write_text(before)


def _ensure(wanted: Sequence[str]) -> None:
    missing = _missing(wanted)
    if not missing:
        return
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


def _missing(packages: Sequence[str]) -> list[str]:
    form = "--showformat=${Package} ${db:Status-Status}\n"
    done = subprocess.run(
        ["dpkg-query", "--show", form, *packages], capture_output=True, text=True, check=False
    )
    rows = set(done.stdout.splitlines())
    return [package for package in packages if f"{package} installed" not in rows]


def _units_at_boot() -> set[str]:
    return {link.name for pattern in _UNIT_LINKS for link in Path("/etc").glob(pattern)}


def _scripts_at_boot() -> set[str]:
    return {link.name[len("S01") :] for link in Path("/etc").glob(_SCRIPT_LINKS)}


def _disable(units: set[str], scripts: set[str]) -> None:
    commands: list[list[str]] = []
    if shutil.which("systemctl"):
        commands += [["systemctl", "--quiet", "disable", unit] for unit in sorted(units)]
    commands += [["update-rc.d", script, "disable"] for script in sorted(scripts)]
    for argv in commands:
        went_well, answer = ask(argv, seconds=60)
        if not went_well:
            raise SetupFailed(
                f"a service of the new packages would start at the next boot: {answer}",
                hint=f"do it by hand: {' '.join(argv)}",
            )
