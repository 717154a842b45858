"""Rows for people: aligned, in colour where the terminal has it, no wider than it is."""

import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

import click

from bridge.core.user_state import UserState

_GAP = "  "

_COLOURS = {
    UserState.RUNNING: "blue",
    UserState.COMPLETE: "green",
    UserState.FAILED: "red",
    UserState.CANCELLED: "yellow",
    UserState.TERMINATED: "yellow",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """Some text, and its colour."""

    text: str
    colour: str | None = None


def state_cell(state: UserState) -> Cell:
    """A job's state."""
    return Cell(state, _COLOURS.get(state))


def table(
    headings: Sequence[str], rows: Sequence[Sequence[Cell | str]], *, is_cut: bool = False
) -> Iterator[str]:
    """The lines of a table; the last column is cut where a terminal ends, and never elsewhere.

    With `is_cut` any column may be cut there.
    """
    cells = [[it if isinstance(it, Cell) else Cell(it) for it in row] for row in rows]
    shown = [[Cell(printable(it.text), it.colour) for it in row] for row in cells]
    lines = [[Cell(it.upper()) for it in headings], *shown]
    widths = [max(columns(line[it].text) for line in lines) for it in range(len(headings))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for number, line in enumerate(lines):
        yield _line(line, widths, room, is_heading=number == 0, is_cut=is_cut)


def time_of_day(moment: datetime | None) -> str:
    """A moment in local time, short."""
    return "-" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def bar(step: float, total: float | None, *, width: int = 20) -> str:
    """How far something has come."""
    if not total or total < 0:
        return f"{step:g}"
    share = min(1.0, max(0.0, step / total))
    full = round(share * width)
    return f"{'█' * full}{'░' * (width - full)} {share:4.0%}  {step:g}/{total:g}"


def printable(text: str) -> str:
    """The text without what a terminal would obey: who may publish may write anything."""
    return "".join(it if it.isprintable() else "\N{REPLACEMENT CHARACTER}" for it in text)


def columns(text: str) -> int:
    """How many columns of a terminal printable text takes: letters of Chinese take two each."""
    return sum(map(_width, text))


def cut_to(text: str, room: int) -> str:
    """As much of the text as so many columns can show."""
    ends = accumulate(map(_width, text))
    return "".join(it for it, end in zip(text, ends, strict=True) if end <= room)


def _width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def _line(
    line: Sequence[Cell], widths: Sequence[int], room: int | None, *, is_heading: bool, is_cut: bool
) -> str:
    shown, begins, last = [], 0, len(line) - 1
    for number, (cell, width) in enumerate(zip(line, widths, strict=True)):
        text, room_here = cell.text, width
        if room is not None and (is_cut or number == last):
            left = max(0, room - begins)
            text, room_here = cut_to(text, left), min(width, left)
        if number < last:
            text += " " * (room_here - columns(text))
        if not text and is_cut:
            break
        shown.append(_styled(Cell(text, cell.colour), is_heading=is_heading))
        begins += width + len(_GAP)
    return _GAP.join(shown).rstrip()


def _styled(cell: Cell, *, is_heading: bool) -> str:
    if cell.colour is None and not is_heading:
        return cell.text
    return click.style(cell.text, fg=cell.colour, bold=is_heading)
