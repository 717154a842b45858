"""Detached processes that are known by process id *and* start time, so that no stranger is hit."""

import contextlib
import json
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import files

# Only root may make the namespace and name it, so the change of user comes last.
_OWN_HOSTNAME = ("unshare", "--uts", "--", "sh", "-c", 'hostname localhost && exec "$@"', "sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start one daemon in the foreground; its output goes to ``output``.

    ``localhost`` gives it a UTS namespace whose host name is ``localhost``: Slurm's daemons can
    bind to their host name's address and to no other (slurm.conf(5), CommunicationParameters).
    """

    argv: tuple[str, ...]
    user: str
    output: Path
    cwd: Path
    env: dict[str, str] = field(default_factory=dict)
    localhost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process as recorded when it was started; it leads a session of its own."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        status = _status(self.pid)
        return status is not None and status[0] not in "ZX" and status[1] == self.started


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The processes of one part, in the order they were started, and what they were made from."""

    fingerprint: str
    processes: tuple[Running, ...]

    @staticmethod
    def read(path: Path) -> "Record | None":
        """The recorded processes; None when the part was never started or was stopped."""
        try:
            content = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        processes = tuple(Running(**one) for one in content["processes"])
        return Record(fingerprint=content["fingerprint"], processes=processes)

    def write(self, path: Path) -> None:
        """Keep the record for the commands to come."""
        files.write(path, json.dumps(asdict(self)) + "\n")


def launch(how: Launch) -> Running:
    """Start a daemon that outlives this command and holds none of its files open."""
    become = ("setpriv", f"--reuid={how.user}", f"--regid={_group(how.user)}", "--init-groups")
    prefix = _OWN_HOSTNAME if how.localhost and can_have_own_hostname() else ()
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    environment |= {"LANG": "C.UTF-8", **how.env}
    with how.output.open("ab") as output:
        # The session leader is this command's child: it is known by its pid until it is gone.
        process = subprocess.Popen(
            [*prefix, *become, "--", *how.argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=how.cwd,
            env=environment,
            start_new_session=True,
            umask=0o022,
        )
    # It is meant to live on: no complaint about it at the end of this command.
    process.returncode = 0
    status = _status(process.pid)
    return Running(pid=process.pid, started=status[1] if status else 0)


def can_have_own_hostname() -> bool:
    """Whether a process may have a host name of its own here (some containers forbid it)."""
    test = subprocess.run(["unshare", "--uts", "true"], capture_output=True, check=False)
    return test.returncode == 0


def send(process: Running, signal_number: signal.Signals) -> None:
    """Signal a recorded process and its process group; a process that is gone is left alone."""
    if process.alive:
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            return


def gone_within(processes: tuple[Running, ...], seconds: float) -> bool:
    """Wait until none of the processes runs; False when some still do after ``seconds``."""
    deadline = time.monotonic() + seconds
    while any(process.alive for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def running_now() -> list[int]:
    """The ids of all processes."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def descendants(ancestors: Iterable[int]) -> list[int]:
    """The ids of all processes below ``ancestors``, without these."""
    children: dict[int, list[int]] = {}
    for pid in running_now():
        status = _status(pid)
        if status is not None:
            children.setdefault(status[2], []).append(pid)
    found: list[int] = []
    todo = list(ancestors)
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def kill_ids(pids: Iterable[int]) -> None:
    """SIGKILL processes just found by ``descendants`` or by their open files."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def open_files(pid: int) -> list[str]:
    """What a process has open (proc(5), /proc/PID/fd); empty when it is gone."""
    found: list[str] = []
    # It may end, or close something, while we look.
    with contextlib.suppress(OSError):
        found.extend(str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())
    return found


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _status(pid: int) -> tuple[str, int, int] | None:
    """State letter, start time in clock ticks and parent, from proc(5), /proc/PID/stat."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command name is in parentheses and may itself hold spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19]), int(fields[1])
