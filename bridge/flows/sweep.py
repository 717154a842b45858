"""Sweep: now and then, a look at what nobody asks about: strays, and contradictions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from bridge.core.facts import Claimed, Sighting
from bridge.core.job import JobId, SlurmId, SubmissionTag, bearer
from bridge.core.lifecycle import Job, Phase
from bridge.core.site import Site
from bridge.core.slurm_state import FINAL, MEANING
from bridge.flows.record import Recorder
from bridge.ports import Clock, JobFolders, LifecycleJournal, Scheduler

log = structlog.get_logger()

_CLOCKS_DIFFER_BY = timedelta(minutes=1)
_UNSETTLED = frozenset({Phase.ACCEPTED, Phase.SUBMITTING})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stray:
    """A Slurm job that bears a tag of ours, and is not the one that its job is known by."""

    slurm_id: SlurmId
    tag: SubmissionTag
    job_id: JobId
    attempt: int


class Sweep:
    """Finds Slurm jobs of ours that no job is known by, such as submissions that arrived late."""

    def __init__(
        self,
        *,
        site: Site,
        scheduler: Scheduler,
        folders: JobFolders,
        journal: LifecycleJournal,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        self._site = site
        self._scheduler = scheduler
        self._folders = folders
        self._journal = journal
        self._recorder = recorder
        self._clock = clock

    def sweep(self) -> int:
        """Put strays right, and log where accounting contradicts the queue; how many strays.

        Raises UnavailableError when Slurm, the folders or the journal do not answer.
        """
        live = self._journal.live()
        queue = [it for it in self._scheduler.queue() if not _is_final(it)]
        strays = list(self._strays(queue))
        jobs = {it.job_id: it for it in self._journal.jobs({it.job_id for it in strays})}
        for stray in strays:
            self._put_right(stray, jobs.get(stray.job_id))
        self._compare(live, queue)
        return len(strays)

    def _strays(self, queue: Sequence[Sighting]) -> Iterator[_Stray]:
        # Read after the queue was: what was submitted meanwhile is known by now.
        known = {it.slurm_id for it in self._journal.live()}
        for sighting in queue:
            ours = bearer(sighting.tag, sighting.slurm_id, self._site.tag_prefix)
            if ours is not None and sighting.slurm_id not in known:
                job_id, attempt = ours
                yield _Stray(
                    slurm_id=sighting.slurm_id, tag=sighting.tag, job_id=job_id, attempt=attempt
                )

    def _put_right(self, stray: _Stray, job: Job | None) -> None:
        if job is None:
            # Another bridge of this user may use the same prefix: it is not ours to end.
            log.warning("stray_of_unknown_job", job=stray.job_id, slurm_id=stray.slurm_id)
            return
        has_ended_meanwhile = job.slurm_id == stray.slurm_id
        if has_ended_meanwhile or (job.phase in _UNSETTLED and job.attempt == stray.attempt):
            return
        log.warning("stray", job=job.job_id, slurm_id=stray.slurm_id, ours=job.slurm_id)
        loser = self._loser(stray, job)
        if loser is not None:
            self._scheduler.cancel([loser])

    def _loser(self, stray: _Stray, job: Job) -> tuple[SlurmId, SubmissionTag] | None:
        """Which of the two Slurm jobs is to go: the one that does not have the container."""
        if job.is_over or job.slurm_id is None or job.attempt != stray.attempt:
            return stray.slurm_id, stray.tag
        owner = self._folders.claim(job.job_id, job.attempt, job.slurm_id)
        if owner != stray.slurm_id:
            return stray.slurm_id, stray.tag
        claimed = Claimed(at=self._clock.now(), slurm_id=owner)
        if self._recorder.tell([(job, claimed)]).stale:
            # Somebody moved the job meanwhile: neither is to go before the next sweep.
            return None
        return job.slurm_id, job.tag(self._site.tag_prefix)

    def _compare(self, live: Sequence[Job], queue: Sequence[Sighting]) -> None:
        """The queue is right, but an administrator may want to know of the contradiction."""
        queued = {it.slurm_id: it.word for it in queue}
        asked = [it for it in live if it.slurm_id in queued]
        if not asked:
            return
        since = min(it.submitted_at or it.accepted_at for it in asked) - _CLOCKS_DIFFER_BY
        ids = [it.slurm_id for it in asked if it.slurm_id is not None]
        records = self._scheduler.accounting(ids, since=since) or ()
        for record in records:
            if _is_final(record) and record.slurm_id in queued:
                log.warning(
                    "accounting_disagrees",
                    slurm_id=record.slurm_id,
                    queue=queued[record.slurm_id],
                    accounting=record.word,
                )


def _is_final(sighting: Sighting) -> bool:
    return sighting.state is not None and MEANING[sighting.state] in FINAL
