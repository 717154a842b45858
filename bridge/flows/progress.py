"""Progress: what running jobs write into their progress files becomes events."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock

import structlog

from bridge.core.job import JobId
from bridge.core.progress import CHUNK, Bookmark, anew, passed, resume, unread
from bridge.core.site import Site
from bridge.ports import (
    Clock,
    FileRange,
    JobFile,
    JobFiles,
    ProgressJournal,
    ProgressNote,
    Reading,
)
from bridge.wire.event import Run, encode_progress
from bridge.wire.progress import read_lines
from bridge.wire.returned import progress_data

log = structlog.get_logger()

PROGRESS_FILE = "progress.jsonl"
MOST_LOOKS = 250
"""Files that are looked at in one pass: of more running jobs, the others come in the next one."""
_PASS = timedelta(seconds=1)
_LAST_ROUNDS = 64
"""What a job has left untold at its end may take so many reads, and no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unread:
    """What was read of a job's file and not told yet."""

    reading: Reading
    bookmark: Bookmark
    data: bytes
    is_all: bool
    """Whether the file ends there."""


class Progress:
    """Reads on from where it was, over restarts of the bridge and of the job.

    A job is told of at most once in `every`, and not again before that was published: whatever
    comes meanwhile stays in its file, and is told together.
    """

    def __init__(
        self,
        *,
        site: Site,
        files: JobFiles,
        journal: ProgressJournal,
        clock: Clock,
        every: timedelta,
    ) -> None:
        self._site = site
        self._files = files
        self._journal = journal
        self._clock = clock
        self._every = every
        self._on_news: Callable[[], None] = lambda: None
        self._after = 0
        self._told_at: dict[JobId, timedelta] = {}
        self._guard = Lock()

    def notify(self, listener: Callable[[], None]) -> None:
        """Call `listener` from now on whenever events were recorded that wait to be published."""
        self._on_news = listener

    def read_some(self) -> timedelta:
        """Look at the files of some running jobs; how long to wait until the next look.

        Raises UnavailableError when the journal or the file system does not answer.
        """
        running = self._journal.running(after=self._after, limit=MOST_LOOKS)
        self._after = running[-1].place if len(running) == MOST_LOOKS else 0
        now = self._clock.uptime()
        with self._guard:
            self._told_at = {it: at for it, at in self._told_at.items() if now - at < self._every}
            due = [it for it in running if it.is_told and it.job_id not in self._told_at]
        self._tell(self._unread(due, at_the_end=False))
        return min(_PASS, self._every)

    def finish(self, job_ids: Iterable[JobId]) -> None:
        """Tell what these jobs have written and was not told yet: their runs have ended.

        Raises UnavailableError when the journal or the file system does not answer.
        """
        rest = list(job_ids)
        for _ in range(_LAST_ROUNDS):
            found = self._unread(self._journal.readings(rest), at_the_end=True)
            self._tell(found)
            rest = [it.reading.job_id for it in found]
            if not rest:
                return
        log.warning("progress_not_all_told", jobs=rest)

    def _unread(self, readings: Sequence[Reading], *, at_the_end: bool) -> list[_Unread]:
        """What is new in each file; of those that have nothing new, nothing."""
        if not readings:
            return []
        sizes = self._files.sizes([_file_of(it) for it in readings])
        grown = [
            (it, resume(self._bookmark(it), size))
            for it, size in zip(readings, sizes, strict=True)
            if size is not None and size != self._bookmark(it).read_to
        ]
        found, other = self._read(grown, at_the_end=at_the_end)
        again, _ = self._read(
            [(it, anew(self._bookmark(it))) for it in other], at_the_end=at_the_end
        )
        return found + again

    def _read(
        self, wanted: Sequence[tuple[Reading, Bookmark]], *, at_the_end: bool
    ) -> tuple[list[_Unread], list[Reading]]:
        """What follows each bookmark; and the jobs whose file is another one than it was."""
        ranges = [
            FileRange(file=_file_of(it), start=mark.start, length=len(mark.known) + CHUNK)
            for it, mark in wanted
        ]
        found, other = [], []
        pieces = self._files.read(ranges) if ranges else ()
        for (reading, mark), piece in zip(wanted, pieces, strict=True):
            data = b"" if piece is None else unread(mark, piece.data)
            if data is None:
                other.append(reading)
            elif piece is not None and data:
                is_all = at_the_end and mark.read_to + len(data) >= piece.size
                found.append(_Unread(reading=reading, bookmark=mark, data=data, is_all=is_all))
        return found, other

    def _bookmark(self, reading: Reading) -> Bookmark:
        if reading.bookmark is not None:
            return reading.bookmark
        # Nobody knows how many events a lost journal had told. Numbered by the clock, in seconds,
        # the next ones bear no number that was used: no job told one each second.
        number = int(self._clock.now().timestamp()) if reading.told_before else 0
        return Bookmark(number=number)

    def _tell(self, found: Iterable[_Unread]) -> None:
        notes = [note for it in found if (note := self._note(it)) is not None]
        if not notes or not self._journal.note(notes):
            return
        now = self._clock.uptime()
        with self._guard:
            self._told_at |= {it.job_id: now for it in notes}
        self._on_news()

    def _note(self, found: _Unread) -> ProgressNote | None:
        lines = read_lines(found.data, is_all=found.is_all)
        if not lines.used:
            return None
        reading, was = found.reading, found.bookmark.number
        events = 1 if lines.points or lines.skipped else 0
        data = progress_data(number=was + 1, points=lines.points, skipped=lines.skipped)
        run = Run(
            job_id=reading.job_id,
            slurm_id=reading.slurm_id,
            attempt=reading.attempt,
            restart=reading.restart,
        )
        message = encode_progress(run, data, self._site, at=self._clock.now())
        return ProgressNote(
            job_id=reading.job_id,
            was=was,
            bookmark=passed(found.bookmark, found.data[: lines.used], events=events),
            messages=(message,) * events,
        )


def _file_of(reading: Reading) -> JobFile:
    return JobFile(job_id=reading.job_id, name=PROGRESS_FILE)
