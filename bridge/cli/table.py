"""Rows for people: aligned, in colour where the terminal has it, no wider than it is."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

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


def table(headings: Sequence[str], rows: Sequence[Sequence[Cell | str]]) -> Iterator[str]:
    """The lines of a table; the last column is cut where a terminal ends, and never elsewhere."""
    cells = [[it if isinstance(it, Cell) else Cell(it) for it in row] for row in rows]
    shown = [[Cell(printable(it.text), it.colour) for it in row] for row in cells]
    lines = [[Cell(it.upper()) for it in headings], *shown]
    widths = [max(len(line[column].text) for line in lines) for column in range(len(headings))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for number, line in enumerate(lines):
        yield _line(line, widths, room, is_heading=number == 0)


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


def _line(
    line: Sequence[Cell], widths: Sequence[int], room: int | None, *, is_heading: bool
) -> str:
    *first, last = line
    padded = [
        _styled(Cell(it.text.ljust(width), it.colour), is_heading=is_heading)
        for it, width in zip(first, widths, strict=False)
    ]
    left = None if room is None else room - sum(it + len(_GAP) for it in widths[:-1])
    text = last.text if left is None else last.text[: max(0, left)]
    end = _styled(Cell(text, last.colour), is_heading=is_heading)
    return _GAP.join([*padded, end]).rstrip()


def _styled(cell: Cell, *, is_heading: bool) -> str:
    if cell.colour is None and not is_heading:
        return cell.text
    return click.style(cell.text, fg=cell.colour, bold=is_heading)
