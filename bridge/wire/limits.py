"""What a site allows, as it is told to front ends: to bound a form by."""

import hashlib
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from bridge.core.site import Limits, Profile, Site


class _Model(BaseModel):
    # Later versions may say more; who reads version 1 leaves that alone.
    model_config = ConfigDict(extra="ignore", frozen=True)


class LimitsData(_Model):
    """What one job may ask for; null is no limit of the bridge's."""

    nodes: int | None = Field(description="whole machines")
    tasks: int | None = Field(description="on all nodes together")
    cpus_per_task: int | None = Field(description="for each of the tasks")
    gpus: int | None = Field(description="per node; 0 where there are none")
    memory_mib: int | None = Field(description="per node, in MiB")
    walltime_seconds: int | None = Field(description="the longest")
    min_walltime_seconds: int | None = Field(description="the shortest")


class ProfileData(_Model):
    """A named bundle: what it says, a job in it cannot choose; null is as the site has it."""

    name: str = Field(description="for `resources.profile`")
    only_by_name: bool = Field(description="whether only jobs that name it run in it")
    partition: str | None = Field(description="which one its jobs run in")
    qos: str | None = Field(description="which one its jobs have")
    account: str | None = Field(description="which one its jobs run on")
    constraint: str | None = Field(description="what its jobs' nodes have")
    gpu_types: list[str] | None = Field(description="instead of the site's; null leaves those")
    limits: LimitsData = Field(description="besides those of the site")


class DefaultsData(_Model):
    """What a job gets that does not say; null leaves it to Slurm."""

    walltime_seconds: int = Field(description="the time limit")
    memory_mib: int | None = Field(description="per node, in MiB")
    partition: str | None = Field(description="which one")
    qos: str | None = Field(description="which one")
    account: str | None = Field(description="which one")
    constraint: str | None = Field(description="which one")


class FolderData(_Model):
    """A folder of the site below which jobs may mount."""

    path: str = Field(description="on the site's nodes")
    read_only: bool = Field(description="whether they may do so for reading only")


class SecretData(_Model):
    """A secret of the site, which only its jobs see."""

    reference: str = Field(description="what a job's `secrets` call it")
    users: list[str] = Field(
        description="patterns as in fnmatch(3) of whose jobs may have it; none for everybody's"
    )


class SiteLimits(_Model):
    """What a site allows. The site's own checks decide; this is to bound a form by."""

    runtime: str = Field(description="what starts the jobs' commands")
    images: list[str] = Field(description="patterns as in fnmatch(3), `*` for `/` too")
    folders: list[FolderData] = Field(description="below which jobs may mount")
    limits: LimitsData = Field(description="of every job")
    defaults: DefaultsData = Field(description="of a job that does not say")
    partitions: list[str] = Field(description="that a job may choose besides the default")
    qos: list[str] = Field(description="that a job may choose besides the default")
    accounts: list[str] = Field(description="that a job may choose besides the default")
    constraints: list[str] = Field(description="that a job may choose besides the default")
    gpu_types: list[str] = Field(description="that a job may choose for `resources.gpu_type`")
    priorities: tuple[int, int] = Field(
        description="the lowest and the highest that a job may wish"
    )
    secrets: list[SecretData] = Field(description="that jobs may have in their environment")
    profiles: list[ProfileData] = Field(description="in the order in which they are tried")
    most_tasks: int = Field(description="how many tasks a sweep may have")
    most_attempts: int = Field(description="how often a failing job may be tried in all")


def limits_of(site: Site) -> SiteLimits:
    """What the site allows."""
    containers, choices, defaults = site.containers, site.choices, site.defaults
    return SiteLimits(
        runtime=containers.runtime.value,
        images=list(containers.images),
        folders=[FolderData(path=it.path, read_only=it.read_only) for it in containers.bind_roots],
        limits=_limits(site.limits),
        defaults=DefaultsData(
            walltime_seconds=_seconds(defaults.walltime),
            memory_mib=defaults.memory_mib,
            partition=defaults.partition,
            qos=defaults.qos,
            account=defaults.account,
            constraint=defaults.constraint,
        ),
        partitions=list(choices.partitions),
        qos=list(choices.qos),
        accounts=list(choices.accounts),
        constraints=list(choices.constraints),
        gpu_types=list(choices.gpu_types),
        priorities=(choices.lowest_priority, choices.highest_priority),
        secrets=[SecretData(reference=it.reference, users=list(it.users)) for it in site.secrets],
        profiles=[_profile(it) for it in site.profiles],
        most_tasks=site.most_tasks,
        most_attempts=site.most_attempts,
    )


def digest_of(limits: SiteLimits) -> str:
    """Equal for equal limits: whoever has asked before need not ask again."""
    return hashlib.sha256(limits.model_dump_json().encode()).hexdigest()[:16]


def _profile(profile: Profile) -> ProfileData:
    return ProfileData(
        name=profile.name,
        only_by_name=profile.only_by_name,
        partition=profile.partition,
        qos=profile.qos,
        account=profile.account,
        constraint=profile.constraint,
        gpu_types=None if profile.gpu_types is None else list(profile.gpu_types),
        limits=_limits(profile.limits),
    )


def _limits(limits: Limits) -> LimitsData:
    return LimitsData(
        nodes=limits.nodes,
        tasks=limits.tasks,
        cpus_per_task=limits.cpus_per_task,
        gpus=limits.gpus,
        memory_mib=limits.memory_mib,
        walltime_seconds=None if limits.walltime is None else _seconds(limits.walltime),
        min_walltime_seconds=(
            None if limits.min_walltime is None else _seconds(limits.min_walltime)
        ),
    )


def _seconds(time: timedelta) -> int:
    return int(time.total_seconds())
