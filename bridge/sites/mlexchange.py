"""The section of a site's file about MLExchange front ends."""

from pydantic import Field

from bridge.core.job import ArgumentList, Mount, Resources, ShellLine
from bridge.core.mlexchange import WORK_FOLDER, CatalogueTask, MlexchangeRules
from bridge.sites.fields import (
    AbsolutePath,
    Count,
    EnvironmentName,
    GpuCount,
    Line,
    Memory,
    PlainPath,
    ProfileName,
    QueueName,
    SecretReference,
    SlurmWord,
    Switch,
    Text,
    Walltime,
)
from bridge.sites.section import Section


class TheirMountSection(Section):
    """A folder of the site that a container of theirs sees."""

    source: AbsolutePath = Field(description="the folder, on the site's nodes")
    target: AbsolutePath = Field(description="where the container sees it")
    read_only: Switch = Field(default=True, description="whether the job may only read it")


class CatalogueResourcesSection(Section):
    """What the task asks of Slurm, as a job's `resources` would. What is left out is the site's."""

    nodes: Count = Field(default=1, description="how many nodes")
    tasks: Count = Field(default=1, description="on all nodes together")
    cpus_per_task: Count = Field(default=1, description="for each of the tasks")
    gpus: GpuCount = Field(default=0, description="per node")
    memory: Memory | None = Field(default=None, description="per node")
    walltime: Walltime | None = Field(default=None, description="from start to end")
    partition: SlurmWord | None = Field(default=None, description="sbatch --partition")
    qos: SlurmWord | None = Field(default=None, description="sbatch --qos")
    account: SlurmWord | None = Field(default=None, description="sbatch --account")
    constraint: SlurmWord | None = Field(default=None, description="sbatch --constraint")
    profile: ProfileName | None = Field(default=None, description="one of `profiles`")


class CatalogueTaskSection(Section):
    """How one task of a model is run here, for messages that name no more than these."""

    model: Line = Field(description="what messages call it in `model_name`")
    task: Line = Field(description="the same in `task_name`: `train` or `inference`")
    image: Line = Field(description="as the site's runtime names it")
    command: Text | list[Text] = Field(
        min_length=1,
        description="one line for `sh` in the container, or a list of words; the path of the "
        "parameters is put at its end",
    )
    start_in: PlainPath | None = Field(
        default=None,
        description="the folder in the container where the command starts; the job's own without "
        "it",
    )
    env: dict[EnvironmentName, Text] = Field(
        default_factory=dict, description="variables in the container"
    )
    secrets: dict[EnvironmentName, SecretReference] = Field(
        default_factory=dict, description="variables that hold secrets: names from `secrets`"
    )
    mounts: list[TheirMountSection] = Field(
        default_factory=list, description="what the container sees besides what all of them do"
    )
    resources: CatalogueResourcesSection = Field(
        default_factory=CatalogueResourcesSection, description="what it asks of Slurm"
    )


class MlexchangeSection(Section):
    """Messages of MLExchange front ends, which the bridge takes where this section stands.

    See the page about them, docs/mlexchange.md.
    """

    queues: list[QueueName] = Field(
        default_factory=list,
        max_length=10,
        description="their own queues, such as `ml_tasks`; each is consumed, and declared as a "
        "durable classic queue if it is missing",
    )
    on_jobs_queue: Switch = Field(
        default=False, description="whether their messages may come to the site's own queue too"
    )
    reply_queues: list[Line] = Field(
        default_factory=lambda: ["results", "amq.gen-*", "amq.rabbitmq.reply-to.*"],
        description="patterns as in fnmatch(3) of the queues to which replies may go",
    )
    hosts: list[Line] = Field(
        default_factory=list,
        description="the names by which their `host_list` means this site; without any, it is "
        "taken for meant, with a note",
    )
    image_prefix: Line | None = Field(
        default=None,
        description="put before the names of their images, such as `docker://` for Apptainer",
    )
    images: dict[Line, Line] = Field(
        default_factory=dict,
        description="images, and conda environments, that are called otherwise here; no prefix "
        "is put before these",
    )
    folders: dict[AbsolutePath, AbsolutePath] = Field(
        default_factory=dict,
        description="folders that are called otherwise here, each with all below it; the first "
        "that fits counts",
    )
    mounts: list[TheirMountSection] = Field(
        default_factory=list, description="what every container of theirs sees"
    )
    start_in: PlainPath | None = Field(
        default=WORK_FOLDER,
        description="the folder in the container where commands start, as their images have it; "
        "`null` for the job's own",
    )
    catalogue: list[CatalogueTaskSection] = Field(
        default_factory=list, description="the models that messages may name, task by task"
    )


def rules_of(section: MlexchangeSection) -> MlexchangeRules:
    """What the section says."""
    return MlexchangeRules(
        queues=tuple(section.queues),
        on_jobs_queue=section.on_jobs_queue,
        hosts=tuple(section.hosts),
        images=tuple(section.images.items()),
        image_prefix=section.image_prefix or "",
        folders=tuple(section.folders.items()),
        mounts=_mounts(section.mounts),
        start_in=section.start_in,
        catalogue=tuple(map(_task, section.catalogue)),
    )


def _task(section: CatalogueTaskSection) -> CatalogueTask:
    command, resources = section.command, section.resources
    return CatalogueTask(
        model=section.model,
        task=section.task,
        image=section.image,
        command=ShellLine(text=command)
        if isinstance(command, str)
        else ArgumentList(arguments=tuple(command)),
        start_in=section.start_in,
        environment=tuple(section.env.items()),
        secrets=tuple(section.secrets.items()),
        mounts=_mounts(section.mounts),
        resources=Resources(
            nodes=resources.nodes,
            tasks=resources.tasks,
            cpus_per_task=resources.cpus_per_task,
            gpus=resources.gpus,
            memory_mib=resources.memory,
            walltime=resources.walltime,
            partition=resources.partition,
            qos=resources.qos,
            account=resources.account,
            constraint=resources.constraint,
            profile=resources.profile,
        ),
    )


def _mounts(sections: list[TheirMountSection]) -> tuple[Mount, ...]:
    return tuple(
        Mount(source=it.source, target=it.target, read_only=it.read_only) for it in sections
    )
