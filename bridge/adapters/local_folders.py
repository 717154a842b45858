"""The jobs' folders and the marker spool, on a file system that this machine sees."""

import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path, PurePath

import structlog

from bridge.core.errors import UnavailableError
from bridge.core.facts import EndMark, StartMark
from bridge.core.job import JobId
from bridge.ports import Clock, Mark

MOST_MARKS = 10_000
"""How many files one look at the spool takes up."""
LONGEST_MARK = 512
"""Bytes."""
UNFINISHED_FOR = timedelta(seconds=60)
"""How long a file may lie in the spool without being a marker, before it is removed."""

_FOLDER_MODE = 0o750
_FILE_MODE = 0o640
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_HOSTILE_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # O_NONBLOCK: it may be a FIFO.

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = re.compile(rf"({_UUID})\.([1-9][0-9]{{0,5}})\.([0-9]{{1,6}})\.(started|ended)")
_TIME = r"([0-9]{1,10})(?:\.([0-9]{1,9}))?"
_STARTED = re.compile(rf"{_TIME} ([A-Za-z0-9._-]{{1,255}})\n")
_ENDED = re.compile(rf"{_TIME} (25[0-5]|2[0-4][0-9]|1?[0-9]{{1,2}})\n")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def read_mark(name: str, text: str, *, at: datetime) -> Mark | None:
    """The marker with this name and content, seen `at`; None when it is none.

    The job's script names it `<job id>.<attempt>.<restart>.<started or ended>` and writes
    `<epoch seconds> <node>` or `<epoch seconds> <exit code>`, and a line feed.
    """
    named = _NAME.fullmatch(name)
    if named is None:
        return None
    said = (_STARTED if named[4] == "started" else _ENDED).fullmatch(text)
    if said is None:
        return None
    when = datetime.fromtimestamp(int(said[1]), UTC) + timedelta(
        microseconds=int((said[2] or "").ljust(6, "0")[:6])
    )
    restart = int(named[3])
    fact: StartMark | EndMark
    if named[4] == "started":
        fact = StartMark(at=at, restart=restart, started_at=when, node=said[3])
    else:
        fact = EndMark(at=at, restart=restart, ended_at=when, exit_code=int(said[3]))
    return Mark(job_id=JobId(named[1]), attempt=int(named[2]), fact=fact, file=name)


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

        After a crash each file is there whole, as it was before or as it is now. Raises
        UnavailableError, and ValueError when a file's name is more than a name.
        """
        with _available(self._root / job_id):
            self._root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            with _opened(self._root, os.O_RDONLY | os.O_DIRECTORY) as root:
                _make_folder("spool", root)
                _make_folder(job_id, root)
                os.fsync(root)
                with _opened(job_id, _FOLDER, root) as folder:
                    _make_folder("artifacts", folder)
                    for name, text in files.items():
                        _write(name, text.encode(), folder)
                    os.fsync(folder)

    def marks(self) -> tuple[Mark, ...]:
        """The markers that lie in the spool, oldest first.

        What has been there for a minute and is no marker is removed. Raises UnavailableError.
        """
        with (
            _available(self._spool),
            suppress(FileNotFoundError),
            _opened(self._spool, _FOLDER) as spool,
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
            _available(self._spool),
            suppress(FileNotFoundError),
            _opened(self._spool, _FOLDER) as spool,
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
            text = _read(name, spool) if stat.S_ISREG(status.st_mode) else None
        except FileNotFoundError:
            return None
        mark = None if text is None else read_mark(name, text, at=now)
        if mark is not None:
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
    return written, mark.fact.restart, isinstance(mark.fact, EndMark)


def _read(name: str, folder: int) -> str | None:
    """What is in a regular file; None when it is too long, or cannot be read."""
    try:
        with _opened(name, _HOSTILE_FILE, folder) as file:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return None
            said = os.read(file, LONGEST_MARK + 1)
    except PermissionError:
        return None
    return said.decode(errors="replace") if len(said) <= LONGEST_MARK else None


def _write(name: str, content: bytes, folder: int) -> None:
    """The whole file or nothing, also when the machine loses its power (rename(2), fsync(2))."""
    if PurePath(name).name != name:
        raise ValueError(f"{name!r} is not the name of a file in the job's folder")
    unfinished = f".{secrets.token_hex(8)}.unfinished"
    try:
        with _opened(unfinished, _NEW_FILE, folder) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(unfinished, dir_fd=folder)
        raise


def _make_folder(name: str, parent: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, _FOLDER_MODE, dir_fd=parent)


@contextmanager
def _opened(path: str | Path, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, flags, _FILE_MODE, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _available(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror or error}") from error
