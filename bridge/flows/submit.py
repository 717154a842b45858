"""Submit: recorded jobs become Slurm jobs, each once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore
from typing import Protocol

import structlog

from bridge.core.errors import (
    BridgeError,
    InvalidRequestError,
    OverBudgetError,
    SiteFullError,
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.facts import (
    Divided,
    Fact,
    ImageAwaited,
    NotSubmitted,
    Refused,
    SubmissionBegun,
    Submitted,
)
from bridge.core.job import (
    JobId,
)
from bridge.core.lifecycle import Job, Phase
from bridge.core.site import Site
from bridge.flows.doubt import Doubts
from bridge.flows.record import Recorder
from bridge.ports import Clock, JobFolders, LifecycleJournal, Scheduler

log = structlog.get_logger()

_BUG = "the bridge failed to submit this job; its log says more"
_PATIENCE = timedelta(seconds=2)


class Prepare(Protocol):
    """Makes what Slurm and the job's folder get."""

    def __call__(self, job: Job, request: bytes) -> "Prepared":
        """Raise InvalidRequestError when no script can be written for the job."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A batch script, and the files that lie beside it in the job's folder."""

    script: str
    files: Mapping[str, str]
    tasks: Mapping[JobId, Mapping[str, str]] = field(default_factory=dict)
    """Of a sweep: the files that lie in each task's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What came of one submission."""

    job_id: JobId
    what: Fact | BridgeError | None
    """None when it is not known whether Slurm has the job; the error that kept it from the journal.
    """


