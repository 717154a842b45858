"""What somebody wants to run: the job, before anything has happened to it."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Literal, NewType
from uuid import UUID, uuid5

from bridge.core.failure import FailureReason

JobId = NewType("JobId", str)
# A UUID chosen by whoever sends the job: the idempotency key everywhere. Text, in lower case.

SlurmId = NewType("SlurmId", str)
# Text, since array tasks are 123_4 and federated clusters answer 123;cluster.

SubmissionTag = NewType("SubmissionTag", str)
# The Slurm job name: the one free text that both squeue and sacct always keep.

_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class JobKind(StrEnum):
    """Why the job runs; the bridge treats all alike, front ends do not."""

    TRAINING = "training"
    DEPLOYMENT = "deployment"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentList:
    """A command as the program will get it: one string an argument, no shell anywhere."""

    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellLine:
    """A command that `sh -c` reads inside the container, never outside it."""

    text: str


Command = ArgumentList | ShellLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder of the site made visible in the container."""

    source: str
    target: str
    read_only: bool = False


class ParametersFormat(StrEnum):
    """How a job's parameters are written into their file."""

    YAML = "yaml"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a job is told in a file of its own, beside its command."""

    text: str
    """The whole file."""
    format: ParametersFormat = ParametersFormat.YAML
    path: str | None = None
    """Where the container sees the file; None where it lies, in the job's folder."""
    as_argument: bool = False
    """Whether that path is the last argument of the command."""

    @property
    def file_name(self) -> str:
        """Of the file in the job's folder."""
        return f"params.{self.format}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the job asks of Slurm; None leaves the choice to the site's defaults."""

    nodes: int = 1
    tasks: int = 1
    cpus_per_task: int = 1
    gpus: int = 0
    """GPUs per node."""
    gpu_type: str | None = None
    """As the site calls it; None takes any."""
    memory_mib: int | None = None
    """Memory per node, in MiB."""
    walltime: timedelta | None = None
    partition: str | None = None
    qos: str | None = None
    account: str | None = None
    constraint: str | None = None
    profile: str | None = None
    """One of the site's profiles; None lets the site pick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryWish:
    """What the sender says about further attempts; None leaves it to the site."""

    attempts: int
    reasons: frozenset[FailureReason] | None = None
    exit_codes: frozenset[int] = frozenset()
    wait: timedelta | None = None
    walltime_factor: float | None = None
    memory_factor: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A signal before the time is up, so that a job can save what it has."""

    signal: Literal["USR1", "USR2"]
    seconds_before: int
    """Slurm may send it up to a minute earlier (sbatch(1), --signal)."""


class Condition(StrEnum):
    """How the other job must end, in the words of sbatch(1), --dependency."""

    AFTER_OK = "afterok"
    AFTER_ANY = "afterany"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Another job that must end before this one is submitted."""

    job_id: JobId
    condition: Condition = Condition.AFTER_OK


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTo:
    """Who waits for one reply when the job is over, besides those who listen to events."""

    queue: str
    correlation_id: str | None = None
    """What they know the job by."""
    job_type: str = ""
    """Their own word for the kind of job, which the reply repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One job that becomes many, each with parameters of its own."""

    tasks: int
    at_once: int | None = None
    """How many of them may run at the same time; None is as many as there is room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTask:
    """Which task of which sweep a job is."""

    sweep: JobId
    index: int
    """From 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A job that was understood: every field checked for form, none yet against a site's rules."""

    job_id: JobId
    name: str
    kind: JobKind
    image: str
    command: Command
    parameters: Parameters | None = None
    environment: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    """Variables and the site's own names for what they are to hold."""
    mounts: tuple[Mount, ...] = ()
    resources: Resources = Resources()
    priority: int = 0
    """Above 0 to run sooner, below 0 to let others go first: sbatch's --nice, the other way."""
    labels: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    retry: RetryWish | None = None
    checkpoint: Checkpoint | None = None
    depends_on: tuple[Dependency, ...] = ()
    """No job twice, and never the job itself."""
    reply_to: ReplyTo | None = None
    sweep: Sweep | None = None
    """Where there is one, the job itself runs nothing; its tasks do."""
    task: SweepTask | None = None


def submission_tag(prefix: str, job_id: JobId, attempt: int) -> SubmissionTag:
    """The name under which Slurm will know this attempt, at most 255 bytes as Slurm stores them."""
    return SubmissionTag(f"{prefix}-{job_id}-{attempt}")


def read_tag(tag: SubmissionTag, prefix: str) -> tuple[JobId, int] | None:
    """The job and the attempt that the tag names; None when it is none of this prefix."""
    match = re.fullmatch(rf"{re.escape(prefix)}-({_ID})-([0-9]{{1,6}})", tag, re.ASCII)
    return (JobId(match[1]), int(match[2])) if match else None


def task_id(sweep: JobId, index: int) -> JobId:
    """The id of a sweep's task: the version 5 UUID of its number, with the sweep's as namespace."""
    return JobId(str(uuid5(UUID(sweep), str(index))))


def bearer(tag: SubmissionTag, slurm_id: SlurmId, prefix: str) -> tuple[JobId, int] | None:
    """The job and the attempt that this Slurm job runs; None where the tag is none of this prefix.

    All tasks of an array bear the tag of their sweep: their ids tell which is which.
    """
    named = read_tag(tag, prefix)
    index = array_index(slurm_id)
    if named is None or index is None:
        return named
    sweep, attempt = named
    return task_id(sweep, index), attempt


def runs_attempt(tag: SubmissionTag, slurm_id: SlurmId, job_id: JobId, attempt: int) -> bool:
    """Whether the Slurm job, by its tag with whatever prefix and by its id, runs this attempt."""
    index = array_index(slurm_id)
    if index is None:
        return tag.endswith(submission_tag("", job_id, attempt))
    named = re.search(rf"-({_ID})-{attempt}$", tag, re.ASCII)
    return named is not None and task_id(JobId(named[1]), index) == job_id


def array_id(slurm_id: SlurmId) -> SlurmId:
    """Of a task's id such as 123_4, the array's; of any other, itself."""
    return SlurmId(re.sub("_[0-9]+", "", slurm_id))


def array_index(slurm_id: SlurmId) -> int | None:
    """Of a task's id such as 123_4, the task's number; None of any other."""
    match = re.fullmatch(r"[0-9]+_([0-9]+)(?:;.*)?", slurm_id, re.ASCII)
    return int(match[1]) if match else None


def task_slurm_id(array: SlurmId, index: int) -> SlurmId:
    """How Slurm names a task of this array; squeue(1), --array."""
    number, separator, cluster = array.partition(";")
    return SlurmId(f"{number}_{index}{separator}{cluster}")


def slurm_order(slurm_id: SlurmId) -> tuple[int, str]:
    """A sort key: by number, as Slurm gave the ids out."""
    digits = "".join(takewhile(str.isdecimal, slurm_id))
    return int(digits or 0), slurm_id
