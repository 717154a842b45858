"""What the job's own markers make of it."""

from dataclasses import replace
from datetime import datetime

from bridge.core.facts import EndMark, StartMark
from bridge.core.lifecycle import EventKind, Job, Phase, Step
from bridge.core.moves import move, requeue, tell


def marked(job: Job, fact: StartMark | EndMark) -> Step:
    """What a marker makes of the job: it runs, or its container has ended."""
    return _start_mark(job, fact) if isinstance(fact, StartMark) else _end_mark(job, fact)


def _start_mark(job: Job, fact: StartMark) -> Step:
    if job.slurm_id is None or fact.restart < job.restart:
        return Step(job=job)
    step = Step(job=job)
    if fact.restart > job.restart:
        step = _catch_up(job, fact.at, fact.restart)
    if step.job.phase is Phase.RUNNING:
        return step
    return step.then(
        lambda it: move(
            it,
            Phase.RUNNING,
            started_at=fact.started_at,
            nodes=fact.node,
            pending_reason=None,
            interrupted_since=None,
            absent_since=None,
        )
    ).then(lambda it: tell(it, EventKind.STARTED, fact.at))


def _catch_up(job: Job, at: datetime, restart: int) -> Step:
    if job.phase is Phase.RUNNING:
        return requeue(job, at, restart=restart)
    return Step(job=replace(job, restart=restart))


def _end_mark(job: Job, fact: EndMark) -> Step:
    if job.phase is not Phase.RUNNING or fact.restart != job.restart:
        return Step(job=job)
    if job.container_exit_code is not None:
        return Step(job=job)
    ended = replace(
        job,
        container_exit_code=fact.exit_code,
        exit_code=fact.exit_code,
        ended_at=fact.ended_at,
    )
    return tell(ended, EventKind.EXITED, fact.at)
