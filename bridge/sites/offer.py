"""The sections of a site's file about what jobs get and may ask for."""

from datetime import timedelta

from pydantic import Field

from bridge.core.retry import RetryPolicy
from bridge.sites.containers import GpuFlag
from bridge.sites.fields import (
    AbsolutePath,
    Attempts,
    Count,
    Duration,
    Factor,
    GpuCount,
    GpuType,
    HighPriority,
    Line,
    LowPriority,
    Memory,
    RetryableReason,
    SlurmWord,
    Switch,
    Walltime,
)
from bridge.sites.section import Section


class DefaultsSection(Section):
    """What a job gets that does not say. What is left out here writes no directive."""

    walltime: Walltime = Field(description="sbatch --time")
    partition: SlurmWord | None = Field(default=None, description="sbatch --partition")
    qos: SlurmWord | None = Field(default=None, description="sbatch --qos")
    account: SlurmWord | None = Field(default=None, description="sbatch --account")
    constraint: SlurmWord | None = Field(default=None, description="sbatch --constraint")
    memory: Memory | None = Field(default=None, description="sbatch --mem, per node")


class ChoicesSection(Section):
    """What a job may choose itself, besides the defaults. What is left out may not be chosen."""

    partitions: list[SlurmWord] = Field(
        default_factory=list, description="for a job's `resources.partition`"
    )
    qos: list[SlurmWord] = Field(default_factory=list, description="for `resources.qos`")
    accounts: list[SlurmWord] = Field(default_factory=list, description="for `resources.account`")
    constraints: list[SlurmWord] = Field(
        default_factory=list, description="for `resources.constraint`"
    )
    gpu_types: list[GpuType] = Field(
        default_factory=list,
        description="for `resources.gpu_type`, as Slurm names them in --gpus-per-node=a100:2",
    )
    lowest_priority: LowPriority = Field(
        default=0,
        description="the least that a job's `priority` may be: -100 lets jobs ask for "
        "--nice=100, to let others go first",
    )
    highest_priority: HighPriority = Field(
        default=0,
        description="the most: 100 lets jobs ask for --nice=-100, to run sooner, which Slurm "
        "allows its operators only",
    )


class LimitsSection(Section):
    """What one job may ask for. What is left out is left to Slurm's own limits."""

    nodes: Count | None = Field(default=None, description="whole machines")
    tasks: Count | None = Field(default=None, description="on all nodes together")
    cpus_per_task: Count | None = Field(default=None, description="for each of the tasks")
    gpus: GpuCount | None = Field(default=None, description="per node; 0 where there are none")
    memory: Memory | None = Field(default=None, description="per node")
    walltime: Walltime | None = Field(default=None, description="from start to end")
    min_walltime: Walltime | None = Field(
        default=None, description="the least, for queues that take no short jobs"
    )


class ProfileSection(Section):
    """A named bundle of what Slurm wants to know, so that a job need not know it.

    A job names one in `resources.profile`, or gets the first here that takes what it asks. What
    stands in a profile, a job in it cannot choose otherwise; what does not, is as the site has it.
    """

    partition: SlurmWord | None = Field(default=None, description="sbatch --partition")
    qos: SlurmWord | None = Field(default=None, description="sbatch --qos")
    account: SlurmWord | None = Field(default=None, description="sbatch --account")
    constraint: SlurmWord | None = Field(default=None, description="sbatch --constraint")
    gpu_flag: GpuFlag | None = Field(default=None, description="instead of `containers.gpu_flag`")
    gpu_types: list[GpuType] | None = Field(
        default=None, description="instead of `choices.gpu_types`"
    )
    limits: LimitsSection = Field(
        default_factory=LimitsSection,
        description="besides the site's own `limits`, and with the same fields",
    )
    only_by_name: Switch = Field(
        default=False, description="whether it is only for jobs that name it"
    )


class SecretSection(Section):
    """A file of the site whose content jobs may have in a variable, without its last line break.

    A job names it in `secrets`. Its script reads the file on the node, as the user whose jobs the
    bridge submits; nobody else should be able to read it.
    """

    file: AbsolutePath = Field(description="where the nodes see it, out of every job's sight")
    users: list[Line] = Field(
        default_factory=list,
        description="patterns as in fnmatch(3): whose jobs may have it, as the job's `user` says; "
        "none for everybody's",
    )


class RetrySection(Section):
    """Which failed jobs get another attempt; a job may say otherwise in its `retry`."""

    attempts: Attempts = Field(
        default=1, description="in all, for jobs that say nothing; 1 is no retry"
    )
    most_attempts: Attempts = Field(default=5, description="the most that a job may ask for")
    reasons: list[RetryableReason] = Field(
        default_factory=lambda: sorted(RetryPolicy().reasons),
        description="the failures that are retried",
    )
    wait: Duration = Field(
        default=timedelta(seconds=30),
        description="before the second attempt; doubles with each further one, up to an hour",
    )
    walltime_factor: Factor = Field(
        default=1.0, description="by how much the time grows after an attempt that ran out of it"
    )
    memory_factor: Factor = Field(
        default=1.0, description="by how much the memory grows after an attempt that lacked it"
    )
