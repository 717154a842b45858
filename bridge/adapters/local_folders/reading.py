"""What jobs have written, on a file system that this machine sees."""

import errno
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from bridge.adapters.local_folders.files import FOLDER, HOSTILE_FILE, opened
from bridge.core.errors import UnavailableError
from bridge.core.job_file import parts_of
from bridge.ports import FileRange, JobFile, Piece

T = TypeVar("T")

_NOTHING_THERE = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ELOOP,  # a symbolic link (open(2), O_NOFOLLOW)
        errno.EACCES,
        errno.EPERM,
        errno.ENXIO,  # a socket (open(2))
        errno.ENODEV,
        errno.ENAMETOOLONG,
    }
)


class LocalFiles:
    """JobFiles below `work_root`. No symbolic link is followed, on no part of the way."""

    def __init__(self, work_root: str) -> None:
        self._root = Path(work_root)

    def sizes(self, files: Sequence[JobFile]) -> tuple[int | None, ...]:
        """How many bytes each has. Raises UnavailableError."""
        return tuple(self._at(it, _size) for it in files)

    def read(self, ranges: Sequence[FileRange]) -> tuple[Piece | None, ...]:
        """The bytes that each range has now. Raises UnavailableError."""
        return tuple(map(self._read, ranges))

    def _read(self, wanted: FileRange) -> Piece | None:
        def read(name: str, folder: int) -> Piece | None:
            with opened(name, HOSTILE_FILE, folder) as file:
                status = os.fstat(file)
                if not stat.S_ISREG(status.st_mode):
                    return None
                data = _bytes(file, wanted.start, wanted.length)
                end = wanted.start + len(data) if data else 0
                return Piece(data=data, size=max(status.st_size, end))

        return self._at(wanted.file, read)

    def _at(self, file: JobFile, act: Callable[[str, int], T | None]) -> T | None:
        """What `act` makes of the file's name and the folder it lies in, which is opened."""
        parts = parts_of(file.name)
        if parts is None:
            return None
        try:
            with ExitStack() as stack:
                folder = stack.enter_context(opened(self._root, os.O_RDONLY | os.O_DIRECTORY))
                for part in (file.job_id, *parts[:-1]):
                    folder = stack.enter_context(opened(part, FOLDER, folder))
                return act(parts[-1], folder)
        except OSError as error:
            if error.errno in _NOTHING_THERE:
                return None
            path = self._root / file.job_id / file.name
            raise UnavailableError(f"{path}: {error.strerror or error}") from error


def _size(name: str, folder: int) -> int | None:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _bytes(file: int, start: int, length: int) -> bytes:
    read = bytearray()
    while len(read) < length and (more := os.pread(file, length - len(read), start + len(read))):
        read += more
    return bytes(read)
