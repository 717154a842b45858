"""Login nodes for tests: the testbed's sshd, and sshds with a configuration of their own."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from free_port import free_port
from slurm_site import eventually
from testbed import Testbed

from bridge.adapters.clock import SystemClock
from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.adapters.ssh import SshConnection, SshRunner
from bridge.core.settings import SchedulerSettings, SshSettings

PATIENCE_SECONDS = 60


def login_node(testbed: Testbed) -> SshSettings:
    """The testbed's own, as its ordinary user."""
    node = testbed.login_node
    return SshSettings(
        host="127.0.0.1",
        port=node.port,
        user=testbed.user,
        key_file=str(node.key),
        known_hosts_file=str(node.known_hosts),
        ssh_config=os.devnull,
    )


def scheduler_over(
    connection: SshConnection,
    testbed: Testbed,
    *,
    path: str | None = None,
    settings: SchedulerSettings | None = None,
) -> SlurmCommandLine:
    """Slurm's commands through it, found in the testbed's PATH or in another one."""
    variables = (("SLURM_CONF", str(testbed.slurm_conf)), ("PATH", path or testbed.path))
    settings = replace(settings or SchedulerSettings(), environment=variables)
    return SlurmCommandLine(SshRunner(connection), settings)


@contextmanager
def connected(settings: SshSettings) -> Iterator[SshConnection]:
    """A connection, closed in the end."""
    connection = SshConnection(settings, SystemClock())
    try:
        yield connection
    finally:
        connection.close()


def new_key(path: Path) -> Path:
    """A key pair at `path` and `path`.pub, in place of one that was there."""
    for old in (path, public(path)):
        old.unlink(missing_ok=True)
    keygen("-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path))
    return path


def public(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")


def keygen(*arguments: str) -> None:
    subprocess.run(["ssh-keygen", "-q", *arguments], check=True, stdin=subprocess.DEVNULL)


class Sshd:
    """An sshd on loopback for one user, who comes with the key `client`; root starts it."""

    def __init__(self, folder: Path, user: str, *options: str, sftp: str = "internal-sftp") -> None:
        """`options` are lines of sshd_config(5) that come before the usual ones, and win."""
        self.folder = folder
        self.user = user
        self.port = free_port()
        self.client = new_key(folder / "client")
        self.host_key = new_key(folder / "host")
        self.known_hosts = folder / "known_hosts"
        self.authorized_keys = folder / "authorized_keys"
        self.authorize(self.client)
        self.make_known()
        (folder / "sshd_config").write_text(
            "\n".join(
                (
                    *options,
                    f"Port {self.port}",
                    "ListenAddress 127.0.0.1",
                    f"HostKey {self.host_key}",
                    "PidFile none",
                    f"AllowUsers {user}",
                    f"AuthorizedKeysFile {self.authorized_keys}",
                    "AuthenticationMethods publickey",
                    "UsePAM no",
                    "StrictModes no",
                    f"Subsystem sftp {sftp}",
                    "",
                )
            ),
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> SshSettings:
        return SshSettings(
            host="127.0.0.1",
            port=self.port,
            user=self.user,
            key_file=str(self.client),
            known_hosts_file=str(self.known_hosts),
            ssh_config=os.devnull,
        )

    def authorize(self, key: Path) -> None:
        """This key opens it from now on, and no other."""
        self.authorized_keys.write_bytes(public(key).read_bytes())

    def make_known(self, key: Path | None = None, *, port: int | None = None) -> None:
        """known_hosts names its host key, or another one, and nothing else."""
        text = public(key or self.host_key).read_text(encoding="utf-8")
        self.known_hosts.write_text(f"[127.0.0.1]:{port or self.port} {text}", encoding="utf-8")

    def start(self) -> None:
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._listens)

    def stop(self) -> None:
        """End it, and every connection."""
        process, self._process = self._process, None
        if process is not None:
            connections = descendants(process.pid)
            process.terminate()
            process.wait(PATIENCE_SECONDS)
            _kill(connections)

    def cut(self) -> None:
        """End every connection as a crash would: the processes that serve them are killed."""
        assert self._process is not None
        _kill([it for it in descendants(self._process.pid) if _name(it).startswith("sshd")])

    def plain(self, command: str, *, stdin: str = "") -> str:
        """What ssh(1) prints of a command, with all that comes before and after it."""
        options = ("BatchMode=yes", f"UserKnownHostsFile={self.known_hosts}", "IdentitiesOnly=yes")
        argv = ["ssh", "-F", os.devnull, "-i", str(self.client), "-p", str(self.port)]
        argv += [word for option in options for word in ("-o", option)]
        return subprocess.run(
            [*argv, f"{self.user}@127.0.0.1", command],
            check=True,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        ).stdout

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "sshd.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def descendants(process: int) -> list[int]:
    """All processes below this one."""
    running = [int(it.name) for it in Path("/proc").iterdir() if it.name.isdigit()]
    parents = {it: _parent(it) for it in running}
    found, rest = [], [process]
    while rest:
        above = rest.pop()
        below = [it for it, parent in parents.items() if parent == above]
        found += below
        rest += below
    return found


def _parent(process: int) -> int:
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8")
    except OSError:
        return ""


def _kill(processes: list[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
