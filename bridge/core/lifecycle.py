"""A job's life: the phases, the table of legal moves, and what is known and told of a job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from bridge.core.failure import FailureReason, Hindrance
from bridge.core.job import (
    Dependency,
    JobId,
    SlurmId,
    SubmissionTag,
    array_index,
    submission_tag,
)


class Phase(StrEnum):
    """Where a job is. The values are stored in journals: they do not change."""

    BLOCKED = "blocked"
    ACCEPTED = "accepted"
    PULLING = "pulling"
    SUBMITTING = "submitting"
    ARRAY = "array"
    QUEUED = "queued"
    HELD = "held"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDS = frozenset({Phase.FINISHED, Phase.FAILED, Phase.CANCELLED})

MOVES: Mapping[Phase, frozenset[Phase]] = MappingProxyType(
    {
        # FAILED: another job did not end as this one wants it.
        Phase.BLOCKED: frozenset({Phase.ACCEPTED, Phase.FAILED, Phase.CANCELLED}),
        # FAILED: no script could be written for it.
        Phase.ACCEPTED: frozenset({Phase.PULLING, Phase.SUBMITTING, Phase.FAILED, Phase.CANCELLED}),
        # FAILED: its image could not be pulled.
        Phase.PULLING: frozenset({Phase.ACCEPTED, Phase.FAILED, Phase.CANCELLED}),
        # Back to ACCEPTED only when it is certain that Slurm does not have the job.
        Phase.SUBMITTING: frozenset({Phase.ACCEPTED, Phase.ARRAY, Phase.QUEUED, Phase.FAILED}),
        # From here on its tasks are jobs of their own.
        Phase.ARRAY: ENDS,
        # Back to ACCEPTED from here on: the attempt has failed, and another one is to follow.
        Phase.QUEUED: frozenset({Phase.ACCEPTED, Phase.HELD, Phase.RUNNING}) | ENDS,
        Phase.HELD: frozenset({Phase.ACCEPTED, Phase.QUEUED, Phase.RUNNING}) | ENDS,
        # Slurm may requeue a running job, and may hold it as it does so.
        Phase.RUNNING: frozenset({Phase.ACCEPTED, Phase.QUEUED, Phase.HELD}) | ENDS,
        Phase.FINISHED: frozenset(),
        Phase.FAILED: frozenset(),
        Phase.CANCELLED: frozenset(),
    }
)


class EventKind(StrEnum):
    """What is told to the outside: public words, part of every routing key."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    QUEUED = "queued"
    PENDING = "pending"
    HELD = "held"
    PULLING = "pulling"
    STARTED = "started"
    PROGRESS = "progress"
    EXITED = "exited"
    REQUEUED = "requeued"
    RETRYING = "retrying"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNREACHABLE = "unreachable"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is known of one job's life. `advance` makes the next one; nothing else does."""

    job_id: JobId
    accepted_at: datetime
    phase: Phase = Phase.ACCEPTED
    revision: int = 1
    """One more with each step that is recorded: of two writers the later one loses."""
    sequence: int = 0
    """The number of the last event told of this job."""
    attempt: int = 1
    restart: int = 0
    """How often Slurm has requeued this attempt."""
    timeouts: int = 0
    """How many earlier attempts ran into their time limit."""
    memory_shortages: int = 0
    """How many earlier attempts ran out of memory."""
    not_before: datetime | None = None
    """When the next attempt may be submitted; None is at once."""
    waits_for: tuple[Dependency, ...] = ()
    """The jobs that have yet to end before this one may be submitted; in ARRAY, its own tasks."""
    tasks: int = 0
    """Of a sweep, how many; 0 is any other job."""
    tasks_finished: int = 0
    tasks_failed: int = 0
    tasks_cancelled: int = 0
    sweep: JobId | None = None
    """The sweep that this job is a task of."""
    task_index: int | None = None
    """Which one, from 0."""
    cancel_requested_at: datetime | None = None
    slurm_id: SlurmId | None = None
    submitting_since: datetime | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    slurm_started_at: datetime | None = None
    """Slurm's own start time of the run that was seen last: it changes with a requeue."""
    nodes: str | None = None
    pending_reason: str | None = None
    pulling_since: datetime | None = None
    """When this run of it, or the bridge for it, began to pull its image."""
    hindrance: Hindrance | None = None
    """What kept this run's script from starting the container."""
    hindering_mount: int | None = None
    """Which of its mounts, from 0, where that is known."""
    container_exit_code: int | None = None
    """From the end marker of this run; None while there is none."""
    exit_code: int | None = None
    signal: int | None = None
    absent_since: datetime | None = None
    interrupted_since: datetime | None = None
    """When Slurm first said that the job lost its node or place; not yet believed."""

    @property
    def is_over(self) -> bool:
        """Whether the terminal event has been told."""
        return self.phase in ENDS

    def tag(self, prefix: str) -> SubmissionTag:
        """The name that its Slurm job bears: the tasks of an array all bear that of their sweep."""
        is_in_array = self.slurm_id is not None and array_index(self.slurm_id) is not None
        bearer = self.sweep if is_in_array and self.sweep is not None else self.job_id
        return submission_tag(prefix, bearer, self.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing to tell the outside: the job as it was just then, and why."""

    kind: EventKind
    at: datetime
    job: Job
    reason: FailureReason | None = None
    detail: str | None = None
    """Words for a person, such as Slurm's own."""
    expected_start_at: datetime | None = None
    """When Slurm means to start the job, where it waits and Slurm knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a fact makes of a job."""

    job: Job
    events: tuple[Event, ...] = ()
    anomaly: str | None = None
    """What did not fit: for the log. The job is as it was, but that one seen is not missing."""

    def then(self, decide: "Callable[[Job], Step]") -> "Step":
        """This step and the one that `decide` makes of its outcome, as one; an anomaly stops."""
        if self.anomaly:
            return self
        following = decide(self.job)
        return replace(following, events=self.events + following.events)
