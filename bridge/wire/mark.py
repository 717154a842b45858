"""The markers that a job's script writes: their names and what is in them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import assert_never

from bridge.core.facts import EndMark, HindranceMark, PullMark, ScriptMark, StartMark
from bridge.core.failure import Hindrance
from bridge.core.job import JobId

LONGEST_MARK = 512
"""Bytes."""
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
WORDS: Mapping[type[ScriptMark], str] = MappingProxyType(
    {PullMark: "pulling", StartMark: "started", EndMark: "ended", HindranceMark: "hindered"}
)
"""How the names of the markers end."""

_NAME = re.compile(rf"({UUID})\.([1-9][0-9]{{0,5}})\.([0-9]{{1,6}})\.({'|'.join(WORDS.values())})")
_TIME = r"([0-9]{1,10})(?:\.([0-9]{1,9}))?"
_NODE = re.compile(rf"{_TIME} ([A-Za-z0-9._-]{{1,255}})\n")
_CODE = re.compile(rf"{_TIME} (25[0-5]|2[0-4][0-9]|1?[0-9]{{1,2}})\n")
# A job may write marks of its own: what is told of them are words and numbers of ours.
_HINDRANCE = re.compile(rf"{_TIME} ({'|'.join(Hindrance)})(?:(?<=mount) ([0-9]{{1,3}}))?\n")
_SAY = MappingProxyType(
    {"pulling": _NODE, "started": _NODE, "ended": _CODE, "hindered": _HINDRANCE}
)

Told = tuple[JobId, int, ScriptMark]
"""Of which job and attempt, and what."""


def read_mark(name: str, text: str, *, at: datetime) -> Told | None:
    """What the marker with this name and content, seen `at`, tells; None when it is none.

    The job's script names it `<job id>.<attempt>.<restart>.<word>` and writes `<epoch seconds>`
    and, after a blank, the node for `pulling` and `started`, the exit code for `ended` and the
    hindrance for `hindered`, after `mount` perhaps its number from 0, and a line feed.
    """
    named = _NAME.fullmatch(name)
    if named is None:
        return None
    said = _SAY[named[4]].fullmatch(text)
    if said is None:
        return None
    when = datetime.fromtimestamp(int(said[1]), UTC) + timedelta(
        microseconds=int((said[2] or "").ljust(6, "0")[:6])
    )
    fact = _fact(named[4], said.groups()[2:], when, restart=int(named[3]), at=at)
    return JobId(named[1]), int(named[2]), fact


def _fact(
    word: str, words: tuple[str, ...], when: datetime, *, restart: int, at: datetime
) -> ScriptMark:
    said = words[0]
    match word:
        case "pulling":
            return PullMark(at=at, restart=restart, pulling_since=when, node=said)
        case "started":
            return StartMark(at=at, restart=restart, started_at=when, node=said)
        case "ended":
            return EndMark(at=at, restart=restart, ended_at=when, exit_code=int(said))
        case _:
            return HindranceMark(
                at=at,
                restart=restart,
                ended_at=when,
                hindrance=Hindrance(said),
                mount=int(words[1]) if words[1] else None,
            )


def mark_text(mark: ScriptMark) -> str:
    """The content that `read_mark` reads this from."""
    when, said = _content(mark)
    seconds = int(when.timestamp())
    return f"{seconds}.{when.microsecond:06} {said}\n"


def _content(mark: ScriptMark) -> tuple[datetime, str | int]:
    match mark:
        case PullMark():
            return mark.pulling_since, mark.node
        case StartMark():
            return mark.started_at, mark.node
        case EndMark():
            return mark.ended_at, mark.exit_code
        case HindranceMark():
            which = "" if mark.mount is None else f" {mark.mount}"
            return mark.ended_at, f"{mark.hindrance.value}{which}"
    assert_never(mark)
