"""The lines in which a job says how far it has come: JSON, one object a line."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

from bridge.core.progress import Point

LONGEST_LINE = 16 * 1024
"""Bytes."""
MOST_POINTS = 1000
"""In one event."""
MOST_METRICS = 64
LONGEST_NAME = 100
LONGEST_MESSAGE = 1000
_LARGEST = 2**53
"""Whole numbers up to here are the same in every language's JSON (RFC 8259, 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What was read of a job's file."""

    points: tuple[Point, ...]
    used: int
    """How many bytes they took; what follows is no whole line yet, or goes into the next event."""
    skipped: int
    """How many lines were none of ours."""


def read_lines(data: bytes, *, is_all: bool) -> Lines:
    """The points in these bytes, at most MOST_POINTS.

    A last line without its end waits for it, unless `is_all`: nothing more is written then.
    """
    points: list[Point] = []
    used = skipped = 0
    for line in _lines(data, is_all=is_all):
        if len(points) == MOST_POINTS:
            break
        used += len(line)
        point = _point(line)
        if point is not None:
            points.append(point)
        elif line.strip():
            skipped += 1
    return Lines(points=tuple(points), used=used, skipped=skipped)


def _lines(data: bytes, *, is_all: bool) -> Iterator[bytes]:
    # Not splitlines(): only a line feed ends a line, whatever else stands in it.
    *whole, rest = data.split(b"\n")
    for line in whole:
        yield line + b"\n"
    if rest and (is_all or len(rest) > LONGEST_LINE):
        yield rest


def _point(line: bytes) -> Point | None:
    if len(line) > LONGEST_LINE:
        return None
    try:
        # Trainings diverge: NaN and Infinity, which are not JSON, are what Python's writes then.
        said = json.loads(line, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    step = _number(said.get("step"))
    metrics = said.get("metrics", {})
    if step is None or not isinstance(metrics, dict):
        return None
    message: object = said.get("message")
    return Point(
        step=step,
        total=_number(said.get("total")),
        metrics=tuple(
            (name[:LONGEST_NAME], _number(value))
            for name, value in list(metrics.items())[:MOST_METRICS]
            if _is_text(name)
        ),
        message=message[:LONGEST_MESSAGE] if _is_text(message) else None,
    )


def _number(value: object) -> float | None:
    """The number, whole where it is; None for all else, and for one that JSON cannot say."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else None
    return value if math.isfinite(value) else None


def _is_text(value: object) -> TypeGuard[str]:
    """Whether it is text that can be encoded: JSON can escape half a surrogate pair."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
