"""Facts about jobs, told to the lifecycle and recorded with what it makes of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby

import structlog

from bridge.core.advance import advance
from bridge.core.artifacts import ArtifactList
from bridge.core.errors import InvalidRequestError
from bridge.core.facts import Fact
from bridge.core.job import JobId
from bridge.core.lifecycle import Event, Job, Phase, Step
from bridge.core.outcome import BY_HINDRANCE, hindrance_detail
from bridge.core.retry import RetryPolicy, relaunch
from bridge.core.site import Site
from bridge.flows.divide import divide
from bridge.ports import Acceptance, Change, LifecycleJournal
from bridge.wire.event import Message, encode
from bridge.wire.request import read_job
from bridge.wire.returned import ArtifactsData, artifacts_data

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of the facts."""

    changed: int
    """How many steps were recorded."""
    stale: frozenset[JobId]
    """Jobs that somebody else moved meanwhile: tell the facts to the newer job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A step that a job takes."""

    before: Job
    run: Job
    """The job at the end of its run, where one ends, before another attempt was thought of."""
    step: Step

    @property
    def ends_a_run(self) -> bool:
        """Whether Slurm had the job, and it does not run any more, or not now."""
        stops = self.before.phase is Phase.RUNNING and self.run.phase is not Phase.RUNNING
        return self.before.slurm_id is not None and (self.run.is_over or stops)


class Recorder:
    """Tells facts to jobs and records the steps, all in one transaction."""

    def __init__(
        self,
        *,
        site: Site,
        journal: LifecycleJournal,
        absence_grace: timedelta,
        retry_policy: Callable[[JobId], RetryPolicy],
        on_over: Callable[[Job], None] = lambda _: None,
        leavings: Callable[[Sequence[Job]], Mapping[JobId, ArtifactList]] = lambda _: {},
        reply: Callable[[Event], Message | None] = lambda _: None,
    ) -> None:
        """`retry_policy` is asked about failing jobs; `on_over` is told which jobs have ended.

        `leavings` is told before that which runs are about to end, and answers what is left.
        `reply` is asked, with a job's terminal event, for what is told besides it.
        """
        self._leavings = leavings
        self._reply = reply
        self._retry_policy = retry_policy
        self._listeners: list[Callable[[], None]] = []
        self._on_tasks: list[Callable[[Sequence[JobId]], None]] = []
        self._on_over = on_over
        self._site = site
        self._journal = journal
        self._absence_grace = absence_grace

    def notify(self, listener: Callable[[], None]) -> None:
        """Call `listener` from now on whenever events were recorded that wait to be published."""
        self._listeners.append(listener)

    def notify_of_tasks(self, listener: Callable[[Sequence[JobId]], None]) -> None:
        """Call `listener` from now on with the tasks of sweeps, once they are recorded as jobs."""
        self._on_tasks.append(listener)

    def tell(self, told: Iterable[tuple[Job, Fact]]) -> Recorded:
        """Tell each job its fact; several facts of one job stand side by side, in order.

        Raises UnavailableError when the journal cannot be written: nothing is recorded then.
        """
        by_job = groupby(told, key=lambda pair: pair[0])
        steps = [it for job, pairs in by_job for it in self._steps(job, [it[1] for it in pairs])]
        ended = [it.run for it in steps if it.ends_a_run]
        left = self._leavings(ended) if ended else {}
        changes = [self._change(it, left) for it in steps]
        if not changes:
            return Recorded(changed=0, stale=frozenset())
        stale = frozenset(self._journal.record(changes))
        recorded = [it for it in changes if it.job.job_id not in stale]
        for change in recorded:
            _log_change(change)
            if change.job.is_over:
                self._on_over(change.job)
        if any(it.messages for it in recorded):
            self.announce()
        if tasks := [task.job.job_id for it in recorded for task in it.tasks]:
            for listener in self._on_tasks:
                listener(tasks)
        return Recorded(changed=len(recorded), stale=stale)

    def announce(self) -> None:
        """Tell the listeners that events were recorded that wait to be published."""
        for listener in self._listeners:
            listener()

    def _steps(self, job: Job, facts: Sequence[Fact]) -> Iterator[_Taken]:
        for fact in facts:
            plain = step = self._named(advance(job, fact, absence_grace=self._absence_grace))
            if step.job.phase is Phase.FAILED and not job.is_over:
                step = relaunch(job, step, self._retry_policy(job.job_id))
            if step.anomaly:
                log.warning("anomaly", job=job.job_id, phase=job.phase.value, what=step.anomaly)
            if step.job != job:
                yield _Taken(before=job, run=plain.job, step=step)
            job = step.job

    def _named(self, step: Step) -> Step:
        """The step, with the name of what kept the job from running where it fails for that."""
        last = step.events[-1] if step.events else None
        hindrance = step.job.hindrance
        if last is None or hindrance is None or last.detail != BY_HINDRANCE[hindrance][1]:
            return step
        try:
            spec = read_job(self._journal.request(step.job.job_id), site=self._site.name)
        except InvalidRequestError as error:
            log.warning("hindrance_not_named", job=step.job.job_id, words=str(error))
            return step
        detail = hindrance_detail(hindrance, spec, step.job.hindering_mount)
        return replace(step, events=(*step.events[:-1], replace(last, detail=detail)))

    def _change(self, taken: _Taken, left: Mapping[JobId, ArtifactList]) -> Change:
        step = taken.step
        found = left.get(step.job.job_id)
        artifacts = artifacts_data(found) if found and step.job.is_over else None
        messages = tuple(self._messages(step, artifacts))
        return Change(job=step.job, messages=messages, tasks=self._tasks(taken))

    def _tasks(self, taken: _Taken) -> tuple[Acceptance, ...]:
        """Of a sweep that becomes an array just now, its tasks."""
        job = taken.step.job
        if job.phase is not Phase.ARRAY or taken.before.phase is Phase.ARRAY:
            return ()
        return divide(job, self._journal.request(job.job_id), self._site)

    def _messages(self, step: Step, artifacts: ArtifactsData | None) -> Iterator[Message]:
        for event in step.events:
            # The last event of a job that is over is its terminal one.
            is_last = event is step.events[-1]
            yield encode(event, self._site, artifacts=artifacts if is_last else None)
            if is_last and step.job.is_over and (reply := self._reply(event)):
                yield reply


def _log_change(change: Change) -> None:
    job = change.job
    for message in change.messages:
        log.info(
            "event",
            job=job.job_id,
            event_id=message.event_id,
            routing_key=message.routing_key,
            slurm_id=job.slurm_id,
        )
