"""An SFTP session that sends many requests before it waits: a far site costs few round trips."""

import secrets
import stat
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import PurePosixPath
from time import monotonic

from paramiko import Channel, SSHException

from bridge.adapters.ssh import sftp_packets as packets
from bridge.adapters.ssh.sftp_packets import CHUNK, VERSION, Kind, Reply, Request

MOST_AT_ONCE = 64
"""Requests that wait for their replies; servers read them one by one."""
MOST_PACKET = 16 * 1024 * 1024
MOST_BANNER = 1024 * 1024
FOLDER_MODE, FILE_MODE = 0o750, 0o640
_HEADER = 4
_GREETING = bytes([Kind.VERSION]) + struct.pack(">I", VERSION)


class Sftp:
    """An SFTP version 3 session over a channel; one thread at a time uses it.

    Methods raise OSError when the server does not do what it is asked, EOFError when the session
    has ended, and TimeoutError when the time is over; after that the session is of no more use.
    """

    def __init__(self, channel: Channel, deadline: float) -> None:
        """Begin the session on a channel whose `sftp` subsystem was started."""
        self._channel = channel
        self._numbers = count(1)
        self.finish_by(deadline)
        channel.sendall(struct.pack(">IBI", 5, Kind.INIT, VERSION))
        self.extensions = self._read_greeting()

    @property
    def is_usable(self) -> bool:
        """Whether nothing is known of its end."""
        return not self._channel.closed and not self._channel.eof_received

    def finish_by(self, deadline: float) -> None:
        """Raise TimeoutError from then on; on the monotonic clock."""
        self._deadline = deadline

    def close(self) -> None:
        """End it."""
        with suppress(OSError, EOFError, SSHException):
            self._channel.close()

    def ask(self, requests: Iterable[Request]) -> list[Reply]:
        """The server's replies, in the order of the requests; it does them in that order, too."""
        asked = tuple(requests)
        replies: list[Reply] = []
        for start in range(0, len(asked), MOST_AT_ONCE):
            replies += self._exchange(asked[start : start + MOST_AT_ONCE])
        return replies

    def do(self, requests: Iterable[Request]) -> None:
        """Send requests of which each must succeed."""
        for reply in self.ask(requests):
            reply.check()

    def _exchange(self, requests: Sequence[Request]) -> list[Reply]:
        numbers = [next(self._numbers) & 0xFFFFFFFF for _ in requests]
        self._set_timeout()
        self._channel.sendall(
            b"".join(it.packet(number) for it, number in zip(requests, numbers, strict=True))
        )
        replies: dict[int, Reply] = {}
        while len(replies) < len(requests):
            packet = self._packet()
            number = int.from_bytes(packet[1:5], "big")
            replies[number] = Reply(packet[0], packet[5:])
        missing = set(numbers) - set(replies)
        if missing:
            raise EOFError("the SFTP server answers something that it was not asked")
        return [replies[it] for it in numbers]

    def _packet(self) -> bytes:
        length = int.from_bytes(self._read(_HEADER), "big")
        if not _HEADER < length <= MOST_PACKET:
            raise EOFError("the SFTP server does not speak SFTP")
        return self._read(length)

    def _read_greeting(self) -> frozenset[str]:
        """The server's version, after whatever its shell's startup files print."""
        heard = bytearray()
        while not heard.endswith(_GREETING) or len(heard) < _HEADER + len(_GREETING):
            heard += self._read(1)
            if len(heard) > MOST_BANNER:
                raise EOFError("no end of what the shell's startup files print")
        at = len(heard) - len(_GREETING)
        length = int.from_bytes(heard[at - _HEADER : at], "big")
        if not len(_GREETING) <= length <= CHUNK:
            raise EOFError("the SFTP server does not speak SFTP")
        return Reply(Kind.VERSION, self._read(length - len(_GREETING))).extensions()

    def _read(self, length: int) -> bytes:
        read = bytearray()
        while len(read) < length:
            self._set_timeout()
            said = self._channel.recv(length - len(read))
            if not said:
                raise EOFError("the SFTP session has ended")
            read += said
        return bytes(read)

    def _set_timeout(self) -> None:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the SFTP server does not answer in time")
        self._channel.settimeout(left)


def check_is_folder(looked: Reply) -> None:
    """Raises OSError when the reply to LSTAT is about something else, such as a symbolic link."""
    if not stat.S_ISDIR(looked.mode()):
        raise NotADirectoryError("it is not a folder")


def write_files(sftp: Sftp, folder: PurePosixPath, files: Mapping[str, bytes]) -> None:
    """Write files into the folder, each whole or not at all.

    On disk before they get their names, where the server can do that (OpenSSH's PROTOCOL, 4.6).
    Raises OSError; nothing unfinished is left then.
    """
    parts = {name: f"{folder}/.{secrets.token_hex(8)}.unfinished" for name in files}
    try:
        opened = sftp.ask(packets.open_new(it, mode=FILE_MODE) for it in parts.values())
        contents = [
            (it.handle(), content) for it, content in zip(opened, files.values(), strict=True)
        ]
        sftp.do(
            request for handle, content in contents for request in _filling(sftp, handle, content)
        )
        sftp.do(packets.rename(part, f"{folder}/{name}") for name, part in parts.items())
    except OSError:
        if sftp.is_usable:
            sftp.ask(packets.about(Kind.REMOVE, it) for it in parts.values())
        raise


def _filling(sftp: Sftp, handle: bytes, content: bytes) -> Iterable[Request]:
    for offset in range(0, len(content), CHUNK):
        yield packets.write(handle, offset, content[offset : offset + CHUNK])
    if "fsync@openssh.com" in sftp.extensions:
        yield packets.extended("fsync@openssh.com", handle)
    yield packets.about(Kind.CLOSE, handle)


def read_files(sftp: Sftp, paths: Sequence[str], *, longest: int) -> list[bytes | None]:
    """What is in each file; None when it is longer than that, gone, or may not be read.

    Raises OSError.
    """
    said: list[bytes | None] = [None] * len(paths)
    handles: dict[int, bytes] = {}
    for index, reply in enumerate(sftp.ask(map(packets.open_for_reading, paths))):
        try:
            handles[index] = reply.handle()
        except (FileNotFoundError, PermissionError):
            continue
    read = sftp.ask(packets.read(it, longest + 1) for it in handles.values())
    sftp.ask(packets.about(Kind.CLOSE, it) for it in handles.values())
    for index, reply in zip(handles, read, strict=True):
        content = reply.data()
        said[index] = content if len(content) <= longest else None
    return said


def entries(sftp: Sftp, folder: str, *, most: int) -> list[packets.Entry]:
    """At most so many of the files in a folder that is no symbolic link. Raises OSError."""
    look = packets.about(Kind.LSTAT, folder)
    looked, opened = sftp.ask([look, packets.about(Kind.OPENDIR, folder)])
    check_is_folder(looked)
    handle = opened.handle()
    found: list[packets.Entry] = []
    more = True
    while more and len(found) < most:
        for reply in sftp.ask([packets.about(Kind.READDIR, handle)] * 2):
            some = reply.entries()
            more = more and some is not None
            found += (it for it in some or () if it.name not in (".", ".."))
    sftp.ask([packets.about(Kind.CLOSE, handle)])
    return found[:most]