def _here(work: Callable[[], None]) -> None:
    work()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one pass over the waiting jobs came to."""

    handled: int
    """How many jobs moved on."""
    obstacle: str | None = None
    """Why the site takes no jobs for now, in its own words."""
    site_full: bool = False
    """Whether the obstacle is a limit on how many jobs we may have there."""
    away: bool = False
    """Whether the obstacle is that the site does not answer."""
    doubtful: int = 0
    """How many submissions are not settled, and nobody waits for: look again soon."""


class Submission:
    """Takes jobs from the journal to Slurm."""

    def __init__(
        self,
        *,
        site: Site,
        scheduler: Scheduler,
        folders: JobFolders,
        journal: LifecycleJournal,
        recorder: Recorder,
        clock: Clock,
        prepare: Prepare,
        settle_time: timedelta,
        spawn: Callable[[Callable[[], None]], object] = _here,
        at_once: int = 1,
        patience: timedelta = _PATIENCE,
        batch: int = 200,
        takes_arrays: bool = True,
        lacks_image: Callable[[Job], bool] | None = None,
    ) -> None:
        """`settle_time` is how long a submitted job may take to show in Slurm's answers.

        `spawn` runs the jobs of a batch side by side, and `at_once` of them may ask Slurm: while
        some wait for Slurm, others write their folders. A pass in which nothing comes to an end for
        as long as `patience` leaves the rest to the next ones. Where the scheduler takes no arrays,
        a sweep's tasks are submitted one by one. `lacks_image` says of a job that it has to wait
        until its image is at the site.
        """
        self._takes_arrays = takes_arrays
        self._lacks_image = lacks_image
        self._slots = BoundedSemaphore(at_once)
        self._scheduler = scheduler
        self._folders = folders
        self._journal = journal
        self._recorder = recorder
        self._clock = clock
        self._prepare = prepare
        self._spawn = spawn
        self._patience = patience
        self._batch = batch
        self._in_hand: set[JobId] = set()
        """Jobs that are being submitted, whichever pass began with them. Only passes change it."""
        self._outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        self._met = _Obstacle()
        self._doubts = Doubts(
            site=site,
            scheduler=scheduler,
            folders=folders,
            recorder=recorder,
            clock=clock,
            settle_time=settle_time,
        )

    def submit_waiting(self) -> Pass:
        """Settle what is doubtful, then submit what waits; one batch of each.

        Raises UnavailableError when the journal cannot be read or written.
        """
        waiting = self._journal.waiting(self._batch, now=self._clock.now())
        # What still asks Slurm would be taken for a submission that did not arrive.
        waiting = tuple(it for it in waiting if it.job_id not in self._in_hand)
        settled = self._doubts.settle([it for it in waiting if it.phase is Phase.SUBMITTING])
        fresh = [it for it in waiting if it.phase is Phase.ACCEPTED]
        ready = self._without_those_that_lack_images(fresh)
        submitted = self._submit(ready)
        return Pass(
            handled=settled.known + submitted.handled + len(fresh) - len(ready),
            obstacle=str(settled.obstacle) if settled.obstacle else submitted.obstacle,
            site_full=submitted.site_full,
            away=_is_silence(settled.obstacle) or submitted.away,
            doubtful=settled.left + submitted.doubtful,
        )

    def finish(self, *, within: timedelta) -> bool:
        """Wait for what is being submitted, between two passes; whether all came to an end."""
        ends_at = self._clock.uptime() + within
        while self._in_hand:
            if self._next_outcome(ends_at - self._clock.uptime()) is None:
                return False
        return True

    def _without_those_that_lack_images(self, fresh: Sequence[Job]) -> Sequence[Job]:
        if self._lacks_image is None:
            return fresh
        lacking = {it.job_id for it in fresh if self._lacks_image(it)}
        at = self._clock.now()
        self._recorder.tell((it, ImageAwaited(at=at)) for it in fresh if it.job_id in lacking)
        return [it for it in fresh if it.job_id not in lacking]

    def _submit(self, fresh: Sequence[Job]) -> Pass:
        begun = self._begin(fresh)
        for job, request in begun:
            self._in_hand.add(job.job_id)
            self._spawn(partial(self._submit_one, job, request))
        outcomes = [it.what for it in self._come_to_an_end({job.job_id for job, _ in begun})]
        # From now on, those still in hand tell the next pass what they meet.
        met, self._met = self._met, _Obstacle()
        for outcome in outcomes:
            if isinstance(outcome, BridgeError):
                raise outcome
        known = [it for it in outcomes if it is not None]
        return Pass(
            handled=sum(not isinstance(it, NotSubmitted) for it in known),
            obstacle=met.words,
            site_full=met.site_full,
            away=met.away,
            doubtful=len(outcomes) - len(known),
        )

    def _come_to_an_end(self, awaited: set[JobId]) -> Iterator[_Outcome]:
        """Wait for these, unless they take long; those of earlier passes that came meanwhile."""
        while outcome := self._next_outcome(self._patience if awaited else timedelta(0)):
            awaited.discard(outcome.job_id)
            yield outcome
        if awaited:
            log.warning("submissions_take_long", jobs=sorted(awaited))

    def _next_outcome(self, wait: timedelta) -> _Outcome | None:
        try:
            outcome = self._outcomes.get(timeout=max(wait.total_seconds(), 0))
        except Empty:
            return None
        self._in_hand.discard(outcome.job_id)
        return outcome

    def _begin(self, fresh: Sequence[Job]) -> list[tuple[Job, bytes]]:
        """Write that we are about to submit: from then on the jobs may exist.

        Each comes with its request, so that the round needs nothing of the journal any more before
        it has asked Slurm.
        """
        at = self._clock.now()
        stale = self._recorder.tell((it, SubmissionBegun(at=at)) for it in fresh).stale
        order = [it.job_id for it in fresh if it.job_id not in stale]
        begun = {it.job_id: it for it in self._journal.jobs(order)}
        return [(begun[it], self._journal.request(it)) for it in order if it in begun]

    def _submit_one(self, job: Job, request: bytes) -> None:
        what: Fact | BridgeError | None
        try:
            what = self._try(job, request)
            if what is not None:
                self._doubts.forget(job.job_id, what)
                self._recorder.tell([(job, what)])
        except BridgeError as error:
            what = error
        except Exception:
            # A job that trips over a bug of ours must not keep the others of the pass from Slurm.
            log.exception("submission_failed", job=job.job_id)
            self._doubts.add(job.job_id, not_understood=_BUG)
            what = None
        self._outcomes.put(_Outcome(job_id=job.job_id, what=what))

    def _try(self, job: Job, request: bytes) -> Fact | None:
        if (words := self._met.words) is not None:
            return NotSubmitted(at=self._clock.now(), words=words)
        if job.tasks and not self._takes_arrays:
            return Divided(at=self._clock.now())
        try:
            prepared = self._prepare(job, request)
        except InvalidRequestError as error:
            return Refused(at=self._clock.now(), words=str(error))
        except BridgeError:
            raise
        except Exception:
            log.exception("script_not_written", job=job.job_id)
            return Refused(at=self._clock.now(), words=_BUG)
        try:
            for task, files in prepared.tasks.items():
                self._folders.create(task, files)
            self._folders.create(job.job_id, prepared.files)
        except UnavailableError as error:
            self._met.words = str(error)
            return NotSubmitted(at=self._clock.now(), words=str(error))
        with self._slots:
            return self._ask_slurm(job, prepared)

    def _ask_slurm(self, job: Job, prepared: Prepared) -> Fact | None:
        if (words := self._met.words) is not None:
            return NotSubmitted(at=self._clock.now(), words=words)
        try:
            slurm_id = self._scheduler.submit(prepared.script)
        except SubmissionRefusedError as error:
            return Refused(at=self._clock.now(), words=str(error))
        except SubmissionUncertainError as error:
            log.warning("submission_uncertain", job=job.job_id, words=str(error))
            if error.is_understood:
                # Slurm does not answer: the others wait until it is known what became of this one.
                self._met.meet(UnavailableError(str(error)))
            words = None if error.is_understood else str(error)
            self._doubts.add(job.job_id, not_understood=words)
            return None
        except UnavailableError as error:
            self._met.meet(error)
            return NotSubmitted(at=self._clock.now(), words=str(error))
        return Submitted(at=self._clock.now(), slurm_id=slurm_id)


def _is_silence(error: UnavailableError | None) -> bool:
    return error is not None and not isinstance(error, SiteFullError | OverBudgetError)


class _Obstacle:
    """Why submissions cannot go on; shared by those that run side by side."""

    words: str | None = None
    site_full = False
    away = False

    def meet(self, error: UnavailableError) -> None:
        self.site_full = self.site_full or isinstance(error, SiteFullError)
        self.away = self.away or _is_silence(error)
        self.words = self.words or str(error)
