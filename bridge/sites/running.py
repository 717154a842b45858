"""The sections of a site's file about the bridge itself: broker, journal, looks."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from bridge.sites.fields import (
    AbsolutePath,
    Duration,
    Line,
    Memory,
    NamespaceName,
    SixteenBits,
    Switch,
    Text,
)
from bridge.sites.section import Section


class BrokerSection(Section):
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
    history_keep: Duration = Field(
        default=timedelta(days=14),
        description="for how long RabbitMQ keeps events for boards that are new; alike at all "
        "sites of a namespace",
    )
    history_size: Memory = Field(
        default=1024, description="how much it keeps of them at most; alike likewise"
    )


class JournalSection(Section):
    """Where the bridge keeps what it knows."""

    path: AbsolutePath = Field(description="an SQLite file; one bridge at a time uses it")
    keep: Duration = Field(
        default=timedelta(days=30), description="how long finished jobs stay in it"
    )
    disk: Literal["detect", "local", "network"] = Field(
        default="detect",
        description="the kind of file system that `path` is on, where the bridge errs about it",
    )


class PollingSection(Section):
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
    progress: Duration = Field(
        default=timedelta(seconds=2),
        description="between two `progress` events of a job, at least; each tells all that it "
        "wrote meanwhile",
    )
    sweep: Duration = Field(
        default=timedelta(minutes=5),
        description="between two looks for Slurm jobs of ours that nobody asks about",
    )
    absence_grace: Duration = Field(
        default=timedelta(minutes=5),
        description="how long a job may be missing everywhere before it counts as lost",
    )
    unknown_grace: Duration = Field(
        default=timedelta(minutes=5),
        description="how long a job may wait for one of its `depends_on` that has not come",
    )
    unreachable_after: Duration = Field(
        default=timedelta(minutes=2),
        description="how long Slurm must be silent before an `unreachable` event says so",
    )
