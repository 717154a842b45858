"""Reach: tells when a site's scheduler falls silent, and when it is back."""

from datetime import timedelta
from threading import Lock

import structlog

from bridge.core.lifecycle import EventKind
from bridge.core.reach import Reach, hear, miss
from bridge.ports import Clock, Notice, NoticeJournal
from bridge.wire.event import encode_site_event

log = structlog.get_logger()


class Reachability:
    """What all who ask Slurm know together of whether it answers. Threads share it."""

    def __init__(
        self, *, site: str, notices: NoticeJournal, clock: Clock, patience: timedelta
    ) -> None:
        """`patience` is how long the silence must last before it is told.

        What the last daemon told counts on: it may have told a silence that has ended since.
        """
        self._site = site
        self._notices = notices
        self._clock = clock
        self._patience = patience
        self._lock = Lock()
        self._answered_at: timedelta | None = None
        silent, back = (f"{site}.{it}" for it in (EventKind.UNREACHABLE, EventKind.RECOVERED))
        self._reach = Reach(told_silent=notices.last_notice([silent, back]) == silent)

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last that was heard, or told, of Slurm is its silence."""
        with self._lock:
            return self._reach != Reach()

    @property
    def answered_ago(self) -> timedelta | None:
        """How long ago Slurm last answered; None when it has not since this program began."""
        with self._lock:
            if self._answered_at is None:
                return None
            return self._clock.uptime() - self._answered_at

    def answered(self) -> bool:
        """Slurm has answered; whether that is told to the outside."""
        with self._lock:
            self._answered_at = self._clock.uptime()
            return self._tell(*hear(self._reach), None)

    def silent(self, words: str) -> bool:
        """Slurm has not answered, in these words; whether that is told to the outside."""
        with self._lock:
            now = self._clock.uptime()
            return self._tell(*miss(self._reach, at=now, patience=self._patience), words)

    def _tell(self, reach: Reach, kind: EventKind | None, words: str | None) -> bool:
        if kind is not None:
            log.warning("site", site=self._site, tells=kind.value, words=words)
            message = encode_site_event(
                site=self._site, kind=kind, at=self._clock.now(), detail=words
            )
            self._notices.admit([Notice(message=message)])
        self._reach = reach
        return kind is not None
