"""The site's YAML file, version 1, as it is written."""

from typing import Literal

from pydantic import Field

from bridge.sites.containers import ContainersSection
from bridge.sites.fields import (
    AbsolutePath,
    Directive,
    EnvironmentName,
    Line,
    PlainPath,
    ProfileName,
    SecretReference,
    SiteName,
    Text,
)
from bridge.sites.mlexchange import MlexchangeSection
from bridge.sites.offer import (
    ChoicesSection,
    DefaultsSection,
    LimitsSection,
    ProfileSection,
    RetrySection,
    SecretSection,
)
from bridge.sites.running import BrokerSection, JournalSection, PollingSection
from bridge.sites.scheduling import SchedulerSection
from bridge.sites.section import Section


class SiteSection(Section):
    """What the site is called."""

    name: SiteName = Field(
        description="in queue names, routing keys and events; lower case, digits and hyphens"
    )


class SiteFile(Section):
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
    secrets: dict[SecretReference, SecretSection] = Field(default_factory=dict)
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
    mlexchange: MlexchangeSection | None = Field(
        default=None, description="nothing is understood but our own messages without it"
    )
    templates: AbsolutePath | None = Field(
        default=None, description="a folder of the site's own templates, looked at before ours"
    )
