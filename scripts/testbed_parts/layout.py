"""Where everything of one testbed lies: folders, ports and the options it was brought up with."""

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .console import UsageError
from .free_port import free_port

ALICE = "hbb-alice"
BOB = "hbb-bob"
AMQP_USER = "bridge"
AMQP_VHOST = "bridge"
MANAGEMENT_USER = "admin"
POSTGRESQL_USER = "bridge"
CACHE = Path("/var/cache/hpc-bridge-testbed")
MOST_NODES = 16

# A Unix socket's path has at most 107 bytes (unix(7)); the deepest of ours adds about 25.
_LONGEST_ROOT = 80
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._/-]+")
_FIXED_PORTS = ("slurmctld", "slurmdbd", "amqp", "amqp_dist", "epmd", "management", "sshd")
# Below the kernel's ephemeral range, so that no outgoing connection takes a port of ours.
_PORT_RANGE = range(20_000, 32_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``up`` was asked for; recorded, so that a later ``up`` without options keeps it."""

    accounting: bool = True
    rate_limit: bool = False
    min_job_age: int = 300
    nodes: int = 2
    postgresql: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One testbed's folder, ports (all on 127.0.0.1) and options."""

    root: Path
    options: Options
    ports: dict[str, int]

    @property
    def name(self) -> str:
        """Eight hex digits that tell this testbed from another on the same machine."""
        return _digest(self.root)

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of the compute nodes, ``n1`` first."""
        return tuple(f"n{number}" for number in range(1, self.options.nodes + 1))

    @property
    def slurm_conf(self) -> Path:
        """The site's slurm.conf, readable by everybody, as on a login node."""
        return self.root / "slurm" / "etc" / "slurm.conf"

    @property
    def munge_socket(self) -> Path:
        """The private munged's socket."""
        return self.root / "munge" / "run" / "socket"

    @property
    def mariadb_socket(self) -> Path:
        """The private MariaDB's socket; it has no TCP port."""
        return self.root / "mariadb" / "run" / "socket"

    @property
    def work(self) -> Path:
        """The folder for jobs, owned by the ordinary user."""
        return self.root / "work"

    @property
    def bin(self) -> Path:
        """Commands that only this site has (the shifter stand-in)."""
        return self.root / "bin"

    @property
    def lib(self) -> Path:
        """Plugins that only this site has."""
        return self.root / "lib"

    @property
    def images(self) -> Path:
        """The container images, a link into the machine-wide cache."""
        return self.root / "images"

    @property
    def search_path(self) -> str:
        """PATH as the site's users have it."""
        return f"{self.bin}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

    def log(self, part: str) -> Path:
        """Where a part's log lies."""
        return self.root / "log" / f"{part}.log"

    def secret(self, name: str) -> Path:
        """Where a password or key lies."""
        return self.root / "secrets" / name

    def amqp_url(self) -> str:
        """The broker's address for the ``bridge`` user, password included."""
        password = self.secret("amqp-password").read_text().strip()
        return f"amqp://{AMQP_USER}:{password}@127.0.0.1:{self.ports['amqp']}/{AMQP_VHOST}"

    def postgresql_url(self) -> str:
        """The database server's address as SQLAlchemy reads it, password included."""
        password = self.secret("postgresql-password").read_text().strip()
        server = f"{POSTGRESQL_USER}:{password}@127.0.0.1:{self.ports['postgresql']}"
        return f"postgresql+psycopg://{server}/postgres"


def default_root() -> Path:
    """The state folder of this checkout's own testbed."""
    checkout = Path(__file__).resolve().parents[2]
    return Path(f"/var/tmp/hpc-bridge-testbed-{_digest(checkout)}")


def choose_root(argument: str | None) -> Path:
    """The state folder: the argument, or BRIDGE_TESTBED_DIR, or the checkout's own.

    Raises UsageError when the path is relative to nothing useful or too long for sockets.
    """
    chosen = argument or os.environ.get("BRIDGE_TESTBED_DIR") or str(default_root())
    root = Path(chosen).absolute()
    if len(os.fsencode(root)) > _LONGEST_ROOT:
        raise UsageError(f"a path over {_LONGEST_ROOT} bytes is too long for sockets: {root}")
    if not _PLAIN_PATH.fullmatch(str(root)):
        raise UsageError(f"only letters, digits and ._- may be in the path: {root}")
    if root.exists() and root.stat().st_uid != 0:
        raise UsageError(f"the folder must belong to root: {root}")
    if root.exists() and any(root.iterdir()) and not _record(root).exists():
        raise UsageError(f"the folder holds other things than a testbed: {root}")
    return root


def load(root: Path) -> Layout | None:
    """The recorded testbed in ``root``; None when there is none."""
    try:
        text = _record(root).read_text()
    except FileNotFoundError:
        return None
    content: dict[str, Any] = json.loads(text)
    return Layout(root=root, options=Options(**content["options"]), ports=content["ports"])


def settle(root: Path, options: Options) -> Layout:
    """The layout for ``root`` with these options: recorded ports are kept, missing ones chosen."""
    recorded = load(root)
    ports = dict(recorded.ports) if recorded else {}
    wanted = _FIXED_PORTS + tuple(f"n{number}" for number in range(1, options.nodes + 1))
    if options.postgresql:
        wanted += ("postgresql",)
    for purpose in wanted:
        if purpose not in ports:
            ports[purpose] = free_port(_PORT_RANGE, taken=set(ports.values()))
    layout = Layout(root=root, options=options, ports=ports)
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    new = _record(root).with_suffix(".new")
    new.write_text(json.dumps({"options": asdict(options), "ports": ports}, indent=2) + "\n")
    new.replace(_record(root))
    return layout


def _record(root: Path) -> Path:
    return root / "testbed.json"


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
