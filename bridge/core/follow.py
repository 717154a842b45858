"""How much of what followed jobs write is told at a time: pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from bridge.core.job import JobId

OutputStream = Literal["stdout", "stderr"]
STREAMS: tuple[OutputStream, ...] = ("stdout", "stderr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """A job whose output somebody follows."""

    job_id: JobId
    until: timedelta
    """In uptime: when it ends unless somebody asks again."""
    told: tuple[int, int]
    """How many bytes of each of STREAMS were told, or were there when it began."""
    is_over: bool = False
    """Whether the job was over already when its files were last looked at."""


def growth(told: int, size: int | None) -> int:
    """How many bytes are to be told; none of a file that is not there, or was cut."""
    return max((size or 0) - told, 0)


def shares(wanted: Sequence[int], *, budget: int, most: int) -> tuple[int, ...]:
    """How many bytes of each to tell now: at most `most`, and `budget` in all.

    Who wants little gets it all; the others get the same of what is left.
    """
    given = [0] * len(wanted)
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    for place, index in enumerate(order):
        fair = budget // (len(order) - place)
        given[index] = min(wanted[index], most, fair)
        budget -= given[index]
    return tuple(given)


def has_ended(follow: Follow, *, is_over: bool, grows: bool) -> bool:
    """Whether nothing follows: the job was over before this look, and nothing has come since.

    On a network file system the last bytes may be seen a moment after the job's end.
    """
    return is_over and follow.is_over and not grows


def after(follow: Follow, lengths: Sequence[int], *, is_over: bool) -> Follow:
    """The follow, now that so many bytes of each stream were told."""
    stdout, stderr = (told + length for told, length in zip(follow.told, lengths, strict=True))
    return replace(follow, told=(stdout, stderr), is_over=is_over)
