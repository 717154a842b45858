"""Watch: what Slurm and the jobs' own scripts say becomes facts, and facts become steps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bridge.core.errors import OverBudgetError, UnavailableError
from bridge.core.facts import LAST_MARKS, Absent, Claimed, Fact, Seen, Sighting
from bridge.core.job import JobId, SlurmId, array_id, array_index, runs_attempt
from bridge.core.lifecycle import Job, Phase
from bridge.core.slurm_state import FINAL, MEANING, Meaning, SlurmState
from bridge.flows.record import Recorder
from bridge.ports import Clock, JobFolders, LifecycleJournal, Mark, Scheduler

log = structlog.get_logger()

_CLOCKS_DIFFER_BY = timedelta(minutes=1)

_Run = tuple[JobId, SlurmId, int, Phase]
# A job's own start marker changes it: who has just started is not missing any more. Two jobs can
# have one Slurm id, where Slurm gave it out again.


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at Slurm came to."""

    live: int
    """How many jobs Slurm had when the look began."""
    changed: int
    unsettled: int
    """How many jobs have left the queue without Slurm's last word on them: look again soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarksRead:
    """What one look at the spool came to."""

    changed: int
    ended: int
    """How many containers have ended: Slurm will know their outcome in a moment."""


class Watch:
    """Asks Slurm about all live jobs at once, and reads the marker spool."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        folders: JobFolders,
        journal: LifecycleJournal,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        self._scheduler = scheduler
        self._folders = folders
        self._journal = journal
        self._recorder = recorder
        self._clock = clock
        self._missing_since: dict[_Run, timedelta] = {}
        """In uptime; emptied when Slurm does not answer: silence proves nothing."""

    def look(self, *, anyway: bool = False) -> Look:
        """Ask Slurm about every live job and record what follows.

        Without live jobs Slurm is asked only where that is wanted `anyway`.
        Raises UnavailableError when Slurm does not answer: nothing has changed then.
        """
        # The jobs are read before the question is asked: whoever moves one meanwhile makes this
        # answer stale, and the journal's revisions then leave it out.
        live = self._journal.live()
        if not live and not anyway:
            return Look(live=0, changed=0, unsettled=0)
        asked_at = self._clock.now()
        queue = self._queue()
        present = [it for it in live if _is_in_queue(it, queue)]
        gone = self._with_marks(it for it in live if not _is_in_queue(it, queue))
        facts: list[tuple[Job, Fact]] = [
            (it, Seen(at=asked_at, sighting=queue[_id(it)])) for it in present
        ]
        facts += self._facts_of_gone(gone, queue, asked_at)
        self._forget_found(gone, queue, facts)
        recorded = self._recorder.tell(facts)
        settled = sum(isinstance(fact, Seen) for _, fact in facts)
        return Look(live=len(live), changed=recorded.changed, unsettled=len(live) - settled)

    def _with_marks(self, gone: Iterable[Job]) -> list[Job]:
        """The jobs that have left the queue, after what their own scripts said of it.

        A script leaves its end marker before it ends, so the marker of such a job lies there now.
        Those who are still in the queue are not looked at again: they may have moved on since.
        """
        left = {it.job_id: it for it in gone}
        if not left:
            return []
        try:
            self.read_marks()
        except UnavailableError as error:
            log.warning("marks_not_read", words=str(error))
        newer = {it.job_id: it for it in self._journal.jobs(left)}
        return [newer.get(it, job) for it, job in left.items()]

    def _queue(self) -> dict[SlurmId, Sighting]:
        try:
            sightings = self._scheduler.queue()
        except OverBudgetError:
            raise
        except UnavailableError:
            self._missing_since.clear()
            raise
        return {it.slurm_id: it for it in sightings}

    def _facts_of_gone(
        self, gone: Sequence[Job], queue: dict[SlurmId, Sighting], asked_at: datetime
    ) -> Iterator[tuple[Job, Fact]]:
        if not gone:
            return
        since = min(it.submitted_at or it.accepted_at for it in gone) - _CLOCKS_DIFFER_BY
        try:
            records = self._scheduler.accounting(map(_id, gone), since=since)
        except OverBudgetError:
            return
        except UnavailableError as error:
            log.warning("accounting_unavailable", jobs=len(gone), words=str(error))
            self._missing_since.clear()
            return
        has_accounting = records is not None
        arrays = {array_id(it): sighting for it, sighting in queue.items()}
        last_words = {it.slurm_id: it for it in records} if records is not None else queue
        for job in gone:
            sighting = _sighting_of(job, last_words) or _cancelled_in_its_array(job, queue)
            if sighting is not None and _says_more_than_the_queue(sighting):
                fact = self._last_word(job, sighting, asked_at)
                if fact is not None:
                    yield job, fact
            elif _sighting_of(job, queue) is None:
                yield (
                    job,
                    Absent(
                        at=asked_at,
                        accounting=has_accounting,
                        missing_for=self._missing_for(job),
                        array_listed=_is_of_an_array(job, arrays),
                    ),
                )

    def _last_word(self, job: Job, sighting: Sighting, asked_at: datetime) -> Fact | None:
        """What the end of its Slurm job means to the job; None when that is not known now.

        Should a second Slurm job of this attempt have the container, the end of this one is not
        that of the job. If none has it, none will: an attempt that is over is not run later.
        """
        owner = self._owner(job, sighting)
        if owner == job.slurm_id:
            return Seen(at=asked_at, sighting=sighting)
        since = job.accepted_at - _CLOCKS_DIFFER_BY
        try:
            is_ours = owner in self._scheduler.find([sighting.tag], since=since)[sighting.tag]
        except UnavailableError as error:
            log.warning("claim_not_verified", job=job.job_id, owner=owner, words=str(error))
            return None
        log.warning("claimed", job=job.job_id, slurm_id=job.slurm_id, owner=owner, ours=is_ours)
        if not is_ours:
            return Seen(at=asked_at, sighting=sighting)
        return Claimed(at=asked_at, slurm_id=owner)

    def _owner(self, job: Job, sighting: Sighting) -> SlurmId:
        """Which Slurm job has the container, as far as the job's folder says."""
        if sighting.state is None or MEANING[sighting.state] is Meaning.COMPLETED:
            # Who does not have it never completes.
            return _id(job)
        try:
            return self._folders.claim(job.job_id, job.attempt, _id(job))
        except UnavailableError as error:
            log.warning("claim_not_known", job=job.job_id, words=str(error))
            return _id(job)

    def _missing_for(self, job: Job) -> timedelta:
        now = self._clock.uptime()
        return now - self._missing_since.setdefault(_run(job), now)

    def _forget_found(
        self,
        gone: Sequence[Job],
        queue: dict[SlurmId, Sighting],
        facts: Sequence[tuple[Job, Fact]],
    ) -> None:
        # Where accounting was over its budget, nothing was asked: what was missing still is.
        missing = {_run(it) for it in gone if _sighting_of(it, queue) is None}
        missing -= {_run(it) for it, fact in facts if isinstance(fact, Seen)}
        self._missing_since = {it: at for it, at in self._missing_since.items() if it in missing}

    def read_marks(self) -> MarksRead:
        """Record what the markers in the spool tell, then remove those that are recorded.

        Raises UnavailableError when the spool cannot be read or the journal not be written.
        """
        marks = self._folders.marks()
        if not marks:
            return MarksRead(changed=0, ended=0)
        jobs = {it.job_id: it for it in self._journal.jobs({it.job_id for it in marks})}
        told = sorted((it for it in marks if _speaks_of(it, jobs)), key=lambda it: it.job_id)
        recorded = self._recorder.tell((jobs[it.job_id], it.fact) for it in told)
        unsent = {it.job_id for it in jobs.values() if it.slurm_id is None and not it.is_over}
        waiting = unsent | recorded.stale
        self._folders.forget(it for it in marks if it.job_id not in waiting)
        ended = sum(isinstance(it.fact, LAST_MARKS) for it in told)
        return MarksRead(changed=recorded.changed, ended=ended)


