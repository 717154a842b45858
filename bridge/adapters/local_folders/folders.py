"""The jobs' folders and the marker spool, on a file system that this machine sees."""

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import structlog

from bridge.adapters.local_folders.files import (
    FOLDER,
    available,
    make_folder,
    make_root,
    opened,
    read,
    write,
)
from bridge.core.facts import LAST_MARKS
from bridge.core.job import JobId, SlurmId
from bridge.ports import Clock, Mark
from bridge.wire.mark import LONGEST_MARK, read_mark

MOST_MARKS = 10_000
"""How many files one look at the spool takes up."""
UNFINISHED_FOR = timedelta(seconds=60)
"""How long a file may lie in the spool without being a marker, before it is removed."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class LocalFolders:
    """JobFolders below `work_root`, in folders named by job id; the spool is `spool` there.

    Jobs write there too, so nothing in it is trusted: no symbolic link is followed, only regular
    files are read, and no more of them than a marker can have.
    """

    def __init__(self, work_root: str, clock: Clock) -> None:
        self._root = Path(work_root)
        self._clock = clock
        self._left_alone: set[str] = set()

    def create(self, job_id: JobId, files: Mapping[str, str]) -> None:
        """Make the job's folder if it is missing, and write these files into it.

        All of it is on disk when the call returns. Raises UnavailableError, and ValueError when a
        file's name is more than a name.
        """
        with available(self._root / job_id):
            make_root(self._root)
            with opened(self._root, os.O_RDONLY | os.O_DIRECTORY) as root:
                make_folder("spool", root)
                make_folder(job_id, root)
                with opened(job_id, FOLDER, root) as folder:
                    make_folder("artifacts", folder)
                    contents = {name: text.encode() for name, text in files.items()}
                    write(contents, folder, above=[root])

    def claim(self, job_id: JobId, attempt: int, slurm_id: SlurmId) -> SlurmId:
        """Give the attempt's container to this Slurm job unless one has it; the one that has it.

        By the same symbolic link that the script makes: it comes to be in one step, together with
        the id in it (symlink(2)). Raises UnavailableError, also when there is no link in its place.
        """
        name = f"attempt-{attempt}.claim"
        with (
            available(self._root / job_id / name),
            opened(self._root / job_id, FOLDER) as folder,
        ):
            with suppress(FileExistsError):
                os.symlink(slurm_id, name, dir_fd=folder)
                os.fsync(folder)
            return SlurmId(os.readlink(name, dir_fd=folder))

    def marks(self) -> tuple[Mark, ...]:
        """The markers that lie in the spool, oldest first.

        What has been there for a minute and is no marker is removed. Raises UnavailableError.
        """
        with (
            available(self._spool),
            suppress(FileNotFoundError),
            opened(self._spool, FOLDER) as spool,
        ):
            with os.scandir(spool) as entries:
                names = [it.name for it in islice(entries, MOST_MARKS)]
            self._left_alone &= set(names)
            seen = [it for it in (self._look(name, spool) for name in names) if it is not None]
            return tuple(mark for _, mark in sorted(seen, key=_age))
        return ()

    def forget(self, marks: Iterable[Mark]) -> None:
        """Remove markers from the spool; one that is gone is left alone. UnavailableError."""
        with (
            available(self._spool),
            suppress(FileNotFoundError),
            opened(self._spool, FOLDER) as spool,
        ):
            for mark in marks:
                with suppress(FileNotFoundError):
                    os.unlink(mark.file, dir_fd=spool)

    @property
    def _spool(self) -> Path:
        return self._root / "spool"

    def _look(self, name: str, spool: int) -> tuple[int, Mark] | None:
        """The marker and when it was written, in ns; None when it is none, or not yet."""
        now = self._clock.now()
        try:
            status = os.stat(name, dir_fd=spool, follow_symlinks=False)
            is_file = stat.S_ISREG(status.st_mode)
            said = read(name, spool, longest=LONGEST_MARK) if is_file else None
        except FileNotFoundError:
            return None
        told = None if said is None else read_mark(name, said.decode(errors="replace"), at=now)
        if told is not None:
            job_id, attempt, fact = told
            mark = Mark(job_id=job_id, attempt=attempt, fact=fact, file=name)
            return status.st_mtime_ns, mark
        # The time of change, since the time of modification is whatever its owner says.
        if now - datetime.fromtimestamp(status.st_ctime, UTC) > UNFINISHED_FOR:
            self._remove(name, spool)
        return None

    def _remove(self, name: str, spool: int) -> None:
        if name in self._left_alone:
            return
        try:
            os.unlink(name, dir_fd=spool)
        except OSError as error:
            # Such as a folder: said once, not at every look.
            self._left_alone.add(name)
            log.warning("not_a_mark", file=name, removed=False, words=str(error))
        else:
            log.warning("not_a_mark", file=name, removed=True)


def _age(seen: tuple[int, Mark]) -> tuple[int, int, bool]:
    written, mark = seen
    return written, mark.fact.restart, isinstance(mark.fact, LAST_MARKS)
