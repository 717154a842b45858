"""What a site allows and how its scripts look: what decisions need of its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from bridge.core.job import JobId


class Runtime(StrEnum):
    """What starts a job's command: container runtimes, and two ways without a container."""

    APPTAINER = "apptainer"
    SINGULARITY = "singularity"
    SHIFTER = "shifter"
    PODMAN_HPC = "podman-hpc"
    CHARLIECLOUD = "charliecloud"
    COMMAND = "command"
    """No container: the command runs on the node as it is."""
    CONDA = "conda"
    """No container, in a conda environment that the job's image names."""


class PullPolicy(StrEnum):
    """When images are fetched that are not at the site."""

    NEVER = "never"
    """They have to be there."""
    BEFORE = "before"
    """By the bridge, before the first job that wants one is submitted."""
    IN_JOB = "in-job"
    """By the first job that wants one, before its container starts."""


PULLED_TO_FILES = frozenset({Runtime.APPTAINER, Runtime.SINGULARITY})
"""The runtimes whose images a script can fetch into a file."""

KEPT_IN_FILES = PULLED_TO_FILES | {Runtime.CHARLIECLOUD, Runtime.CONDA}
"""Runtimes for which an absolute path names a file or a folder that is the image."""

PULLED_IN_JOBS = PULLED_TO_FILES | {Runtime.PODMAN_HPC}
"""The runtimes whose images a script can fetch at all; Shifter's are pinned at submission."""

PULLED_BEFORE = PULLED_IN_JOBS | {Runtime.SHIFTER}
"""The runtimes whose images the bridge can fetch."""

CACHE_VARIABLES: Mapping[Runtime, tuple[str, str]] = {
    Runtime.APPTAINER: ("APPTAINER_CACHEDIR", "APPTAINER_TMPDIR"),
    Runtime.SINGULARITY: ("SINGULARITY_CACHEDIR", "SINGULARITY_TMPDIR"),
}
"""What tells a runtime where its cache is and where it unpacks; the others are not told."""

WITHOUT_CONTAINER = frozenset({Runtime.COMMAND, Runtime.CONDA})

GPU_FLAGS: Mapping[Runtime, tuple[str, ...]] = {
    Runtime.APPTAINER: ("--nv", "--rocm"),
    Runtime.SINGULARITY: ("--nv", "--rocm"),
    Runtime.PODMAN_HPC: ("--gpu",),
}
"""The options by which a container gets the node's GPUs; the other runtimes have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindRoot:
    """A folder of the site below which jobs may mount."""

    path: str
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one job may ask for; None is no limit of ours (Slurm has its own)."""

    nodes: int | None = None
    tasks: int | None = None
    cpus_per_task: int | None = None
    gpus: int | None = None
    memory_mib: int | None = None
    walltime: timedelta | None = None
    min_walltime: timedelta | None = None
    """Some queues take no short jobs, such as NERSC's preempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named bundle of what Slurm wants to know, so that a job need not know it."""

    name: str
    partition: str | None = None
    """This and the three below: None leaves it to the job and to the site's defaults."""
    qos: str | None = None
    account: str | None = None
    constraint: str | None = None
    gpu_flag: str | None = None
    """Instead of the one of ContainerRules."""
    gpu_types: tuple[str, ...] | None = None
    """Instead of those of Choices; None leaves these."""
    limits: Limits = Limits()
    """Besides those of the site."""
    only_by_name: bool = False
    """Whether only jobs that name it run in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmDefaults:
    """What a job gets that does not say; None writes no directive."""

    walltime: timedelta
    partition: str | None = None
    qos: str | None = None
    account: str | None = None
    constraint: str | None = None
    memory_mib: int | None = None
    """Per node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a job may choose itself; an empty tuple means it may not choose at all."""

    partitions: tuple[str, ...] = ()
    qos: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    gpu_types: tuple[str, ...] = ()
    """As Slurm calls them in --gpus-per-node=<type>:<number>."""
    lowest_priority: int = 0
    """This and the next are the bounds of what a job may wish; 0 is always accepted."""
    highest_priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRules:
    """Which runtime starts which images, and what they may see of the site."""

    runtime: Runtime
    images: tuple[str, ...]
    """Patterns as in fnmatch(3); an image must match one of them."""
    bind_roots: tuple[BindRoot, ...] = ()
    gpu_flag: str | None = None
    """One of GPU_FLAGS; None where the runtime needs none."""
    modules: tuple[str, ...] = ()
    """Shifter modules, such as gpu or mpich."""
    launcher: tuple[str, ...] = ()
    """Written before the container command, such as ("srun",)."""
    options: tuple[str, ...] = ()
    """Further options of the runtime, written before the image or the command."""
    visible: tuple[str, ...] = ()
    """Folders that every container sees anyway, at the same path, such as Shifter's siteFs."""
    cache: str | None = None
    """Where the runtime keeps what it has fetched; None where it likes."""
    scratch: str | None = None
    """Where the runtime unpacks images; None where it likes."""
    pull: PullPolicy = PullPolicy.NEVER
    pull_folder: str | None = None
    """Where fetched images and their locks are; needed to fetch any into files, or in jobs."""
    pull_timeout: timedelta = timedelta(minutes=30)
    """How long the bridge lets one image take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A file of the site whose content jobs may have in their environment."""

    reference: str
    """What jobs call it."""
    file: str
    """Where the nodes see it."""
    users: tuple[str, ...] = ()
    """Patterns as in fnmatch(3) of whose jobs; none means everybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One Slurm site, as the site's administrator describes it."""

    name: str
    tag_prefix: str
    work_root: str
    containers: ContainerRules
    defaults: SlurmDefaults
    choices: Choices = Choices()
    limits: Limits = Limits()
    profiles: tuple[Profile, ...] = ()
    """In the order in which they are tried; without any, jobs get the defaults."""
    environment: tuple[tuple[str, str], ...] = ()
    users: tuple[str, ...] = ()
    """Patterns as in fnmatch(3) of who may run jobs; none means everybody."""
    secrets: tuple[Secret, ...] = ()
    reply_queues: tuple[str, ...] = ()
    """Patterns as in fnmatch(3) of the queues that jobs may have a reply sent to."""
    most_tasks: int = 1000
    """How many tasks a sweep may have: Slurm's MaxArraySize, 1001 unless it is set, less one."""
    most_attempts: int = 5
    """How often a failing job may be tried in all."""
    setup: tuple[str, ...] = ()
    """Lines of bash that the site's administrator wants run before the container."""
    directives: tuple[str, ...] = ()
    """Further sbatch options of the site, such as --exclusive."""


def job_folder(site: Site, job_id: JobId) -> str:
    """Where the job's request, scripts and output lie on the site."""
    return f"{site.work_root}/{job_id}"


def spool_folder(site: Site) -> str:
    """Where the scripts drop their markers for the bridge to find."""
    return f"{site.work_root}/spool"
