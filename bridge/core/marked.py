"""What the job's own markers make of it."""

from dataclasses import replace
from typing import assert_never

from bridge.core.facts import EndMark, HindranceMark, PullMark, ScriptMark, StartMark
from bridge.core.image import PULLING
from bridge.core.lifecycle import EventKind, Job, Phase, Step
from bridge.core.moves import move, requeue, tell


def marked(job: Job, fact: ScriptMark) -> Step:
    """What a marker makes of the job: it pulls, it runs, or its script has ended."""
    match fact:
        case PullMark():
            return _pull_mark(job, fact)
        case StartMark():
            return _start_mark(job, fact)
        case EndMark():
            return _end_mark(job, fact)
        case HindranceMark():
            return _hindrance_mark(job, fact)
    assert_never(fact)


def _pull_mark(job: Job, fact: PullMark) -> Step:
    if job.slurm_id is None or fact.restart < job.restart:
        return Step(job=job)
    step = _caught_up(job, fact)
    if step.job.pulling_since is not None or _has_ended(step.job):
        return step
    return step.then(
        lambda it: tell(
            replace(it, pulling_since=fact.pulling_since, nodes=fact.node),
            EventKind.PULLING,
            fact.at,
            detail=PULLING,
        )
    )


def _hindrance_mark(job: Job, fact: HindranceMark) -> Step:
    if job.slurm_id is None or fact.restart < job.restart:
        return Step(job=job)
    step = _caught_up(job, fact)
    if _has_ended(step.job):
        return step
    return step.then(
        lambda it: Step(
            job=replace(
                it,
                hindrance=fact.hindrance,
                hindering_mount=fact.mount,
                ended_at=fact.ended_at,
            )
        )
    )


def _has_ended(job: Job) -> bool:
    return job.container_exit_code is not None or job.hindrance is not None


def _start_mark(job: Job, fact: StartMark) -> Step:
    if job.slurm_id is None or fact.restart < job.restart:
        return Step(job=job)
    step = _caught_up(job, fact)
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


def _caught_up(job: Job, fact: ScriptMark) -> Step:
    """The job in the run that the marker is of, with nothing left of the one before."""
    if fact.restart == job.restart:
        return Step(job=job)
    if job.phase is Phase.RUNNING:
        return requeue(job, fact.at, restart=fact.restart)
    caught_up = replace(
        job, restart=fact.restart, pulling_since=None, hindrance=None, hindering_mount=None
    )
    return Step(job=caught_up)


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
