"""Requests and replies of SFTP version 3 (draft-ietf-secsh-filexfer-02), as bytes. Pure."""

import struct
from dataclasses import dataclass
from enum import IntEnum

VERSION = 3
NEW_FILE = 0x02 | 0x08 | 0x20
"""SSH_FXF_WRITE, SSH_FXF_CREAT and SSH_FXF_EXCL."""
READING = 0x01
CHUNK = 32768
"""Bytes that every server takes in one packet."""

_SIZE, _OWNER, _PERMISSIONS, _TIMES = 0x01, 0x02, 0x04, 0x08
_EXTENDED = 0x80000000


class Kind(IntEnum):
    """What a packet is."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    STAT = 17
    READLINK = 19
    SYMLINK = 20
    EXTENDED = 200
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105


class Status(IntEnum):
    """What became of a request; every other number is a failure."""

    OK = 0
    END = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request, without the number that it gets when it is sent."""

    kind: Kind
    body: bytes

    def packet(self, number: int) -> bytes:
        """As it goes over the wire."""
        payload = struct.pack(">BI", self.kind, number) + self.body
        return struct.pack(">I", len(payload)) + payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a server says of a file; 0 where it does not say."""

    mode: int
    """Kind and permissions as in stat(2)."""
    size: int
    modified: int
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file in a folder, or the target of a link."""

    name: str
    mode: int
    """Kind and permissions as in stat(2); 0 when the server does not say."""
    modified: int
    """Seconds since the epoch."""


def text(value: str | bytes) -> bytes:
    """A string as SFTP writes it; file names are UTF-8, and bytes that are none are kept."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


def open_new(path: str, *, mode: int) -> Request:
    """Make a file that must not be there yet."""
    return Request(
        kind=Kind.OPEN,
        body=text(path) + struct.pack(">III", NEW_FILE, _PERMISSIONS, mode),
    )


def open_for_reading(path: str) -> Request:
    """Open a file; the server follows symbolic links."""
    return Request(kind=Kind.OPEN, body=text(path) + struct.pack(">II", READING, 0))


def write(handle: bytes, offset: int, data: bytes) -> Request:
    """Write at most CHUNK bytes."""
    return Request(kind=Kind.WRITE, body=text(handle) + struct.pack(">Q", offset) + text(data))


def read(handle: bytes, length: int, *, start: int = 0) -> Request:
    """Read from this byte on; a server may answer with fewer bytes."""
    return Request(kind=Kind.READ, body=text(handle) + struct.pack(">QI", start, length))


def make_folder(path: str, *, mode: int) -> Request:
    """mkdir(2); fails when there is something, and does not say so."""
    return Request(kind=Kind.MKDIR, body=text(path) + struct.pack(">II", _PERMISSIONS, mode))


def link(path: str, target: str) -> Request:
    """symlink(2). The order is OpenSSH's, which is not the draft's (its PROTOCOL, 4.1)."""
    return Request(kind=Kind.SYMLINK, body=text(target) + text(path))


def rename(path: str, onto: str) -> Request:
    """Give a file another name, also one that is taken (OpenSSH's PROTOCOL, 4.3)."""
    return extended("posix-rename@openssh.com", path, onto)


def extended(name: str, *arguments: str | bytes) -> Request:
    """A request that not every server knows."""
    return Request(kind=Kind.EXTENDED, body=b"".join(map(text, (name, *arguments))))


def about(kind: Kind, what: str | bytes) -> Request:
    """A request that has a path or a handle and nothing else."""
    return Request(kind=kind, body=text(what))


class Reply:
    """What the server answers. Every method raises OSError when it says something else."""

    def __init__(self, kind: int, body: bytes) -> None:
        self._kind = kind
        self._body = body
        self._at = 0

    @property
    def status(self) -> int:
        """OK, too, when it is no status at all: it is what was asked for."""
        return Status.OK if self._kind != Kind.STATUS else int.from_bytes(self._body[:4], "big")

    def check(self) -> None:
        """Nothing, unless it is a status that is not OK."""
        code = self.status
        if code == Status.OK:
            return
        self._take(4)
        words = self._string().decode(errors="replace") or f"status {code}"
        if code == Status.NO_SUCH_FILE:
            raise FileNotFoundError(words)
        if code == Status.PERMISSION_DENIED:
            raise PermissionError(words)
        raise OSError(words)

    def handle(self) -> bytes:
        """What an opened file or folder is called from now on."""
        self._expect(Kind.HANDLE)
        return self._string()

    def data(self) -> bytes:
        """What was read; empty at the end of the file."""
        if self._kind == Kind.STATUS and self.status == Status.END:
            return b""
        self._expect(Kind.DATA)
        return self._string()

    def mode(self) -> int:
        """Kind and permissions of a file."""
        return self.attributes().mode

    def attributes(self) -> Attributes:
        """What is known of a file."""
        self._expect(Kind.ATTRS)
        return self._attributes()

    def entries(self) -> tuple[Entry, ...] | None:
        """Some of the files in a folder; None when that were all."""
        if self._kind == Kind.STATUS and self.status == Status.END:
            return None
        self._expect(Kind.NAME)
        return tuple(self._entry() for _ in range(self._number()))

    def extensions(self) -> frozenset[str]:
        """What the server can do besides, as it says after its version."""
        self._expect(Kind.VERSION)
        names = []
        while self._at < len(self._body):
            names.append(self._string().decode(errors="replace"))
            self._string()
        return frozenset(names)

    def _entry(self) -> Entry:
        name = self._string().decode("utf-8", "surrogateescape")
        self._string()  # As `ls -l` shows it.
        about = self._attributes()
        return Entry(name=name, mode=about.mode, modified=about.modified)

    def _expect(self, kind: Kind) -> None:
        self.check()
        if self._kind != kind:
            raise OSError(f"the server answers with packet {self._kind}, {kind.name} is wanted")

    def _attributes(self) -> Attributes:
        flags = self._number()
        mode = modified = size = 0
        if flags & _SIZE:
            size = int.from_bytes(self._take(8), "big")
        if flags & _OWNER:
            self._take(8)
        if flags & _PERMISSIONS:
            mode = self._number()
        if flags & _TIMES:
            self._number()
            modified = self._number()
        if flags & _EXTENDED:
            for _ in range(self._number()):
                self._string()
                self._string()
        return Attributes(mode=mode, size=size, modified=modified)

    def _string(self) -> bytes:
        return self._take(self._number())

    def _number(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def _take(self, length: int) -> bytes:
        taken = self._body[self._at : self._at + length]
        if len(taken) != length:
            raise OSError("the server's answer is cut short")
        self._at += length
        return taken
