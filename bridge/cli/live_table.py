"""Many jobs at once on a terminal: a table that is drawn anew in its place with each event."""

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import click

from bridge.cli.table import printable, state_cell, table
from bridge.cli.terminal import colour, line, progress_words
from bridge.core.lifecycle import EventKind
from bridge.core.user_state import OVER, UserState, user_state
from bridge.wire.event import CloudEvent

_HEADINGS = ("job", "state", "site", "name", "user", "")
_AROUND = 3
# The headings, the line below the table, and the one where the cursor is.
_CLEAR_BELOW = "\x1b[J"
# ECMA-48: ED.
_CUT, _WRAP = "\x1b[?7l", "\x1b[?7h"
# A line that wraps would take two, and the table would wander (DECAWM).


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A job as its newest event left it."""

    job_id: str
    site: str
    updated_at: datetime
    state: UserState = UserState.QUEUED
    sequence: int = 0
    name: str = ""
    user: str = ""
    words: str = ""
    """What it waits for, or how it ended."""
    progress: str = ""

    @property
    def remarks(self) -> str:
        """What there is to say of it."""
        return self.progress if self.state is UserState.RUNNING and self.progress else self.words


def folded(row: Row | None, event: CloudEvent, job_id: str) -> Row:
    """What an event makes of a job's row; None: nothing was told of it before."""
    data = event.data
    known = row or Row(job_id=job_id, site=data.site, updated_at=event.time)
    if data.progress is not None:
        # Where nothing else was heard of it: what makes progress runs.
        state = UserState.RUNNING if row is None else known.state
        words = "  ".join(progress_words(data.progress)) or known.progress
        return replace(known, state=state, progress=words, updated_at=event.time)
    is_late = data.sequence < known.sequence
    if row is not None and (is_late or data.event is EventKind.REJECTED):
        return known
    asked = data.job
    return replace(
        known,
        state=user_state(data.event, data.phase, has_started=data.started_at is not None),
        sequence=data.sequence,
        updated_at=event.time,
        name=known.name if asked is None else asked.name,
        user=known.user if asked is None else asked.user or "",
        words=data.detail or data.reason or data.pending_reason or "",
        progress="" if data.event is EventKind.STARTED else known.progress,
    )


def frame(rows: Mapping[str, Row], height: int) -> list[str]:
    """The lines of the table, at most so many: those that go on first, then the newest."""
    shown = sorted(rows.values(), key=lambda it: it.updated_at, reverse=True)
    shown.sort(key=lambda it: it.state in OVER)
    room = max(1, height - _AROUND)
    cells = [
        (it.job_id, state_cell(it.state), it.site, it.name or "-", it.user or "-", it.remarks)
        for it in shown[:room]
    ]
    counts = Counter(it.state for it in rows.values())
    told = ", ".join(f"{counts[it]} {it}" for it in UserState if counts[it])
    hidden = len(shown) - room
    return [*table(_HEADINGS, cells), told + (f"; {hidden} not shown" if hidden > 0 else "")]


class LiveTable:
    """Shows jobs on standard output, which is a terminal."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._drawn = 0

    def show(self, event: CloudEvent) -> None:
        """Take in an event; one that is of no job stays above the table, as a line."""
        job_id = event.data.job_id
        if job_id is None:
            self._draw(above=[click.style(line(event), fg=colour(event.data.event))])
            return
        known = self._rows.get(job_id)
        row = folded(known, event, printable(job_id))
        if row != known:
            self._rows[job_id] = row
            self._draw()

    def _draw(self, above: "list[str] | None" = None) -> None:
        lines = frame(self._rows, shutil.get_terminal_size().lines) if self._rows else []
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        text = "".join(f"{it}\n" for it in [*(above or ()), *lines])
        click.echo(f"{_CUT}{up}{_CLEAR_BELOW}{text}{_WRAP}", nl=False, color=True)
        self._drawn = len(lines)
