"""The scheduler of a machine that has none."""

import os
import signal
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from bridge.adapters.local_processes.directives import read_wishes
from bridge.adapters.local_processes.dispatch import environment_for_jobs, start_waiting
from bridge.adapters.local_processes.process import send
from bridge.adapters.local_processes.records import End, LocalJob, Submitted, sighting
from bridge.adapters.local_processes.store import Store
from bridge.core.errors import UnavailableError
from bridge.core.facts import Sighting
from bridge.core.job import SlurmId, SubmissionTag
from bridge.core.slurm_state import SlurmState
from bridge.ports import Clock

GRACE = timedelta(seconds=30)
"""Between SIGTERM and SIGKILL, as long as Slurm's KillWait is unless it is set."""
LISTED_FOR = timedelta(minutes=5)
"""How long the queue shows a job that is over, as long as Slurm's MinJobAge."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class LocalProcesses:
    """A Scheduler that runs batch scripts as processes of this machine; threads may share it.

    What is known of the jobs lies in `folder`. Each job has a supervisor of its own, so that jobs,
    and the order in which they come, go on without the daemon, and no job is run twice. A job
    whose supervisor was killed, or whose machine went down, has failed with its node.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        at_once: int,
        grace: timedelta = GRACE,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """At most `at_once` jobs run at the same time. Raises UnavailableError.

        Of `environment` jobs get what a login has.
        """
        self._store = Store(folder)
        self._clock = clock
        self._grace = grace
        self._environment = environment_for_jobs(environment)
        with self._available():
            self._store.open(at_once=at_once)

    def submit(self, script: str) -> SlurmId:
        """Take a batch script, and run it when there is room."""
        wishes = read_wishes(script)
        with self._available():
            number = self._store.add(script, Submitted(at=self._clock.now(), wishes=wishes))
        self._start_waiting()
        return SlurmId(str(number))

    def find(
        self, tags: Collection[SubmissionTag], *, since: datetime
    ) -> Mapping[SubmissionTag, tuple[SlurmId, ...]]:
        """Of each tag, every job that bears it, lowest id first; none that ended before."""
        known = [sighting(it) for it in self._jobs() if not _ended_before(it, since)]
        return {tag: tuple(it.slurm_id for it in known if it.tag == tag) for tag in tags}

    def queue(self) -> tuple[Sighting, ...]:
        """All jobs, also those that ended a moment ago."""
        self._start_waiting()
        since = self._clock.now() - LISTED_FOR
        return tuple(sighting(it) for it in self._jobs() if not _ended_before(it, since))

    def accounting(self, slurm_ids: Iterable[SlurmId], *, since: datetime) -> tuple[Sighting, ...]:
        """The record of each of these jobs."""
        asked = set(slurm_ids)
        known = (it for it in self._jobs() if not _ended_before(it, since))
        return tuple(it for it in map(sighting, known) if it.slurm_id in asked)

    def cancel(self, jobs: Collection[tuple[SlurmId, SubmissionTag]]) -> None:
        """Have those end that bear their tags; one that waits is over at once."""
        for slurm_id, tag in jobs:
            self._cancel(slurm_id, tag)

    def _cancel(self, slurm_id: SlurmId, tag: SubmissionTag) -> None:
        if not slurm_id.isdecimal():
            return
        # With the lock, nobody starts it in the same moment.
        with self._available(), self._store.locked():
            job = self._store.job(int(slurm_id))
            if job is None or job.end is not None or sighting(job).tag != tag:
                return
            if job.run is None:
                end = End(at=self._clock.now(), state=SlurmState.CANCELLED)
                self._store.finish(job.number, end)
            else:
                self._store.request_cancel(job.number)
                send(job.run.supervisor, signal.SIGTERM)

    def forget(self, *, before: datetime) -> None:
        """Remove the records of jobs that ended before then. Raises UnavailableError."""
        with self._available():
            self._store.forget(before=before)

    def _jobs(self) -> list[LocalJob]:
        with self._available():
            return self._store.jobs()

    def _start_waiting(self) -> None:
        try:
            with self._available():
                start_waiting(self._store, grace=self._grace, environment=self._environment)
        except UnavailableError as error:
            # The jobs are on record and wait; the next look at the queue tries again.
            log.warning("local_jobs_not_started", words=str(error))

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = error.strerror or os.strerror(error.errno or 0)
            raise UnavailableError(f"{error.filename or self._store.folder}: {what}") from error
        except ValueError as error:
            raise UnavailableError(str(error)) from error


def _ended_before(job: LocalJob, then: datetime) -> bool:
    return job.end is not None and job.end.at < then
