"""`advance`: what a fact makes of a job."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from bridge.core.dependency import block, freed
from bridge.core.facts import (
    Absent,
    CancelRequested,
    Claimed,
    DependencyEnded,
    Divided,
    EndMark,
    Fact,
    HindranceMark,
    ImageAwaited,
    ImageThere,
    NotSubmitted,
    PullBegun,
    PullFailed,
    PullMark,
    Refused,
    Seen,
    StartMark,
    SubmissionBegun,
    Submitted,
    TaskStarted,
)
from bridge.core.failure import FailureReason
from bridge.core.image import imaged
from bridge.core.job import Dependency, JobId
from bridge.core.lifecycle import EventKind, Job, Phase, Step
from bridge.core.marked import marked
from bridge.core.moves import end, move, tell
from bridge.core.sighted import absent, present, seen
from bridge.core.sweep import divide, task_started

_NAMES: dict[type, str] = {
    Submitted: "submitted",
    Refused: "refused",
    NotSubmitted: "not submitted",
    Divided: "divided",
}


_OF_SLURM_JOBS = (Claimed, Seen, Absent, PullMark, StartMark, EndMark, HindranceMark)


def accept(
    job_id: JobId, at: datetime, depends_on: Sequence[Dependency] = (), *, tasks: int = 0
) -> Step:
    """The first step of every job; those of `depends_on` must end before it is submitted.

    A sweep has `tasks`, which are jobs of their own once it is submitted.
    """
    job = Job(job_id=job_id, accepted_at=at, revision=0, tasks=tasks)
    return (
        tell(job, EventKind.ACCEPTED, at)
        .then(lambda it: block(it, at, depends_on))
        .then(lambda it: Step(job=_next_revision(it)))
    )


def advance(job: Job, fact: Fact, *, absence_grace: timedelta) -> Step:
    """What `fact` makes of `job`. Total: what does not fit is an anomaly, never an exception.

    `absence_grace` is how long Slurm must have answered without knowing the job before the job
    counts as lost.
    """
    if job.is_over:
        return Step(job=job)
    step = _decide(job, fact, absence_grace)
    if job.phase is Phase.ARRAY and isinstance(fact, _OF_SLURM_JOBS):
        step = Step(job=job, anomaly=f"{job.phase} -> {type(fact).__name__}, which is of its tasks")
    if step.anomaly:
        step = Step(job=present(job, fact), anomaly=step.anomaly)
    return step if step.job == job else replace(step, job=_next_revision(step.job))


def _decide(job: Job, fact: Fact, absence_grace: timedelta) -> Step:
    match fact:
        case SubmissionBegun():
            return move(job, Phase.SUBMITTING, submitting_since=fact.at, not_before=None)
        case Submitted() | Divided() | Refused() | NotSubmitted() if not _may_be_on_its_way(job):
            return Step(job=job, anomaly=f"{job.phase} -> {_NAMES[type(fact)]}")
        case Submitted() | Divided() | Claimed():
            return _identified(job, fact)
        case Refused():
            return end(job, Phase.FAILED, fact.at, reason=FailureReason.REFUSED, detail=fact.words)
        case NotSubmitted():
            return _not_submitted(job, fact)
        case CancelRequested() | DependencyEnded() | TaskStarted():
            return _decided_elsewhere(job, fact)
        case ImageAwaited() | PullBegun() | ImageThere() | PullFailed():
            return imaged(job, fact)
        case Seen() | Absent():
            return seen(job, fact) if isinstance(fact, Seen) else absent(job, fact, absence_grace)
        case PullMark() | StartMark() | EndMark() | HindranceMark():
            return marked(job, fact)
    assert_never(fact)


def _may_be_on_its_way(job: Job) -> bool:
    held_here = (Phase.BLOCKED, Phase.PULLING, Phase.ARRAY)
    return job.slurm_id is None and job.phase not in held_here


def _next_revision(job: Job) -> Job:
    return replace(job, revision=job.revision + 1)


def _identified(job: Job, fact: Submitted | Divided | Claimed) -> Step:
    if isinstance(fact, Claimed):
        return _claimed(job, fact)
    return divide(job, fact) if job.tasks else _submitted(job, fact)


def _submitted(job: Job, fact: Submitted | Divided) -> Step:
    if isinstance(fact, Divided):
        return Step(job=job, anomaly=f"{job.phase} -> divided, and it has no tasks")
    return move(job, Phase.QUEUED, slurm_id=fact.slurm_id, submitted_at=fact.at).then(
        lambda it: tell(it, EventKind.QUEUED, fact.at)
    )


def _claimed(job: Job, fact: Claimed) -> Step:
    if job.slurm_id is None:
        return Step(job=job, anomaly=f"{job.phase} -> claimed")
    # What Slurm said of the other job, such as when it started, is nothing of this one.
    return Step(
        job=replace(
            job,
            slurm_id=fact.slurm_id,
            slurm_started_at=None,
            absent_since=None,
            interrupted_since=None,
        )
    )


def _not_submitted(job: Job, fact: NotSubmitted) -> Step:
    step = move(job, Phase.ACCEPTED, submitting_since=None)
    if job.cancel_requested_at is None:
        return step
    return step.then(lambda it: _cancelled_here(it, fact.at))


def _decided_elsewhere(job: Job, fact: CancelRequested | DependencyEnded | TaskStarted) -> Step:
    if isinstance(fact, CancelRequested):
        return _cancel(job, fact)
    return freed(job, fact) if isinstance(fact, DependencyEnded) else task_started(job, fact)


def _cancel(job: Job, fact: CancelRequested) -> Step:
    """Ours to end only while Slurm does not have the job; after that, its state will tell."""
    if job.cancel_requested_at is not None:
        return Step(job=job)
    asked = replace(job, cancel_requested_at=fact.at)
    is_ours = job.phase in (Phase.BLOCKED, Phase.ACCEPTED, Phase.PULLING)
    return _cancelled_here(asked, fact.at) if is_ours else Step(job=asked)


def _cancelled_here(job: Job, at: datetime) -> Step:
    what = "it" if job.attempt == 1 else f"attempt {job.attempt}"
    return end(job, Phase.CANCELLED, at, detail=f"cancelled before {what} was submitted")
