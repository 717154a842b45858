"""How the bridge itself runs at a site: the part of its configuration that adapters need."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from bridge.core.mlexchange import MlexchangeRules
from bridge.core.policy import LookPolicy
from bridge.core.retry import RetryPolicy
from bridge.core.site import Site

EVERYBODY = "*"
"""The routing key of questions to all sites at once; no site can be called so."""

DEFAULT_NAMESPACE = "hpc-bridge"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where RabbitMQ is and what our exchanges and queues are called."""

    host: str
    port: int
    virtual_host: str
    user: str
    password: str = field(repr=False)
    tls: bool = False
    certificate_authority: str | None = None
    """A PEM file; None trusts what the system trusts."""
    heartbeat: timedelta = timedelta(seconds=60)
    """What we propose; RabbitMQ takes the lower of its own and ours."""
    namespace: str = DEFAULT_NAMESPACE
    """The first word of every exchange and queue name."""
    prefetch: int = 200
    """How many unsettled deliveries the broker may hand us."""
    history_keep: timedelta = timedelta(days=14)
    """How long the broker keeps events for those who come later."""
    history_mib: int = 1024
    """How much it keeps of them at most, in MiB."""

    @property
    def jobs_exchange(self) -> str:
        """Direct and durable; the routing key is the site's name."""
        return f"{self.namespace}.jobs"

    @property
    def events_exchange(self) -> str:
        """Topic and durable; routing keys are `<site>.<event>`."""
        return f"{self.namespace}.events"

    @property
    def history_queue(self) -> str:
        """The stream that keeps the events of all sites."""
        return f"{self.namespace}.events.history"

    @property
    def dead_letter_exchange(self) -> str:
        """Direct and durable; the routing key is the site's name."""
        return f"{self.namespace}.dead-letters"

    @property
    def control_exchange(self) -> str:
        """Direct and durable; the routing key is the site's name."""
        return f"{self.namespace}.control"

    @property
    def questions_exchange(self) -> str:
        """Direct and durable; the routing key is a site's name, or EVERYBODY."""
        return f"{self.namespace}.questions"

    @property
    def answers_exchange(self) -> str:
        """Direct and durable; the routing key is what a question bore as `reply_to`."""
        return f"{self.namespace}.answers"

    @property
    def logs_exchange(self) -> str:
        """Topic and durable; routing keys are `<site>.<job id>`."""
        return f"{self.namespace}.logs"

    @property
    def presence_exchange(self) -> str:
        """Topic and durable; routing keys are `<site>.presence`."""
        return f"{self.namespace}.presence"

    def control_queue(self, site: str) -> str:
        """The quorum queue from which the site's bridge takes control messages."""
        return f"{self.namespace}.control.{site}"

    def jobs_queue(self, site: str) -> str:
        """The quorum queue from which the site's bridge takes jobs."""
        return f"{self.namespace}.jobs.{site}"

    def dead_letter_queue(self, site: str) -> str:
        """The quorum queue where a site's refused messages lie."""
        return f"{self.namespace}.dead-letters.{site}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """A login node that is reached over SSH. What is None is as ssh_config(5) has it."""

    host: str
    port: int | None = None
    user: str | None = None
    key_file: str | None = None
    known_hosts_file: str | None = None
    ssh_config: str | None = None
    """None: ~/.ssh/config, if there is one."""
    jump: tuple[str, ...] = ()
    """Hosts on the way as `[user@]host[:port]`, the nearest first."""
    sessions: int = 8
    """How many channels may be open at once; sshd's MaxSessions is 10 unless it is set."""


class SchedulerKind(StrEnum):
    """What runs the batch scripts."""

    SLURM = "slurm"
    """Its commands, as anybody at the site would call them."""
    PYSLURM = "pyslurm"
    """pyslurm submits; for all else Slurm's commands are called."""
    LOCAL = "local"
    """No Slurm at all: they are processes of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSettings:
    """What runs the batch scripts, and how Slurm's commands are called."""

    kind: SchedulerKind = SchedulerKind.SLURM
    local_jobs: int = 2
    """How many jobs run at once where the kind is LOCAL."""
    pyslurm_fallback: bool = False
    """Whether sbatch submits what pyslurm cannot, where the kind is PYSLURM."""
    access: SshSettings | None = None
    """None: on this machine."""
    environment: tuple[tuple[str, str], ...] = ()
    """Set for Slurm's commands, such as SLURM_CONF; all else of SLURM_* is scrubbed."""
    query_timeout: timedelta = timedelta(seconds=90)
    submit_timeout: timedelta = timedelta(seconds=180)
    """Well above the 120 s for which sbatch itself may wait at MaxJobCount."""
    settle_time: timedelta = timedelta(seconds=20)
    """How long a job may take to show after an uncertain submission: twice MessageTimeout."""
    parallel_submissions: int = 4
    queries_per_minute: int = 30
    """How many squeue and sacct commands there are at most in any minute."""
    submissions_per_minute: int | None = None
    """How many sbatch and scancel commands; None is no limit of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollingSettings:
    """How often the bridge looks, and how long it believes in what it cannot see."""

    looks: LookPolicy
    marks: timedelta = timedelta(milliseconds=500)
    """Between two looks at the marker spool; costs Slurm nothing."""
    progress: timedelta = timedelta(seconds=2)
    """Between two progress events of a job, at least."""
    sweep: timedelta = timedelta(minutes=5)
    """Between two looks for what nobody asks about, such as submissions that arrived late."""
    absence_grace: timedelta = timedelta(minutes=5)
    unknown_grace: timedelta = timedelta(minutes=5)
    """How long a job may wait for another one that has not come."""
    unreachable_after: timedelta = timedelta(minutes=2)
    """How long Slurm must be silent before that is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """Where the journal lies."""

    path: str
    keep: timedelta = timedelta(days=30)
    """How long finished jobs stay in the journal."""
    disk: Literal["detect", "local", "network"] = "detect"
    """On what kind of file system the journal lies; decides how SQLite may be used there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """Everything in a site's YAML file."""

    site: Site
    broker: BrokerSettings
    scheduler: SchedulerSettings
    polling: PollingSettings
    journal: JournalSettings
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    """For jobs that say nothing of it."""
    mlexchange: MlexchangeRules | None = None
    """None where messages of MLExchange front ends are not understood."""
    templates: str | None = None
    """A folder of the site's own templates, looked at before ours."""
