"""The site's YAML file, version 1, as it is written."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bridge.core.retry import RetryPolicy
from bridge.core.settings import SchedulerKind
from bridge.core.site import PullPolicy, Runtime
from bridge.sites.fields import (
    AbsolutePath,
    Attempts,
    Count,
    Directive,
    Duration,
    EnvironmentName,
    Factor,
    GpuCount,
    Line,
    Memory,
    ModuleName,
    NamespaceName,
    PlainPath,
    Processes,
    ProfileName,
    RetryableReason,
    SiteName,
    SixteenBits,
    SlurmWord,
    Switch,
    TagPrefix,
    Text,
    Walltime,
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


GpuFlag = Literal["--nv", "--rocm", "--gpu"]


class SiteSection(_Model):
    """What the site is called."""

    name: SiteName = Field(
        description="in queue names, routing keys and events; lower case, digits and hyphens"
    )


class BrokerSection(_Model):
    """Where RabbitMQ is. The password comes from a file or a variable, never from here."""

    host: Line = Field(description="a name or an address")
    port: SixteenBits = Field(
        default=5672, description="RabbitMQ listens on 5672, and on 5671 for TLS"
    )
    virtual_host: Line = Field(default="/", description="where our exchanges and queues live")
    user: Line = Field(description="may configure, write and read there")
    password_file: AbsolutePath | None = Field(
        default=None, description="its first line is the password; nobody else may read it"
    )
    password: Text | None = Field(
        default=None, description="only as ${NAME}, a variable of the bridge's environment"
    )
    tls: Switch = Field(
        default=False, description="whether to speak TLS, and check the certificate"
    )
    certificate_authority: AbsolutePath | None = Field(
        default=None, description="a PEM file; without it, what the system trusts. Needs tls"
    )
    heartbeat: Duration = Field(
        default=timedelta(seconds=60),
        description="in whole seconds; RabbitMQ takes the lower of its own and this",
    )
    namespace: NamespaceName = Field(
        default="hpc-bridge", description="the first word of every exchange and queue name"
    )
    prefetch: SixteenBits = Field(
        default=200, description="how many unsettled messages RabbitMQ may hand the bridge"
    )


class AccessSection(_Model):
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


class SchedulerSection(_Model):
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
        "a look at all jobs takes one or two",
    )
    submissions_per_minute: Count | None = Field(
        default=None, description="how many sbatch and scancel there are at most in any minute"
    )
    tag_prefix: TagPrefix = Field(
        default="hpc-bridge",
        description="how Slurm's job names begin; two bridges of one user need two of them",
    )


class JournalSection(_Model):
    """Where the bridge keeps what it knows."""

    path: AbsolutePath = Field(description="an SQLite file; one bridge at a time uses it")
    keep: Duration = Field(
        default=timedelta(days=30), description="how long finished jobs stay in it"
    )
    disk: Literal["detect", "local", "network"] = Field(
        default="detect",
        description="the kind of file system that `path` is on, where the bridge errs about it",
    )


class BindRootSection(_Model):
    """A folder of the site below which jobs may mount."""

    path: AbsolutePath = Field(description="the folder, on the site's nodes")
    read_only: Switch = Field(
        default=True, description="whether jobs may mount it for reading only"
    )


class ContainersSection(_Model):
    """What runs the containers, which ones, and what they may see of the site."""

    runtime: Annotated[Runtime, Field(strict=False)] = Field(
        description="what starts the jobs' commands on the nodes; `command` and `conda` do so "
        "without a container"
    )
    images: list[Line] = Field(
        min_length=1,
        description="patterns as in fnmatch(3), `*` for `/` too; an image must match one of them. "
        "With `conda` they are environments; with `command` any word, such as `none`",
    )
    bind_roots: list[BindRootSection] = Field(
        default_factory=list,
        description="the folders below which jobs may mount; a job always sees its own folder",
    )
    gpu_flag: GpuFlag | None = Field(
        default=None,
        description="given to the runtime when a job asks for GPUs: for Apptainer and Singularity "
        "--nv with NVIDIA, --rocm with AMD; --gpu for podman-hpc",
    )
    modules: list[ModuleName] = Field(
        default_factory=list, description="Shifter's modules, such as gpu or mpich"
    )
    launcher: list[Line] = Field(
        default_factory=list,
        description="words before the container command, such as [srun]; jobs of several tasks or "
        "nodes get srun anyway",
    )
    options: list[Line] = Field(
        default_factory=list, description="further options of the runtime, one word each"
    )
    visible: list[PlainPath] = Field(
        default_factory=list,
        description="folders that every container here sees anyway at the same path, so that they "
        "are not mounted again: Shifter's siteFs, or `bind path` of apptainer.conf. Charliecloud "
        "mounts what stands here, and the image needs the place for it",
    )
    cache: PlainPath | None = Field(
        default=None,
        description="where Apptainer or Singularity keeps what it has fetched, as seen by the "
        "nodes; made when missing",
    )
    scratch: PlainPath | None = Field(
        default=None,
        description="where Apptainer or Singularity unpacks images, such as a folder of the "
        "nodes' own disks; made when missing",
    )
    pull: Annotated[PullPolicy, Field(strict=False)] = Field(
        default=PullPolicy.NEVER,
        description="whether a job's script fetches an image that is not there: with Apptainer, "
        "Singularity (images such as docker://name:tag) and podman-hpc",
    )
    pull_folder: PlainPath | None = Field(
        default=None,
        description="where fetched images and their locks are; all nodes see it, and flock(2) "
        "works in it. Needed for `pull: in-job`",
    )


class DefaultsSection(_Model):
    """What a job gets that does not say. What is left out here writes no directive."""

    walltime: Walltime = Field(description="sbatch --time")
    partition: SlurmWord | None = Field(default=None, description="sbatch --partition")
    qos: SlurmWord | None = Field(default=None, description="sbatch --qos")
    account: SlurmWord | None = Field(default=None, description="sbatch --account")
    constraint: SlurmWord | None = Field(default=None, description="sbatch --constraint")
    memory: Memory | None = Field(default=None, description="sbatch --mem, per node")


class ChoicesSection(_Model):
    """What a job may choose itself, besides the defaults. What is left out may not be chosen."""

    partitions: list[SlurmWord] = Field(
        default_factory=list, description="for a job's `resources.partition`"
    )
    qos: list[SlurmWord] = Field(default_factory=list, description="for `resources.qos`")
    accounts: list[SlurmWord] = Field(default_factory=list, description="for `resources.account`")
    constraints: list[SlurmWord] = Field(
        default_factory=list, description="for `resources.constraint`"
    )


class LimitsSection(_Model):
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


class ProfileSection(_Model):
    """A named bundle of what Slurm wants to know, so that a job need not know it.

    A job names one in `resources.profile`, or gets the first here that takes what it asks. What
    stands in a profile, a job in it cannot choose otherwise; what does not, is as the site has it.
    """

    partition: SlurmWord | None = Field(default=None, description="sbatch --partition")
    qos: SlurmWord | None = Field(default=None, description="sbatch --qos")
    account: SlurmWord | None = Field(default=None, description="sbatch --account")
    constraint: SlurmWord | None = Field(default=None, description="sbatch --constraint")
    gpu_flag: GpuFlag | None = Field(default=None, description="instead of `containers.gpu_flag`")
    limits: LimitsSection = Field(
        default_factory=LimitsSection,
        description="besides the site's own `limits`, and with the same fields",
    )
    only_by_name: Switch = Field(
        default=False, description="whether it is only for jobs that name it"
    )


class PollingSection(_Model):
    """How often the bridge looks, and how long it believes in what it cannot see."""

    shortest: Duration = Field(
        default=timedelta(seconds=15), description="between two questions to squeue, when busy"
    )
    longest: Duration = Field(default=timedelta(seconds=60), description="the same, when quiet")
    min_job_age: Duration = Field(
        default=timedelta(seconds=300),
        description="slurm.conf's MinJobAge: the bridge looks at least three times within it",
    )
    marks: Duration = Field(
        default=timedelta(milliseconds=500),
        description="between two looks at the scripts' marks in the work root; costs Slurm nothing",
    )
    sweep: Duration = Field(
        default=timedelta(minutes=5),
        description="between two looks for Slurm jobs of ours that nobody asks about",
    )
    absence_grace: Duration = Field(
        default=timedelta(minutes=5),
        description="how long a job may be missing everywhere before it counts as lost",
    )
    unreachable_after: Duration = Field(
        default=timedelta(minutes=2),
        description="how long Slurm must be silent before an `unreachable` event says so",
    )


class RetrySection(_Model):
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


class SiteFile(_Model):
    """A site's YAML file, version 1."""

    version: Literal[1] = Field(description="of this format")
    extends: Line | None = Field(
        default=None,
        description="another such file, relative to this one: what is not said here, it says. "
        "Sections are put together field by field, lists are replaced, null takes away",
    )
    site: SiteSection
    broker: BrokerSection
    scheduler: SchedulerSection = Field(default_factory=SchedulerSection)
    journal: JournalSection
    work_root: PlainPath = Field(
        description="each job gets a folder in it; all nodes see it under this path"
    )
    containers: ContainersSection
    defaults: DefaultsSection
    choices: ChoicesSection = Field(default_factory=ChoicesSection)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    users: list[Line] = Field(
        default_factory=list,
        description="patterns as in fnmatch(3): a job's `user` must match one of them; none for "
        "everybody. Who sends messages can write any name there: RabbitMQ's own permissions say "
        "who may send",
    )
    profiles: dict[ProfileName, ProfileSection] = Field(default_factory=dict)
    environment: dict[EnvironmentName, Text] = Field(
        default_factory=dict,
        description="exported in the job's script, outside the container",
    )
    setup: Text = Field(
        default="",
        description="bash, run in the script before the container, such as `module load`; "
        "${NAME} in it is bash's",
    )
    directives: list[Directive] = Field(
        default_factory=list, description="further options of sbatch, such as --exclusive"
    )
    polling: PollingSection = Field(default_factory=PollingSection)
    retry: RetrySection = Field(default_factory=RetrySection)
    templates: AbsolutePath | None = Field(
        default=None, description="a folder of the site's own templates, looked at before ours"
    )
