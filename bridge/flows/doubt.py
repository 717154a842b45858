"""Doubt: submissions of which nobody knows whether they arrived, until it is known."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bridge.core.errors import OverBudgetError, UnavailableError
from bridge.core.facts import Fact, NotSubmitted, Refused, Submitted
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
from bridge.core.lifecycle import Job
from bridge.core.policy import back_off
from bridge.core.site import Site
from bridge.flows.record import Recorder
from bridge.ports import Clock, JobFolders, Scheduler

log = structlog.get_logger()

_CHECKS_BEFORE_RESUBMISSION = 2
_MOST_NOT_UNDERSTOOD = 3
_CLOCKS_DIFFER_BY = timedelta(minutes=1)
_FIRST_PAUSE = timedelta(seconds=1)
_LOOKS_WHILE_IT_SETTLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a look at doubtful submissions came to."""

    known: int = 0
    """Of how many it is known by now what became of them."""
    left: int = 0
    """How many are as doubtful as before."""
    obstacle: UnavailableError | None = None
    """What kept us from asking."""


class Doubts:
    """Finds out whether Slurm has the jobs of which we do not know, each by its tag."""

    def __init__(
        self,
        *,
        site: Site,
        scheduler: Scheduler,
        folders: JobFolders,
        recorder: Recorder,
        clock: Clock,
        settle_time: timedelta,
    ) -> None:
        """`settle_time` is how long a submitted job may take to show in Slurm's answers."""
        self._site = site
        self._scheduler = scheduler
        self._folders = folders
        self._recorder = recorder
        self._clock = clock
        self._settle_time = settle_time
        self._since: dict[JobId, timedelta] = {}
        self._not_understood: dict[JobId, list[str]] = defaultdict(list)
        self._checks: Counter[JobId] = Counter()
        self._looks = 0
        """How many there were since the last new doubt."""
        self._born = self._look_from = clock.uptime()

    def add(self, job_id: JobId, *, not_understood: str | None) -> None:
        """This submission may have arrived; `not_understood` is what Slurm said in strange words.

        Any thread may call it, and so it may `forget`.
        """
        if not_understood is not None:
            self._not_understood[job_id].append(not_understood)
        self._since[job_id] = self._look_from = self._clock.uptime()
        self._looks = 0

    def forget(self, job_id: JobId, fact: Fact) -> None:
        """It is known what became of it."""
        self._since.pop(job_id, None)
        self._checks.pop(job_id, None)
        if not isinstance(fact, NotSubmitted):
            self._not_understood.pop(job_id, None)

    def settle(self, doubtful: Sequence[Job]) -> Settled:
        """Ask Slurm about these, unless it was asked a moment ago; record what is known.

        Raises UnavailableError when the journal cannot be written.
        """
        if not doubtful or self._clock.uptime() < self._look_from:
            return Settled(left=len(doubtful))
        known: list[tuple[Job, Fact]] = []
        obstacle: UnavailableError | None = None
        pause = self._next_pause()
        try:
            for job, found in self._found(doubtful):
                if (fact := self._resolve(job, found)) is not None:
                    known.append((job, fact))
        except OverBudgetError as error:
            # That Slurm may not be asked now keeps no new job from it.
            log.debug("over_budget", words=str(error))
            pause = max(pause, error.wait)
        except UnavailableError as error:
            # What was found out stays: of many, each look might come no further than this one.
            obstacle = error
        self._recorder.tell(known)
        for job, fact in known:
            self.forget(job.job_id, fact)
        self._look_from = self._clock.uptime() + pause
        return Settled(known=len(known), left=len(doubtful) - len(known), obstacle=obstacle)

    def _next_pause(self) -> timedelta:
        """Slurm is asked less and less often: what shows at all, mostly shows at once."""
        self._looks += 1
        longest = max(self._settle_time / _LOOKS_WHILE_IT_SETTLES, _FIRST_PAUSE)
        return back_off(self._looks, first=_FIRST_PAUSE, longest=longest, jitter=0.0)

    def _found(self, doubtful: Sequence[Job]) -> Iterator[tuple[Job, Sequence[SlurmId]]]:
        """Of each job that Slurm can be asked about by now, which Slurm jobs bear its tag.

        All are asked about at once: after a crash there may be hundreds, and the site bounds how
        often it may be asked.
        """
        tags = {
            it.job_id: submission_tag(self._site.tag_prefix, it.job_id, it.attempt)
            for it in doubtful
        }
        due = {it.job_id for it in doubtful if self._is_due(it)}
        found = self._anywhere(doubtful, tags.values()) if due else self._queued()
        for job in doubtful:
            # While it may still be on its way, that it was not found says nothing.
            if ids := found.get(tags[job.job_id]):
                yield job, ids
            elif job.job_id in due and ids is not None:
                yield job, ()

    def _queued(self) -> Mapping[SubmissionTag, Sequence[SlurmId]]:
        queued: dict[SubmissionTag, list[SlurmId]] = defaultdict(list)
        for sighting in self._scheduler.queue():
            queued[sighting.tag].append(sighting.slurm_id)
        return {tag: sorted(ids, key=slurm_order) for tag, ids in queued.items()}

    def _anywhere(
        self, doubtful: Sequence[Job], tags: Collection[SubmissionTag]
    ) -> Mapping[SubmissionTag, Sequence[SlurmId]]:
        since = min(it.submitting_since or it.accepted_at for it in doubtful)
        return self._scheduler.find(tags, since=since - _CLOCKS_DIFFER_BY)

    def _is_due(self, job: Job) -> bool:
        """Whether a submission would show by now, had it arrived."""
        doubted_at = self._since.get(job.job_id, self._born)
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
        if others:
            tag = submission_tag(self._site.tag_prefix, job.job_id, job.attempt)
            self._scheduler.cancel([(it, tag) for it in others])
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
