"""Cancel: a control message becomes a wish on record, and the wish a request to Slurm."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog

from bridge.core.errors import InvalidRequestError, Problem, UnavailableError
from bridge.core.facts import CancelRequested
from bridge.core.job import JobId, SlurmId, SubmissionTag, array_id
from bridge.core.lifecycle import Job, Phase
from bridge.core.site import Site
from bridge.flows.record import Recorder
from bridge.ports import (
    CancelJournal,
    Clock,
    Delivery,
    LifecycleJournal,
    Notice,
    NoticeJournal,
    Scheduler,
    Settlement,
)
from bridge.wire.control import read_cancel
from bridge.wire.event import encode_rejection

log = structlog.get_logger()

_ASK_AGAIN = timedelta(seconds=30)
_Named = tuple[SlurmId, SubmissionTag]
# The id alone does not tell: Slurm may have given it out again.
_UNKNOWN = Problem(
    where="job_id",
    what="no job with this id has come here; should it still come, it is cancelled then",
)


class Cancellation:
    """Takes the wish to cancel from the message to Slurm, until Slurm says that it is done."""

    def __init__(
        self,
        *,
        site: Site,
        scheduler: Scheduler,
        cancels: CancelJournal,
        jobs: LifecycleJournal,
        notices: NoticeJournal,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        self._site = site
        self._scheduler = scheduler
        self._cancels = cancels
        self._jobs = jobs
        self._notices = notices
        self._recorder = recorder
        self._clock = clock
        self._asked: dict[_Named, timedelta] = {}
        # A daemon that was killed may have recorded tasks, and not looked for their cancels.
        self._may_have_missed_some = True

    def receive(self, deliveries: Sequence[Delivery]) -> tuple[Settlement, ...]:
        """How to settle each control message, now that its wish is on record.

        Raises UnavailableError when the journal cannot be written: nothing may be settled then,
        and the same messages may be received again.
        """
        return tuple(map(self._receive, deliveries))

    def cancel_arrivals(self, job_ids: Sequence[JobId]) -> None:
        """Request the cancellation of those of these new jobs whose cancel came before them.

        That may well be so of a sweep's tasks: their ids are known from the start, and they are
        jobs from when their array is submitted on.
        """
        try:
            overtaken = self._cancels.cancels(job_ids)
            if overtaken:
                self._request(overtaken)
        except UnavailableError:
            self._may_have_missed_some = True
            raise

    def cancel_waiting(self) -> timedelta:
        """Ask Slurm to cancel what is to be cancelled; how long to wait before the next round.

        scancel tells nothing of its success (it exits with 0 where it has cancelled nothing, too),
        so a job is asked for again until its state says that it has ended. Raises UnavailableError.
        """
        now = self._clock.uptime()
        if self._may_have_missed_some:
            self._request(self._cancels.overtaken())
            self._may_have_missed_some = False
        wanted = self._in_slurm(self._cancels.cancelling())
        self._asked = {it: at for it, at in self._asked.items() if it in wanted}
        due = [it for it in wanted if now - self._asked.get(it, now - _ASK_AGAIN) >= _ASK_AGAIN]
        if due:
            for it in due:
                log.info("cancelling", job=wanted[it], slurm_id=it[0])
            self._scheduler.cancel(due)
            self._asked |= dict.fromkeys(due, now)
        return _ASK_AGAIN

    def _in_slurm(self, jobs: Sequence[Job]) -> dict[_Named, JobId]:
        """What Slurm is to cancel: for all tasks of a sweep that is to end, their array once."""
        known = self._jobs.jobs({it.sweep for it in jobs if it.sweep is not None})
        ending = {it.job_id: it for it in known if it.cancel_requested_at is not None}
        wanted: dict[_Named, JobId] = {}
        for it in jobs:
            if it.slurm_id is None:
                continue
            tag, array = it.tag(self._site.tag_prefix), array_id(it.slurm_id)
            sweep = ending.get(it.sweep) if it.sweep is not None else None
            if sweep is not None and sweep.slurm_id == array:
                wanted[array, tag] = sweep.job_id
            else:
                wanted[it.slurm_id, tag] = it.job_id
        return wanted

    def _receive(self, delivery: Delivery) -> Settlement:
        try:
            job_id = read_cancel(delivery.body)
        except InvalidRequestError as error:
            self._reject(delivery.body, error.job_id, error.problems)
            return Settlement.DEAD_LETTER
        # On record before the job is looked for; intake does it the other way round, so that one
        # of the two sees a job that arrives just now.
        self._cancels.remember_cancel(job_id, at=self._clock.now())
        if not self._request([job_id]):
            self._reject(delivery.body, job_id, (_UNKNOWN,))
        return Settlement.ACK

    def _request(self, job_ids: Iterable[JobId]) -> bool:
        """Whether any of the jobs is on record."""
        wanted = tuple(job_ids)
        known = jobs = self._jobs.jobs(wanted)
        fact = CancelRequested(at=self._clock.now())
        while jobs:
            stale = self._recorder.tell((it, fact) for it in jobs).stale
            jobs = self._jobs.jobs(stale)
        # Read anew: tasks that came to be since have the wish from their sweep.
        divided = [it for it in self._jobs.jobs(wanted) if it.phase is Phase.ARRAY]
        if tasks := [task.job_id for it in divided for task in it.waits_for]:
            self._request(tasks)
        return bool(known)

    def _reject(self, body: bytes, job_id: str | None, problems: tuple[Problem, ...]) -> None:
        log.warning("cancel_rejected", job=job_id, problems=[str(it) for it in problems])
        message = encode_rejection(
            site=self._site.name,
            at=self._clock.now(),
            body=body,
            job_id=job_id,
            problems=problems,
        )
        self._notices.admit([Notice(message=message)])
