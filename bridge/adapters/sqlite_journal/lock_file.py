"""The file that says who has the journal."""

import fcntl
import json
import os
import socket
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

_RECORD_BYTES = 1024
"""Every record fills as much, so that one write in place replaces the one before it whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lock."""

    host: str
    pid: int
    boot_id: str
    token: str
    """Different for every daemon there ever was."""
    heartbeat: str = ""
    """When it last gave a sign of life, by its own clock; ISO 8601 with a zone."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (last sign of life {self.heartbeat})"


def this_process() -> Holder:
    """This process, as a holder to be."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return Holder(host=socket.gethostname(), pid=os.getpid(), boot_id=boot_id, token=str(uuid4()))


def lock_of(journal: Path) -> Path:
    """The file by which a daemon keeps a journal to itself."""
    return journal.with_name(f"{journal.name}.lock")


class LockFile:
    """An open lock file. Every method may raise OSError. It is written in place and never removed.

    A new file under the old name would have a lock of its own, and an NFS client may go on seeing
    the old one for a minute (nfs(5), "Directory entry caching").
    """

    def __init__(self, path: Path) -> None:
        """Open the file, new if there is none."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def lock(self) -> bool:
        """Whether the kernel gave this process the lock (flock(2)); it ends with the process.

        Raises OSError where the file system has no locks.
        """
        try:
            # Not lockf: that lock would end as soon as this process closes any file on it.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def holder(self) -> Holder | None:
        """Whom the file under this name names, as of now; None for nobody."""
        # Opened anew: only then does an NFS client ask the server (nfs(5), close-to-open).
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            text = os.pread(descriptor, _RECORD_BYTES, 0).decode(errors="replace").strip()
            written = datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)
        finally:
            os.close(descriptor)
        return _read(text, written) if text else None

    def write(self, holder: Holder | None, now: datetime) -> None:
        """Name this holder, alive now, or nobody."""
        text = json.dumps(asdict(replace(holder, heartbeat=now.isoformat()))) if holder else ""
        os.pwrite(self._descriptor, text.encode().ljust(_RECORD_BYTES), 0)
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Give the kernel's lock back."""
        os.close(self._descriptor)


def _read(text: str, written: datetime) -> Holder:
    try:
        holder = Holder(**json.loads(text))
        if datetime.fromisoformat(holder.heartbeat).tzinfo:
            return holder
    except (ValueError, TypeError):
        pass
    # Somebody wrote it: nobody is not what it says.
    return Holder(
        host="an unknown host", pid=0, boot_id="", token=text, heartbeat=written.isoformat()
    )
