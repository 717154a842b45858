"""The markers that a job's script writes: their names and what is in them."""

import re
from datetime import UTC, datetime, timedelta

from bridge.core.facts import EndMark, StartMark
from bridge.core.job import JobId

LONGEST_MARK = 512
"""Bytes."""
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

_NAME = re.compile(rf"({UUID})\.([1-9][0-9]{{0,5}})\.([0-9]{{1,6}})\.(started|ended)")
_TIME = r"([0-9]{1,10})(?:\.([0-9]{1,9}))?"
_STARTED = re.compile(rf"{_TIME} ([A-Za-z0-9._-]{{1,255}})\n")
_ENDED = re.compile(rf"{_TIME} (25[0-5]|2[0-4][0-9]|1?[0-9]{{1,2}})\n")


Told = tuple[JobId, int, StartMark | EndMark]
"""Of which job and attempt, and what."""


def read_mark(name: str, text: str, *, at: datetime) -> Told | None:
    """What the marker with this name and content, seen `at`, tells; None when it is none.

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
    return JobId(named[1]), int(named[2]), fact


def mark_text(mark: StartMark | EndMark) -> str:
    """The content that `read_mark` reads this from."""
    when, said = (
        (mark.started_at, mark.node)
        if isinstance(mark, StartMark)
        else (mark.ended_at, mark.exit_code)
    )
    seconds = int(when.timestamp())
    return f"{seconds}.{when.microsecond:06} {said}\n"
