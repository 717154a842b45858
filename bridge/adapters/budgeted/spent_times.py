"""When commands were run, kept in a file: whoever starts anew is bound by what was spent before."""

import os
import struct
from datetime import timedelta
from pathlib import Path

import structlog

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_TIME = struct.Struct("<d")
_MODE = 0o600
_LONGEST = 1024 * 1024


class SpentTimes:
    """The last `most` times, as seconds since the machine was started, in a ring of that many.

    It is there for a program that dies and comes back at once, not for a machine that does: so
    nothing is synced. Times of before a restart of the machine, and of another machine, look like
    times to come, or else like old ones, and count for a minute at most. A file that cannot be used
    is told of in the log, and then nothing is kept.
    """

    def __init__(self, path: Path, *, most: int) -> None:
        self._path = path
        self._most = most
        self._next = 0
        self._file: int | None = None

    def open(self, *, now: timedelta) -> list[timedelta]:
        """The times that were kept, in order, none of them later than `now`."""
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
            said = os.pread(self._file, _LONGEST, 0)
            whole = said[: len(said) // _TIME.size * _TIME.size]
            times = [at for (at,) in _TIME.iter_unpack(whole) if 0 < at <= now.total_seconds()]
            times = sorted(times)[-self._most :]
            # In order from the beginning: which of two equal times is the older one is lost.
            ring = b"".join(map(_TIME.pack, times)).ljust(self._most * _TIME.size, b"\0")
            os.pwrite(self._file, ring, 0)
            os.ftruncate(self._file, len(ring))
        except OSError as error:
            log.warning("spent_budget_not_kept", file=str(self._path), words=str(error))
            return []
        self._next = len(times)
        return [timedelta(seconds=it) for it in times]

    def note(self, at: timedelta) -> None:
        """Keep this time instead of the oldest."""
        if self._file is None:
            return
        place = self._next % self._most
        try:
            os.pwrite(self._file, _TIME.pack(at.total_seconds()), place * _TIME.size)
        except OSError as error:
            log.warning("spent_budget_not_kept", file=str(self._path), words=str(error))
        self._next = place + 1

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
