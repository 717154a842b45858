"""Slurm's daemons: slurmdbd, slurmctld and one slurmd for each node."""

import time
from collections.abc import Sequence
from pathlib import Path

from . import files, mariadb, process
from .console import SetupFailed, progress
from .layout import Layout
from .part import Part, ask
from .process import Launch
from .slurm_config import (
    GPUS,
    Site,
    Version,
    cgroup_conf,
    fake_gpu_pattern,
    gres_conf,
    parse_version,
    slurm_conf,
    slurmdbd_conf,
    state_folder,
)

# The node's states while it works or could (sinfo(1), NODE STATE CODES).
_NODE_ANSWERS = frozenset(
    {"allocated", "completing", "drained", "draining", "idle", "maint", "mixed", "reserved"}
)


def installed_version() -> Version:
    """The version of the installed Slurm; SetupFailed when slurmctld does not tell."""
    went_well, answer = ask(["slurmctld", "-V"])
    version = parse_version(answer) if went_well else None
    if version is None:
        raise SetupFailed(f"slurmctld -V does not tell its version: {answer}")
    return version


def write_configuration(layout: Layout, plugstack: str) -> None:
    """Write slurm.conf and its companions, and make the folders that they name."""
    site = Site(
        layout=layout,
        version=installed_version(),
        plugstack=plugstack,
        own_hostname=process.can_have_own_hostname(),
    )
    if not site.own_hostname:
        progress("warning: no process may have its own host name here (UTS namespaces are closed),")
        progress("warning: so Slurm's daemons listen on all addresses and not on 127.0.0.1 alone")
    home, etc = layout.root / "slurm", layout.slurm_conf.parent
    for folder in (home, etc, home / "spool", home / "devices"):
        files.folder(folder)
    files.folder(home / "run", owner="slurm")
    files.folder(state_folder(layout), owner="slurm", mode=0o700)
    for node in layout.node_names:
        files.folder(home / "spool" / node)
    for number in range(GPUS):
        files.link(Path(f"{fake_gpu_pattern(layout)}{number}"), Path("/dev/null"))
    files.write(layout.slurm_conf, slurm_conf(site))
    files.write(etc / "gres.conf", gres_conf(site))
    files.write(etc / "plugstack.conf", site.plugstack + "\n")
    cgroup = cgroup_conf(site)
    if cgroup is not None:
        files.write(etc / "cgroup.conf", cgroup)


class SlurmPart(Part):
    """What Slurm's daemons share."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment that points Slurm's programs at this site."""
        return {"SLURM_CONF": str(self.layout.slurm_conf), "PATH": self.layout.search_path}

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.layout.ports[self.name]}"

    def configuration(self) -> Sequence[Path]:
        etc = self.layout.slurm_conf.parent
        return [etc / name for name in ("slurm.conf", "gres.conf", "plugstack.conf", "cgroup.conf")]

    def prepare(self) -> None:
        """write_configuration has done it for all of them."""


class SlurmDbd(SlurmPart):
    """The accounting daemon (slurmdbd(8))."""

    name = "slurmdbd"
    hint = "it needs munge and mariadb; see `testbed status`"
    ready_seconds = 60.0

    @property
    def _config(self) -> Path:
        return self.layout.slurm_conf.with_name("slurmdbd.conf")

    def configuration(self) -> Sequence[Path]:
        return (self._config,)

    def prepare(self) -> None:
        password = files.password(self.layout.secret("mariadb-password"))
        text = slurmdbd_conf(
            self.layout,
            own_hostname=process.can_have_own_hostname(),
            database=mariadb.DATABASE,
            user=mariadb.USER,
            password=password,
        )
        files.write(self._config, text, owner="slurm", mode=0o600)

    def launches(self) -> Sequence[Launch]:
        # Slurm names no socket to the database library; the library asks this variable.
        env = {**self.environment, "MYSQL_UNIX_PORT": str(self.layout.mariadb_socket)}
        return [
            Launch(
                argv=("/usr/sbin/slurmdbd", "-D"),
                user="slurm",
                output=self.output,
                cwd=self.layout.root,
                env=env,
                localhost=True,
            )
        ]

    def probe(self) -> str | None:
        argv = ["sacctmgr", "--noheader", "--parsable2", "show", "cluster", "format=cluster"]
        went_well, answer = ask(argv, env=self.environment)
        return None if went_well else answer


class Slurmctld(SlurmPart):
    """The controller (slurmctld(8))."""

    name = "slurmctld"
    hint = "it needs munge, and at its first start slurmdbd; see `testbed status`"

    def launches(self) -> Sequence[Launch]:
        return [
            Launch(
                argv=("/usr/sbin/slurmctld", "-D"),
                user="slurm",
                output=self.output,
                cwd=self.layout.root,
                env=self.environment,
                localhost=True,
            )
        ]

    def probe(self) -> str | None:
        went_well, answer = ask(["scontrol", "ping"], env=self.environment)
        return None if went_well and " is UP" in answer else answer.strip()

    def cancel_everything(self, *, seconds: float) -> None:
        """Cancel all jobs and wait until the nodes are rid of them, ``seconds`` at most."""
        for state in ("PENDING", "RUNNING", "SUSPENDED"):
            ask(["scancel", f"--state={state}"], env=self.environment)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            argv = ["squeue", "--noheader", "--format=%i", "--states=RUNNING,COMPLETING,SUSPENDED"]
            went_well, answer = ask(argv, env=self.environment)
            if not went_well or not answer.strip():
                return
            time.sleep(0.2)


class Slurmd(SlurmPart):
    """One compute node (slurmd(8)); several run on this machine under names of their own."""

    hint = "it needs munge, and registers with slurmctld; see `testbed status`"

    def __init__(self, layout: Layout, node: str, controller: Slurmctld) -> None:
        super().__init__(layout)
        self.name = node
        self._controller = controller

    @property
    def output(self) -> Path:
        # slurmd writes its own log, too, and only that one has the job steps' lines.
        return self.layout.log(f"{self.name}.out")

    def launches(self) -> Sequence[Launch]:
        return [
            Launch(
                argv=("/usr/sbin/slurmd", "-D", "-N", self.name),
                user="root",
                output=self.output,
                cwd=self.layout.root,
                env=self.environment,
                localhost=True,
            )
        ]

    def probe(self) -> str | None:
        if not self._controller.alive:
            return None
        argv = ["sinfo", "--noheader", f"--nodes={self.name}", "--format=%T"]
        went_well, answer = ask(argv, env=self.environment)
        if not went_well:
            return answer
        states = set(answer.split())
        return None if states and states <= _NODE_ANSWERS else f"the node is {', '.join(states)}"

    def kill_jobs(self) -> None:
        """SIGKILL this node's job steps and all that they started."""
        steps = [pid for pid in process.running_now() if str(self.log) in process.open_files(pid)]
        process.kill_ids([*steps, *process.descendants(steps)])
