"""Everything that a job's lifecycle can be told. All times are aware, in UTC."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.core.failure import Hindrance
from bridge.core.job import JobId, SlurmId, SubmissionTag
from bridge.core.slurm_state import SlurmState


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One row of squeue or sacct about one Slurm job; None is what Slurm did not say."""

    slurm_id: SlurmId
    tag: SubmissionTag
    word: str
    """The state as Slurm wrote it."""
    state: SlurmState | None
    """None when the word is not in our table."""
    reason: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    submitted_at: datetime | None = None
    expected_start_at: datetime | None = None
    """When Slurm means to start a job that waits, where it knows."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    nodes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionBegun:
    """We are about to call sbatch; from here on the job may exist."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """Slurm has the job under this id: it said so, or it was found by its tag."""

    at: datetime
    slurm_id: SlurmId


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Another Slurm job of the same attempt runs its container: from here on, that one counts."""

    at: datetime
    slurm_id: SlurmId


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Slurm, or the script's template, said no for good."""

    at: datetime
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSubmitted:
    """It is certain that Slurm does not have the job: it may be submitted again."""

    at: datetime
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """Somebody who may do so wants the job to end."""

    at: datetime


class Ending(StrEnum):
    """What became of a job that another one waits for. The values are stored in journals."""

    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    """Its message was no job, and no other message with its id has come."""
    UNKNOWN = "unknown"
    """No message with its id has come for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyEnded:
    """One of the jobs that the job may wait for has ended, or will not come at all."""

    at: datetime
    job_id: JobId
    ending: Ending
    has_run: bool = False
    """Of a sweep's task: whether it is known to have started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Divided:
    """The job's tasks are jobs of their own now, and not in Slurm yet."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted:
    """One of the job's tasks has started."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAwaited:
    """Before it is submitted, its image is to be at the site."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PullBegun:
    """Its image is not at the site, and is being pulled."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageThere:
    """Its image is at the site."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PullFailed:
    """Its image is not at the site, and could not be pulled."""

    at: datetime
    words: str


ImageFact = ImageAwaited | PullBegun | ImageThere | PullFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Slurm answered a question about the job."""

    at: datetime
    sighting: Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Slurm answered, and does not know the job: neither in the queue nor in accounting."""

    at: datetime
    accounting: bool
    """Whether accounting keeps records here; without them a finished job leaves no trace."""
    missing_for: timedelta
    """For how long Slurm has now answered without a break, and not known the job."""
    array_listed: bool = False
    """Of a task: whether the queue has others of its array."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMark:
    """The job's own script wrote that it starts the container."""

    at: datetime
    restart: int
    """SLURM_RESTART_COUNT: 0 the first time, then one more for each requeue."""
    started_at: datetime
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndMark:
    """The job's own script wrote that the container has ended."""

    at: datetime
    restart: int
    ended_at: datetime
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PullMark:
    """The job's own script wrote that the image is not there, and that it pulls it."""

    at: datetime
    restart: int
    pulling_since: datetime
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HindranceMark:
    """The job's own script wrote that it ends without having started the container."""

    at: datetime
    restart: int
    ended_at: datetime
    hindrance: Hindrance
    mount: int | None = None
    """Which of its mounts, from 0, where it was one and the script says so."""


ScriptMark = PullMark | StartMark | EndMark | HindranceMark
LAST_MARKS = (EndMark, HindranceMark)
"""After these a script leaves no other."""

Fact = (
    SubmissionBegun
    | Submitted
    | Claimed
    | Refused
    | NotSubmitted
    | CancelRequested
    | DependencyEnded
    | Divided
    | TaskStarted
    | ImageFact
    | Seen
    | Absent
    | ScriptMark
)
