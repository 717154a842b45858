"""What a job has written, as a page can show it: pure."""

import re
from dataclasses import dataclass

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The end of an output."""

    text: str
    left_out: int
    """How many bytes come before."""


def tail_of(data: bytes, start: int) -> Tail:
    """The text in the bytes from `start` of an output on; a line that begins before is left out.

    A line that was written over and over, as progress bars are, is shown as it was in the end; a
    terminal's colours and other controls are left out (ECMA-48).
    """
    if start:
        cut = data.find(b"\n") + 1
        data, start = data[cut:], start + cut
    text = _ESCAPES.sub("", data.decode("utf-8", errors="replace"))
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return Tail(text="\n".join(_UNSEEN.sub("", line) for line in lines), left_out=start)


def last_lines(text: str, count: int) -> str:
    """The last lines in which something stands, at most so many."""
    return "\n".join(text.rstrip().split("\n")[-count:])
