"""What jobs have written, on a file system that the login node sees."""

import stat
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import PurePosixPath

from bridge.adapters.ssh import sftp_packets as packets
from bridge.adapters.ssh.connection import SshConnection
from bridge.adapters.ssh.session import sftp_session
from bridge.adapters.ssh.sftp import Sftp
from bridge.adapters.ssh.sftp_packets import CHUNK, Attributes, Kind, Reply, Request
from bridge.core.job_file import parts_of
from bridge.ports import FileRange, JobFile, Piece


class SshFiles:
    """JobFiles below `work_root`.

    SFTP cannot open a file without following links. So every part of the way is looked at before
    the file is opened and again after it was read: only a job that swaps a file for a link and back
    in these very moments has us read a file of our own user.
    """

    def __init__(self, connection: SshConnection, work_root: str) -> None:
        self._connection = connection
        self._root = PurePosixPath(work_root)

    def sizes(self, files: Sequence[JobFile]) -> tuple[int | None, ...]:
        """How many bytes each has. Raises UnavailableError."""
        ways = [self._way(it) for it in files]
        with sftp_session(self._connection, self._root) as sftp:
            return tuple(None if it is None else it.size for it in _look(sftp, ways))

    def read(self, ranges: Sequence[FileRange]) -> tuple[Piece | None, ...]:
        """The bytes that each range has now. Raises UnavailableError."""
        ways = [self._way(it.file) for it in ranges]
        pieces: list[Piece | None] = [None] * len(ranges)
        with sftp_session(self._connection, self._root) as sftp:
            there = [index for index, it in enumerate(_look(sftp, ways)) if it is not None]
            opened = sftp.ask(packets.open_for_reading(ways[it][-1]) for it in there)
            handles = {
                index: handle
                for index, reply in zip(there, opened, strict=True)
                if (handle := _handle(reply)) is not None
            }
            try:
                read = _read(sftp, [(it, ranges[index]) for index, it in handles.items()])
                for index, piece in zip(handles, read, strict=True):
                    pieces[index] = piece
                still = _look(sftp, [ways[it] if it in handles else () for it in range(len(ways))])
            finally:
                if sftp.is_usable:
                    sftp.ask(packets.about(Kind.CLOSE, it) for it in handles.values())
        return tuple(
            piece if about is not None else None for piece, about in zip(pieces, still, strict=True)
        )

    def _way(self, file: JobFile) -> tuple[str, ...]:
        """The paths of the job's folder, of those in it on the way, and of the file; or nothing."""
        parts = parts_of(file.name)
        if parts is None:
            return ()
        folder = self._root / file.job_id
        paths = [folder]
        for part in parts:
            paths.append(paths[-1] / part)
        return tuple(map(str, paths))


def _look(sftp: Sftp, ways: Sequence[tuple[str, ...]]) -> list[Attributes | None]:
    """What is known of the file at the end of each way; None when a link or no file is on it."""
    replies = iter(sftp.ask(packets.about(Kind.LSTAT, path) for way in ways for path in way))
    return [_end([next(replies) for _ in way]) for way in ways]


def _end(replies: Sequence[Reply]) -> Attributes | None:
    found = [_attributes(it) for it in replies]
    if not found or any(it is None for it in found):
        return None
    *folders, file = (it for it in found if it is not None)
    is_straight = all(stat.S_ISDIR(it.mode) for it in folders) and stat.S_ISREG(file.mode)
    return file if is_straight else None


def _attributes(reply: Reply) -> Attributes | None:
    try:
        return reply.attributes()
    except (FileNotFoundError, PermissionError):
        return None


def _handle(reply: Reply) -> bytes | None:
    try:
        return reply.handle()
    except (FileNotFoundError, PermissionError):
        return None


def _read(sftp: Sftp, wanted: Sequence[tuple[bytes, FileRange]]) -> list[Piece | None]:
    """What is in each opened file, which is asked for all at once."""
    requests = [list(_requests(handle, it)) for handle, it in wanted]
    replies = iter(sftp.ask(chain.from_iterable(requests)))
    return [
        _piece(it, next(replies), [next(replies) for _ in asked[1:]])
        for (_, it), asked in zip(wanted, requests, strict=True)
    ]


def _requests(handle: bytes, wanted: FileRange) -> Iterator[Request]:
    yield packets.about(Kind.FSTAT, handle)
    for offset in range(wanted.start, wanted.start + wanted.length, CHUNK):
        length = min(CHUNK, wanted.start + wanted.length - offset)
        yield packets.read(handle, length, start=offset)


def _piece(wanted: FileRange, about: Reply, read: Sequence[Reply]) -> Piece | None:
    status = about.attributes()
    if not stat.S_ISREG(status.mode):
        return None
    data = bytearray()
    for number, reply in enumerate(read):
        # After one that is short, the file had ended when it was read.
        if len(data) == number * CHUNK:
            data += reply.data()
    return Piece(data=bytes(data), size=max(status.size, wanted.start + len(data) if data else 0))
