"""Submit: recorded jobs become Slurm jobs, each once."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
    SlurmId,
    SubmissionTag,
    array_id,
    slurm_order,
    submission_tag,
    task_id,
    task_slurm_id,
)
from bridge.core.lifecycle import Job, Phase
from bridge.core.site import Site
from bridge.flows.record import Recorder
from bridge.ports import Clock, JobFolders, LifecycleJournal, Scheduler

log = structlog.get_logger()

_BUG = "the bridge failed to submit this job; its log says more"
_CHECKS_BEFORE_RESUBMISSION = 2
_MOST_NOT_UNDERSTOOD = 3
_CLOCKS_DIFFER_BY = timedelta(minutes=1)
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
        self._site = site
        self._scheduler = scheduler
        self._folders = folders
        self._journal = journal
        self._recorder = recorder
        self._clock = clock
        self._prepare = prepare
        self._settle_time = settle_time
        self._spawn = spawn
        self._patience = patience
        self._batch = batch
        self._in_hand: set[JobId] = set()
        """Jobs that are being submitted, whichever pass began with them. Only passes change it."""
        self._outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        self._met = _Obstacle()
        self._uncertain_since: dict[JobId, timedelta] = {}
        self._not_understood: dict[JobId, list[str]] = defaultdict(list)
        self._checks: Counter[JobId] = Counter()
        self._born = clock.uptime()

    def submit_waiting(self) -> Pass:
        """Settle what is doubtful, then submit what waits; one batch of each.

        Raises UnavailableError when the journal cannot be read or written.
        """
        waiting = self._journal.waiting(self._batch, now=self._clock.now())
        # What still asks Slurm would be taken for a submission that did not arrive.
        waiting = tuple(it for it in waiting if it.job_id not in self._in_hand)
        settled = self._settle([it for it in waiting if it.phase is Phase.SUBMITTING])
        fresh = [it for it in waiting if it.phase is Phase.ACCEPTED]
        ready = self._without_those_that_lack_images(fresh)
        submitted = self._submit(ready)
        return Pass(
            handled=settled.handled + submitted.handled + len(fresh) - len(ready),
            obstacle=settled.obstacle or submitted.obstacle,
            site_full=submitted.site_full,
            away=settled.away or submitted.away,
            doubtful=settled.doubtful + submitted.doubtful,
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
                self._forget_doubt(job.job_id, what)
                self._recorder.tell([(job, what)])
        except BridgeError as error:
            what = error
        except Exception:
            # A job that trips over a bug of ours must not keep the others of the pass from Slurm.
            log.exception("submission_failed", job=job.job_id)
            self._doubt(job, _BUG)
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
            self._doubt(job, None if error.is_understood else str(error))
            return None
        except UnavailableError as error:
            self._met.meet(error)
            return NotSubmitted(at=self._clock.now(), words=str(error))
        return Submitted(at=self._clock.now(), slurm_id=slurm_id)

    def _settle(self, doubtful: Sequence[Job]) -> Pass:
        """Find out whether Slurm has the jobs of which we do not know."""
        if not doubtful:
            return Pass(handled=0)
        known: list[tuple[Job, Fact]] = []
        met = _Obstacle()
        try:
            for job, found in self._found(doubtful):
                if (fact := self._resolve(job, found)) is not None:
                    known.append((job, fact))
        except UnavailableError as error:
            # What was found out stays: of many, each pass might come no further than this one.
            met.meet(error)
        self._recorder.tell(known)
        for job, fact in known:
            self._forget_doubt(job.job_id, fact)
        return Pass(
            handled=len(known),
            obstacle=met.words,
            away=met.away,
            doubtful=len(doubtful) - len(known),
        )

    def _doubt(self, job: Job, not_understood: str | None) -> None:
        if not_understood is not None:
            self._not_understood[job.job_id].append(not_understood)
        self._uncertain_since[job.job_id] = self._clock.uptime()

    def _forget_doubt(self, job_id: JobId, fact: Fact) -> None:
        self._uncertain_since.pop(job_id, None)
        self._checks.pop(job_id, None)
        if not isinstance(fact, NotSubmitted):
            self._not_understood.pop(job_id, None)

    def _found(self, doubtful: Sequence[Job]) -> Iterator[tuple[Job, Sequence[SlurmId]]]:
        """Of each job that Slurm can be asked about by now, which Slurm jobs bear its tag.

        The queue is asked about all of them, and so is accounting about those it does not have:
        after a crash there may be hundreds, and the site bounds how often it may be asked.
        """
        queued: dict[SubmissionTag, list[SlurmId]] = defaultdict(list)
        for sighting in self._scheduler.queue():
            queued[sighting.tag].append(sighting.slurm_id)
        tags = {
            it.job_id: submission_tag(self._site.tag_prefix, it.job_id, it.attempt)
            for it in doubtful
        }
        for job in doubtful:
            if tags[job.job_id] in queued:
                yield job, sorted(queued[tags[job.job_id]], key=slurm_order)
        missing = [it for it in doubtful if tags[it.job_id] not in queued and self._is_due(it)]
        if not missing:
            return
        since = min(it.submitting_since or it.accepted_at for it in missing) - _CLOCKS_DIFFER_BY
        found = self._scheduler.find([tags[it.job_id] for it in missing], since=since)
        for job in missing:
            if tags[job.job_id] in found:
                yield job, found[tags[job.job_id]]

    def _is_due(self, job: Job) -> bool:
        """Whether a submission would show by now, had it arrived."""
        doubted_at = self._uncertain_since.get(job.job_id, self._born)
        return self._clock.uptime() - doubted_at >= self._settle_time

    def _resolve(self, job: Job, found: Sequence[SlurmId]) -> Fact | None:
        now = self._clock.now()
        if found:
            return self._adopt(job, found, now)
        self._checks[job.job_id] += 1
        if self._checks[job.job_id] < _CHECKS_BEFORE_RESUBMISSION:
            return None
        log.info("submission_did_not_arrive", job=job.job_id, attempt=job.attempt)
        words = self._not_understood[job.job_id]
        if len(words) >= _MOST_NOT_UNDERSTOOD:
            # What Slurm has said so often, and we do not understand, must mean no.
            return Refused(at=now, words=words[-1])
        return NotSubmitted(at=now, words="Slurm does not know this submission")

    def _adopt(self, job: Job, found: Sequence[SlurmId], at: datetime) -> Fact | None:
        """The one that is the job's; None when that cannot be found out now."""
        try:
            kept, others = self._arrays(job, found) if job.tasks else self._chosen(job, found)
        except UnavailableError as error:
            log.warning("claim_not_known", job=job.job_id, words=str(error))
            return None
        log.info("submission_found", job=job.job_id, slurm_id=kept, others=others)
        for other in others:
            self._scheduler.cancel(other)
        return Submitted(at=at, slurm_id=kept)

    def _chosen(self, job: Job, found: Sequence[SlurmId]) -> tuple[SlurmId, list[SlurmId]]:
        """The one that is the job's, and those that have nothing to run."""
        kept = found[0]
        if len(found) > 1:
            # Only one of them can have the container, and it may not be the first. Where none has
            # it yet, it is given to the first: the others can be cancelled then without any harm.
            owner = self._folders.claim(job.job_id, job.attempt, kept)
            kept = owner if owner in found else kept
        return kept, [it for it in found if it != kept]

    def _arrays(self, job: Job, found: Sequence[SlurmId]) -> tuple[SlurmId, list[SlurmId]]:
        """The array that is the sweep's, and the arrays or tasks that have nothing to run.

        The first array gets every container that none has yet. What others have, they keep: watch
        finds them, once their namesakes in the first array have ended without running anything.
        """
        # The tasks of an array all bear its tag.
        first, *others = sorted(set(map(array_id, found)), key=slurm_order)
        if not others:
            return first, []
        tasks = range(job.tasks)
        owners = {
            self._folders.claim(task_id(job.job_id, it), 1, task_slurm_id(first, it))
            for it in tasks
        }
        surplus: list[SlurmId] = []
        for other in others:
            mine = [task_slurm_id(other, it) for it in tasks]
            idle = [it for it in mine if it not in owners]
            surplus += [other] if idle == mine else idle
        return first, surplus


def _is_silence(error: UnavailableError) -> bool:
    return not isinstance(error, SiteFullError | OverBudgetError)


class _Obstacle:
    """Why submissions cannot go on; shared by those that run side by side."""

    words: str | None = None
    site_full = False
    away = False

    def meet(self, error: UnavailableError) -> None:
        self.site_full = self.site_full or isinstance(error, SiteFullError)
        self.away = self.away or _is_silence(error)
        self.words = self.words or str(error)
