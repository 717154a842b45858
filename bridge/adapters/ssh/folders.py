"""The jobs' folders and the marker spool, on a file system that the login node sees."""

import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import PurePath, PurePosixPath

import structlog

from bridge.adapters.ssh import sftp_packets as packets
from bridge.adapters.ssh.connection import SshConnection
from bridge.adapters.ssh.session import sftp_session
from bridge.adapters.ssh.sftp import (
    FOLDER_MODE,
    Sftp,
    check_is_folder,
    entries,
    read_files,
    write_files,
)
from bridge.adapters.ssh.sftp_packets import Entry, Kind, Status
from bridge.core.facts import LAST_MARKS
from bridge.core.job import JobId, SlurmId
from bridge.ports import Clock, Mark
from bridge.wire.mark import LONGEST_MARK, read_mark

MOST_MARKS = 10_000
"""How many files one look at the spool takes up."""
UNFINISHED_FOR = timedelta(seconds=60)
"""How long a file may be seen in the spool without being a marker, before it is removed."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class SshFolders:
    """JobFolders below `work_root`, in folders named by job id; the spool is `spool` there.

    Jobs write there too, so nothing in it is trusted: only regular files are read, no more of
    them than a marker can have, and a job's folder that is a symbolic link is refused. SFTP
    cannot open a file without following links, so a job that swaps a file for a link in that very
    moment has us read a file of our own user, and then nothing but a marker is understood.
    """

    def __init__(self, connection: SshConnection, work_root: str, clock: Clock) -> None:
        self._connection = connection
        self._root = PurePosixPath(work_root)
        self._clock = clock
        self._strange_since: dict[str, timedelta] = {}
        self._left_alone: set[str] = set()

    def create(self, job_id: JobId, files: Mapping[str, str]) -> None:
        """Make the job's folder if it is missing, and write these files into it.

        After a crash each file is there whole, as it was before or as it is now. Raises
        UnavailableError, and ValueError when a file's name is more than a name.
        """
        for name in files:
            if PurePath(name).name != name:
                raise ValueError(f"{name!r} is not the name of a file in the job's folder")
        folder = self._root / job_id
        with sftp_session(self._connection, folder) as sftp:
            self._make_job_folder(sftp, folder)
            sftp.ask([packets.make_folder(f"{folder}/artifacts", mode=FOLDER_MODE)])
            write_files(sftp, folder, {name: text.encode() for name, text in files.items()})

    def claim(self, job_id: JobId, attempt: int, slurm_id: SlurmId) -> SlurmId:
        """Give the attempt's container to this Slurm job unless one has it; the one that has it.

        By the same symbolic link that the script makes: it comes to be in one step, together with
        the id in it (symlink(2)). Raises UnavailableError, also when something else is there.
        """
        folder = self._root / job_id
        path = f"{folder}/attempt-{attempt}.claim"
        with sftp_session(self._connection, path) as sftp:
            (looked,) = sftp.ask([packets.about(Kind.LSTAT, str(folder))])
            check_is_folder(looked)
            made, read = sftp.ask(
                [packets.link(path, slurm_id), packets.about(Kind.READLINK, path)]
            )
            target = read.entries()
            if not target:
                made.check()
                raise OSError("it has no target")
            return SlurmId(target[0].name)

    def marks(self) -> tuple[Mark, ...]:
        """The markers that lie in the spool, oldest first.

        What has been there for a minute and is no marker is removed. Raises UnavailableError.
        """
        with sftp_session(self._connection, self._spool) as sftp, suppress(FileNotFoundError):
            lying = entries(sftp, str(self._spool), most=MOST_MARKS)
            self._forget_what_is_gone({it.name for it in lying})
            files = [it for it in lying if stat.S_ISREG(it.mode)]
            said = read_files(sftp, [self._path(it.name) for it in files], longest=LONGEST_MARK)
            marks = self._read(files, said)
            self._clear(sftp, [it.name for it in lying if it.name not in marks])
            return tuple(mark for _, mark in sorted(marks.values(), key=_age))
        return ()

    def forget(self, marks: Iterable[Mark]) -> None:
        """Remove markers from the spool; one that is gone is left alone. UnavailableError."""
        with sftp_session(self._connection, self._spool) as sftp, suppress(FileNotFoundError):
            (looked,) = sftp.ask([packets.about(Kind.LSTAT, str(self._spool))])
            check_is_folder(looked)
            for reply in sftp.ask(packets.about(Kind.REMOVE, self._path(it.file)) for it in marks):
                with suppress(FileNotFoundError):
                    reply.check()

    @property
    def _spool(self) -> PurePosixPath:
        return self._root / "spool"

    def _path(self, name: str) -> str:
        return str(self._spool / name)

    def _make_job_folder(self, sftp: Sftp, folder: PurePosixPath) -> None:
        wanted = [packets.make_folder(str(it), mode=FOLDER_MODE) for it in (self._spool, folder)]
        look = packets.about(Kind.LSTAT, str(folder))
        *_, looked = sftp.ask([*wanted, look])
        if looked.status == Status.NO_SUCH_FILE:
            above = [*reversed(self._root.parents[:-1]), self._root]
            sftp.ask(packets.make_folder(str(it), mode=FOLDER_MODE) for it in above)
            *made, looked = sftp.ask([*wanted, look])
            if looked.status == Status.NO_SUCH_FILE:
                made[-1].check()
        check_is_folder(looked)

    def _read(
        self, files: Sequence[Entry], said: Sequence[bytes | None]
    ) -> dict[str, tuple[int, Mark]]:
        """The markers among these files, by name, and when they were written."""
        marks: dict[str, tuple[int, Mark]] = {}
        for file, content in zip(files, said, strict=True):
            if content is None:
                continue
            told = read_mark(file.name, content.decode(errors="replace"), at=self._clock.now())
            if told is not None:
                job_id, attempt, fact = told
                mark = Mark(job_id=job_id, attempt=attempt, fact=fact, file=file.name)
                marks[file.name] = file.modified, mark
        return marks

    def _forget_what_is_gone(self, names: set[str]) -> None:
        self._left_alone &= names
        self._strange_since = {
            name: since for name, since in self._strange_since.items() if name in names
        }

    def _clear(self, sftp: Sftp, strange: Iterable[str]) -> None:
        """Remove what has been no marker for long; by our own clock, since SFTP tells no ctime."""
        now = self._clock.uptime()
        for name in strange:
            if name in self._left_alone:
                continue
            if now - self._strange_since.setdefault(name, now) <= UNFINISHED_FOR:
                continue
            (reply,) = sftp.ask([packets.about(Kind.REMOVE, self._path(name))])
            try:
                reply.check()
            except FileNotFoundError:
                continue
            except OSError as error:
                # Such as a folder: said once, not at every look.
                self._left_alone.add(name)
                log.warning("not_a_mark", file=name, removed=False, words=str(error))
            else:
                log.warning("not_a_mark", file=name, removed=True)


def _age(seen: tuple[int, Mark]) -> tuple[int, int, bool]:
    written, mark = seen
    return written, mark.fact.restart, isinstance(mark.fact, LAST_MARKS)
