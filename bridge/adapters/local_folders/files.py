"""Files in folders where jobs write too: no symbolic link is followed, no file read for ever."""

import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePath

from bridge.core.errors import UnavailableError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
HOSTILE_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # O_NONBLOCK: it may be a FIFO.

_FOLDER_MODE = 0o750
_FILE_MODE = 0o640
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def read(name: str, folder: int, *, longest: int) -> bytes | None:
    """What is in a regular file of at most `longest` bytes; None when it is longer or no such file.

    Also None when it may not be read. Raises OSError.
    """
    try:
        with opened(name, HOSTILE_FILE, folder) as file:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return None
            said = b""
            while len(said) <= longest and (more := os.read(file, longest + 1 - len(said))):
                said += more
    except PermissionError:
        return None
    return said if len(said) <= longest else None


def write(files: Mapping[str, bytes], folder: int, *, above: Sequence[int] = ()) -> None:
    """Each file whole or not at all (rename(2)); all of it is on disk when the call returns.

    Also the entries of the folders `above`. Raises OSError, and ValueError when a file's name is
    more than a name.
    """
    with ExitStack() as unsynced:
        written = []
        for name, content in files.items():
            written.append(_write(name, content, folder))
            unsynced.callback(os.close, written[-1])
        # Together at the end: a file system with a log has little left to do after the first.
        for descriptor in (*written, folder, *above):
            os.fsync(descriptor)


def _write(name: str, content: bytes, folder: int) -> int:
    if PurePath(name).name != name:
        raise ValueError(f"{name!r} is not the name of a file in the job's folder")
    unfinished = f".{secrets.token_hex(8)}.unfinished"
    try:
        file = os.open(unfinished, _NEW_FILE, _FILE_MODE, dir_fd=folder)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            os.close(file)
            raise
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(unfinished, dir_fd=folder)
        raise
    return file


def make_folder(name: str, parent: int) -> None:
    """Make a folder if it is missing. Raises OSError."""
    with suppress(FileExistsError):
        os.mkdir(name, _FOLDER_MODE, dir_fd=parent)


def make_root(path: Path) -> None:
    """Make the folder of all folders, with all above it, if it is missing. Raises OSError."""
    path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)


@contextmanager
def opened(path: str | Path, flags: int, folder: int | None = None) -> Iterator[int]:
    """The file's descriptor, closed in the end; a new file belongs to us alone. Raises OSError."""
    descriptor = os.open(path, flags, _FILE_MODE, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def available(path: Path) -> Iterator[None]:
    """What the file system cannot do becomes UnavailableError."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror or error}") from error
