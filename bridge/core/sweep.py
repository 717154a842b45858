"""Sweeps: jobs that become many, and have ended when all of those have."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from bridge.core.facts import DependencyEnded, Divided, Ending, Submitted, TaskStarted
from bridge.core.failure import FailureReason
from bridge.core.job import Condition, Dependency, task_id, task_slurm_id
from bridge.core.lifecycle import EventKind, Job, Phase, Step
from bridge.core.moves import end, move, tell


def divide(job: Job, fact: Submitted | Divided) -> Step:
    """What it makes of a sweep that its tasks are in Slurm as one array, or are on their own."""
    slurm_id = fact.slurm_id if isinstance(fact, Submitted) else None
    return move(
        job, Phase.ARRAY, slurm_id=slurm_id, submitted_at=fact.at, waits_for=ends_of_tasks(job)
    ).then(lambda it: tell(it, EventKind.QUEUED, fact.at))


def ends_of_tasks(sweep: Job) -> tuple[Dependency, ...]:
    """What a sweep waits for once it is divided."""
    return tuple(
        Dependency(job_id=task_id(sweep.job_id, index), condition=Condition.AFTER_ANY)
        for index in range(sweep.tasks)
    )


def tasks_of(sweep: Job, at: datetime) -> Iterator[Step]:
    """The first step of each task of a sweep that has just been divided, in order.

    A wish to cancel the sweep is one to cancel its tasks.
    """
    for index in range(sweep.tasks):
        new = Job(
            job_id=task_id(sweep.job_id, index),
            accepted_at=at,
            sweep=sweep.job_id,
            task_index=index,
            cancel_requested_at=sweep.cancel_requested_at,
        )
        step = tell(new, EventKind.ACCEPTED, at)
        if sweep.slurm_id is not None:
            in_slurm = replace(
                step.job,
                phase=Phase.QUEUED,
                slurm_id=task_slurm_id(sweep.slurm_id, index),
                submitting_since=sweep.submitting_since,
                submitted_at=at,
            )
            told = tell(in_slurm, EventKind.QUEUED, at)
            step = Step(job=told.job, events=step.events + told.events)
        yield step


def task_started(job: Job, fact: TaskStarted) -> Step:
    """What it makes of a sweep that one of its tasks has started: the first is told."""
    if job.phase is not Phase.ARRAY or job.started_at is not None:
        return Step(job=job)
    return tell(replace(job, started_at=fact.at), EventKind.STARTED, fact.at)


def task_ended(job: Job, fact: DependencyEnded) -> Step:
    """What the end of a task makes of its sweep: the last one ends it."""
    left = tuple(it for it in job.waits_for if it.job_id != fact.job_id)
    if len(left) == len(job.waits_for):
        return Step(job=job)
    counted = replace(
        job,
        waits_for=left,
        tasks_finished=job.tasks_finished + (fact.ending is Ending.FINISHED),
        tasks_cancelled=job.tasks_cancelled + (fact.ending is Ending.CANCELLED),
        # Whatever else: a journal that was rebuilt may not have found all tasks.
        tasks_failed=job.tasks_failed + (fact.ending not in (Ending.FINISHED, Ending.CANCELLED)),
    )
    step = Step(job=counted)
    if fact.has_run or fact.ending is Ending.FINISHED:
        # It may have been too quick to be told of its start.
        step = task_started(counted, TaskStarted(at=fact.at))
    return step if left else step.then(lambda it: _conclude(it, fact.at))


def in_words(job: Job) -> str:
    """How many of a sweep's tasks have ended, and how."""
    counts = {
        "finished": job.tasks_finished,
        "failed": job.tasks_failed,
        "cancelled": job.tasks_cancelled,
    }
    ended = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"of {job.tasks} tasks {ended}"


def _conclude(job: Job, at: datetime) -> Step:
    detail = in_words(job)
    if job.tasks_cancelled and (job.cancel_requested_at is not None or not job.tasks_failed):
        return end(job, Phase.CANCELLED, at, detail=detail)
    if job.tasks_failed:
        return end(job, Phase.FAILED, at, reason=FailureReason.TASKS, detail=detail)
    return end(job, Phase.FINISHED, at, detail=detail)
