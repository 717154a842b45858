"""Release: jobs that wait for others go on, or end, once it is known how those have ended."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bridge.core.errors import UnavailableError
from bridge.core.facts import DependencyEnded, Fact, TaskStarted
from bridge.core.job import JobId
from bridge.core.lifecycle import Job, Phase
from bridge.flows.record import Recorder
from bridge.ports import Clock, DependencyJournal, JobFolders, LifecycleJournal, News

log = structlog.get_logger()

_NOTED_AT_ONCE = 20
"""Few enough that news does not wait long where folders are far away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What one pass over the jobs that wait came to."""

    changed: int
    """How many steps were recorded."""
    noted: int
    """How many new jobs were dealt with: those that wait are in their folders."""


class Release:
    """Tells jobs that wait what became of those that they wait for.

    As long as they wait they have no script, so their messages are put into their folders here:
    from there a journal that was lost is rebuilt.
    """

    def __init__(
        self,
        *,
        dependencies: DependencyJournal,
        jobs: LifecycleJournal,
        folders: JobFolders,
        recorder: Recorder,
        clock: Clock,
        unknown_grace: timedelta,
        batch: int = 500,
    ) -> None:
        """`unknown_grace` is how long a job may wait for one that has not come yet.

        Raises UnavailableError when the journal cannot be read.
        """
        self._dependencies = dependencies
        self._jobs = jobs
        self._folders = folders
        self._recorder = recorder
        self._clock = clock
        self._unknown_grace = unknown_grace
        self._batch = batch
        # An earlier daemon may have had no time for some of them; once more changes nothing.
        self._to_note = deque(dependencies.blocked())

    def arrived(self, jobs: Iterable[Job]) -> None:
        """Look at these new jobs in the next passes."""
        self._to_note.extend(jobs)

    def release_waiting(self) -> Released:
        """Tell one batch of news, and note some of the new jobs that wait.

        Raises UnavailableError when the journal cannot be read or written.
        """
        return Released(changed=self._tell_news(), noted=self._note_some())

    def _tell_news(self) -> int:
        now = self._clock.now()
        news = defaultdict[JobId, list[News]](list)
        for it in self._dependencies.news(self._batch, unknown_before=now - self._unknown_grace):
            news[it.job_id].append(it)
        if not news:
            return 0
        jobs = self._jobs.jobs(news)
        have_run = self._have_run(jobs, news)
        told_to = ((job, _fact(it, have_run, now)) for job in jobs for it in news[job.job_id])
        return self._recorder.tell(told_to).changed

    def _have_run(
        self, waiting: Iterable[Job], news: Mapping[JobId, Iterable[News]]
    ) -> frozenset[JobId]:
        """Of tasks whose sweep knows of no start yet, those that have started."""
        unstarted = [it for it in waiting if it.phase is Phase.ARRAY and it.started_at is None]
        tasks = {it.dependency for sweep in unstarted for it in news[sweep.job_id]}
        known = self._jobs.jobs(tasks) if tasks else ()
        return frozenset(it.job_id for it in known if it.started_at is not None)

    def _note_some(self) -> int:
        some = [self._to_note.popleft() for _ in range(min(_NOTED_AT_ONCE, len(self._to_note)))]
        # Most never wait, and are not asked for once more.
        waited = [it.job_id for it in some if it.phase is Phase.BLOCKED]
        now = self._jobs.jobs(waited) if waited else ()
        waiting = [it for it in now if it.phase is Phase.BLOCKED]
        try:
            self._note(waiting)
        except UnavailableError as error:
            log.warning("waiting_jobs_not_noted", jobs=len(waiting), words=str(error))
            self._to_note.extend(waiting)
            return 0
        return len(some)

    def _note(self, jobs: Sequence[Job]) -> None:
        for it in jobs:
            request = self._jobs.request(it.job_id).decode("utf-8")
            self._folders.create(it.job_id, {"job.json": request})


def _fact(news: News, have_run: Collection[JobId], at: datetime) -> Fact:
    task = news.dependency
    if news.ending is None:
        return TaskStarted(at=at)
    return DependencyEnded(at=at, job_id=task, ending=news.ending, has_run=task in have_run)
