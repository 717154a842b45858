"""The sections of a site's file about Slurm, and how it is reached."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from bridge.core.settings import SchedulerKind
from bridge.sites.fields import (
    AbsolutePath,
    Count,
    Duration,
    EnvironmentName,
    Line,
    Processes,
    SixteenBits,
    TagPrefix,
    Text,
)
from bridge.sites.section import Section


class AccessSection(Section):
    """A login node that is reached over SSH. What is left out is as ssh_config(5) has it.

    Slurm's commands, `work_root` and the images are then those of the login node. Its host key must
    be in `known_hosts_file`; keys are tried with the certificate beside them, then those of the
    agent. Needs the package with its extra `ssh`.
    """

    host: Line = Field(description="a name or an address, or a Host of ssh_config")
    port: SixteenBits | None = Field(default=None, description="where sshd listens; usually 22")
    user: Line | None = Field(default=None, description="whose jobs the bridge submits there")
    key_file: AbsolutePath | None = Field(
        default=None,
        description="the private key, without a passphrase; read anew for every connection",
    )
    known_hosts_file: AbsolutePath | None = Field(
        default=None, description="the only file in which host keys are looked up"
    )
    ssh_config: AbsolutePath | None = Field(
        default=None, description="read instead of ~/.ssh/config"
    )
    jump: list[Line] = Field(
        default_factory=list,
        description="hosts on the way, the nearest first, each as [user@]host[:port]",
    )
    sessions: Processes = Field(
        default=8,
        description="how many commands and file transfers may be open at once; a server that takes "
        "fewer (MaxSessions) is given fewer",
    )


class SchedulerSection(Section):
    """What runs the batch scripts, and how Slurm's commands are called."""

    kind: Annotated[SchedulerKind, Field(strict=False)] = Field(
        default=SchedulerKind.SLURM,
        description="`pyslurm` submits in process, at several times the speed of `sbatch`, where a "
        "pyslurm of the same version as Slurm is installed; `local` is for trying things out on a "
        "laptop without Slurm: the scripts are run as processes of this machine, one a job, with "
        "their time limits; partitions, accounts, memory and GPUs count for nothing",
    )
    local_jobs: Processes = Field(
        default=2, description="how many jobs run at once where `kind` is `local`"
    )
    pyslurm_fallback: Literal["none", "command-line"] = Field(
        default="none",
        description="what submits a job that pyslurm cannot, where `kind` is `pyslurm`: nothing, "
        "so that it is refused, or `sbatch`",
    )
    access: AccessSection | None = Field(
        default=None, description="the login node; without it, Slurm is on this machine"
    )
    environment: dict[EnvironmentName, Text] = Field(
        default_factory=dict,
        description="set for Slurm's commands, such as SLURM_CONF and PATH",
    )
    query_timeout: Duration = Field(
        default=timedelta(seconds=90), description="how long squeue and sacct may take"
    )
    submit_timeout: Duration = Field(
        default=timedelta(seconds=180),
        description="how long sbatch may take; it waits up to 120 s by itself at MaxJobCount",
    )
    settle_time: Duration = Field(
        default=timedelta(seconds=20),
        description="how long a job may take to show up after sbatch was cut off: twice "
        "slurm.conf's MessageTimeout",
    )
    parallel_submissions: Processes = Field(
        default=4, description="how many sbatch may run at once"
    )
    queries_per_minute: Count = Field(
        default=30,
        description="how many squeue and sacct there are at most in any minute, whatever happens; "
        "a look at all jobs takes one or two, and a cancel of however many takes one",
    )
    submissions_per_minute: Count | None = Field(
        default=None, description="how many sbatch and scancel there are at most in any minute"
    )
    most_tasks: Count = Field(
        default=1000,
        description="how many tasks one sweep may have; Slurm takes as many as slurm.conf's "
        "MaxArraySize, less one",
    )
    tag_prefix: TagPrefix = Field(
        default="hpc-bridge",
        description="how Slurm's job names begin; two bridges of one user need two of them; jobs "
        "that Slurm has under another one are not found or cancelled any more",
    )