def _speaks_of(mark: Mark, jobs: Mapping[JobId, Job]) -> bool:
    """Whether the marker tells of the present attempt of a job of ours that Slurm has.

    A job without a Slurm id is just being submitted: its marker waits until that is recorded.
    """
    job = jobs.get(mark.job_id)
    return job is not None and job.slurm_id is not None and job.attempt == mark.attempt


def _run(job: Job) -> _Run:
    return job.job_id, _id(job), job.restart, job.phase


def _id(job: Job) -> SlurmId:
    if job.slurm_id is None:
        raise ValueError(f"job {job.job_id} is live and has no Slurm id")
    return job.slurm_id


def _sighting_of(job: Job, sightings: Mapping[SlurmId, Sighting]) -> Sighting | None:
    # The id alone does not tell: a controller that was killed before it had saved its state
    # forgets its newest jobs, and gives their ids out again (seen with Slurm 22.05).
    sighting = sightings.get(_id(job))
    if sighting is None:
        return None
    is_ours = runs_attempt(sighting.tag, sighting.slurm_id, job.job_id, job.attempt)
    return sighting if is_ours else None


def _is_of_an_array(job: Job, arrays: Mapping[SlurmId, Sighting]) -> bool:
    """Whether the job is a task of one of these, each of which has one of its tasks beside it."""
    sighting = arrays.get(array_id(_id(job)))
    # All tasks bear the tag of their array.
    return (
        array_index(_id(job)) is not None
        and sighting is not None
        and runs_attempt(sighting.tag, _id(job), job.job_id, job.attempt)
    )


def _cancelled_in_its_array(job: Job, queue: Mapping[SlurmId, Sighting]) -> Sighting | None:
    # Accounting has one row for all tasks that were cancelled while they waited, such as
    # 123_[4-9%2], and none for each (seen with 22.05).
    if array_index(_id(job)) is None:
        return None
    sighting = _sighting_of(job, queue)
    is_so = sighting is not None and sighting.state is SlurmState.CANCELLED and not sighting.nodes
    return sighting if is_so else None


def _is_in_queue(job: Job, queue: Mapping[SlurmId, Sighting]) -> bool:
    sighting = _sighting_of(job, queue)
    return sighting is not None and not _is_final(sighting)


def _is_final(sighting: Sighting) -> bool:
    return sighting.state is not None and MEANING[sighting.state] in FINAL


def _says_more_than_the_queue(sighting: Sighting) -> bool:
    # A record that still says RUNNING of a job that has left the queue only lags behind; should
    # the controller have lost the job, the record says so for ever.
    return sighting.state is None or _is_final(sighting)
