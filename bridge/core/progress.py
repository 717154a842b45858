"""How far a job has come, as it says itself, and how far its file of that was read."""

from dataclasses import dataclass, replace

KNOWN = 64
"""How many of the bytes before a place tell whether a file still is the one that was read."""
CHUNK = 64 * 1024
"""Bytes that are read of one job's file at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One line of a training's progress."""

    step: float
    total: float | None = None
    metrics: tuple[tuple[str, float | None], ...] = ()
    """By name; None is what is no number, such as a loss that has become NaN."""
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """How far a job's file was read and told."""

    number: int = 0
    """Of the last progress event told of the job."""
    read_to: int = 0
    """In bytes."""
    known: bytes = b""
    """What stands just before that place, up to KNOWN bytes."""

    @property
    def start(self) -> int:
        """From where to read, so that what is known comes first."""
        return self.read_to - len(self.known)


def resume(bookmark: Bookmark, size: int) -> Bookmark:
    """Where to go on in a file of this size: at its beginning when it has become shorter."""
    return bookmark if size >= bookmark.read_to else anew(bookmark)


def anew(bookmark: Bookmark) -> Bookmark:
    """The same at the file's beginning: a later attempt of the job may have written it anew."""
    return replace(bookmark, read_to=0, known=b"")


def unread(bookmark: Bookmark, data: bytes) -> bytes | None:
    """What follows in data that was read from `start` on; None when it is another file by now."""
    known = bookmark.known
    return data[len(known) :] if data.startswith(known) else None


def passed(bookmark: Bookmark, used: bytes, *, events: int) -> Bookmark:
    """The place after these bytes, once so many events tell what is in them."""
    return Bookmark(
        number=bookmark.number + events,
        read_to=bookmark.read_to + len(used),
        known=(bookmark.known + used)[-KNOWN:],
    )
