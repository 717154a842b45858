"""Facts about jobs, told to the lifecycle and recorded with what it makes of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

import structlog

from bridge.core.advance import advance
from bridge.core.facts import Fact
from bridge.core.job import JobId
from bridge.core.lifecycle import Job, Phase
from bridge.core.retry import RetryPolicy, relaunch
from bridge.core.site import Site
from bridge.ports import Change, LifecycleJournal
from bridge.wire.event import encode

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of the facts."""

    changed: int
    """How many steps were recorded."""
    stale: frozenset[JobId]
    """Jobs that somebody else moved meanwhile: tell the facts to the newer job."""


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
    ) -> None:
        """`retry_policy` is asked about failing jobs; `on_over` is told which jobs have ended."""
        self._retry_policy = retry_policy
        self._listeners: list[Callable[[], None]] = []
        self._on_over = on_over
        self._site = site
        self._journal = journal
        self._absence_grace = absence_grace

    def notify(self, listener: Callable[[], None]) -> None:
        """Call `listener` from now on whenever events were recorded that wait to be published."""
        self._listeners.append(listener)

    def tell(self, told: Iterable[tuple[Job, Fact]]) -> Recorded:
        """Tell each job its fact; several facts of one job stand side by side, in order.

        Raises UnavailableError when the journal cannot be written: nothing is recorded then.
        """
        by_job = groupby(told, key=lambda pair: pair[0])
        changes = [
            change
            for job, pairs in by_job
            for change in self._changes(job, [it[1] for it in pairs])
        ]
        if not changes:
            return Recorded(changed=0, stale=frozenset())
        stale = frozenset(self._journal.record(changes))
        recorded = [it for it in changes if it.job.job_id not in stale]
        for change in recorded:
            _log_change(change)
            if change.job.is_over:
                self._on_over(change.job)
        if any(it.messages for it in recorded):
            for listener in self._listeners:
                listener()
        return Recorded(changed=len(recorded), stale=stale)

    def _changes(self, job: Job, facts: Sequence[Fact]) -> Iterator[Change]:
        for fact in facts:
            step = advance(job, fact, absence_grace=self._absence_grace)
            if step.job.phase is Phase.FAILED and not job.is_over:
                step = relaunch(job, step, self._retry_policy(job.job_id))
            if step.anomaly:
                log.warning("anomaly", job=job.job_id, phase=job.phase.value, what=step.anomaly)
            if step.job != job:
                messages = tuple(encode(it, self._site) for it in step.events)
                yield Change(job=step.job, messages=messages)
            job = step.job


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
