"""Many jobs at once on a terminal: a table that is drawn anew in its place with each event."""

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice

import click

from bridge.cli.table import cut_to, printable, state_cell, table
from bridge.cli.terminal import colour, line, progress_words
from bridge.core.lifecycle import EventKind
from bridge.core.user_state import OVER, UserState, user_state
from bridge.wire.event import CloudEvent

_HEADINGS = ("job", "state", "site", "name", "user", "")
_LONGEST_SITE, _LONGEST_NAME, _LONGEST_USER = 16, 24, 12
# In columns: one long name leaves room for the others' remarks.
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


class Rows:
    """The jobs of which something was told; to take in an event costs the same with many of them.

    What the broker has kept of some days may speak of tens of thousands.
    """

    def __init__(self) -> None:
        self._going: dict[str, Row] = {}
        self._over: dict[str, Row] = {}
        self._counts: Counter[UserState] = Counter()

    def take(self, event: CloudEvent, job_id: str) -> bool:
        """Whether the event changes anything."""
        known = self._going.get(job_id) or self._over.get(job_id)
        row = folded(known, event, printable(job_id))
        if row == known:
            return False
        if known is not None:
            self._counts[known.state] -= 1
            self._going.pop(job_id, None)
            self._over.pop(job_id, None)
        self._counts[row.state] += 1
        # A dict keeps the order in which its keys came.
        (self._over if row.state in OVER else self._going)[job_id] = row
        return True

    def frame(self, height: int) -> list[str]:
        """The lines of the table, at most so many: those that go on first, then the newest."""
        count = len(self._going) + len(self._over)
        if not count:
            return []
        room = max(1, height - _AROUND)
        newest = chain(reversed(self._going.values()), reversed(self._over.values()))
        cells = [
            (
                it.job_id,
                state_cell(it.state),
                cut_to(it.site, _LONGEST_SITE),
                cut_to(printable(it.name), _LONGEST_NAME) or "-",
                cut_to(printable(it.user), _LONGEST_USER) or "-",
                it.remarks,
            )
            for it in islice(newest, room)
        ]
        told = ", ".join(f"{self._counts[it]} {it}" for it in UserState if self._counts[it])
        hidden = f"; {count - room} not shown" if count > room else ""
        return [*table(_HEADINGS, cells, is_cut=True), told + hidden]


class LiveTable:
    """Shows jobs on standard output, which is a terminal."""

    def __init__(self) -> None:
        self._rows = Rows()
        self._drawn = 0

    def show(self, event: CloudEvent) -> None:
        """Take in an event; one that is of no job stays above the table, as a line."""
        job_id = event.data.job_id
        if job_id is None:
            self._draw(above=[click.style(line(event), fg=colour(event.data.event))])
        elif self._rows.take(event, job_id):
            self._draw()

    def _draw(self, above: "list[str] | None" = None) -> None:
        lines = self._rows.frame(shutil.get_terminal_size().lines)
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        text = "".join(f"{it}\n" for it in [*(above or ()), *lines])
        click.echo(f"{_CUT}{up}{_CLEAR_BELOW}{text}{_WRAP}", nl=False, color=True)
        self._drawn = len(lines)
