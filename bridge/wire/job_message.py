"""The job message, version 1: what a front end sends."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
)

from bridge.core.job import Condition, JobKind, ParametersFormat
from bridge.core.quantity import read_duration, read_memory_mib, read_walltime
from bridge.wire.job_fields import (
    IMAGE,
    NO_OTHER_NAMES,
    AbsolutePath,
    EnvironmentName,
    GpuType,
    Name,
    Priority,
    ProfileName,
    RetryableReason,
    SecretReference,
    ShortText,
    SlurmWord,
    Text,
    checked_by,
    without_nul,
)


def _command_form(value: object) -> str | None:
    if isinstance(value, list):
        return "arguments"
    return "line" if isinstance(value, str) else None


MOST_DEPENDENCIES = 100
FORMS = {"command": ("arguments", "line")}
"""Of the fields that have several forms, the words by which pydantic tells these apart."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class MountMessage(_Model):
    """A folder of the site made visible in the container."""

    source: AbsolutePath = Field(description="the folder on the site")
    target: AbsolutePath = Field(description="where the container sees it")
    read_only: bool = Field(default=False, description="whether the job may only read it")


class ResourcesMessage(_Model):
    """What the job asks of Slurm. What is left out is the site's choice."""

    nodes: int = Field(default=1, ge=1, le=1_000_000, description="how many nodes")
    tasks: int = Field(default=1, ge=1, le=100_000_000, description="tasks in all")
    cpus_per_task: int = Field(default=1, ge=1, le=100_000, description="CPUs for each task")
    gpus: int = Field(default=0, ge=0, le=1_000, description="GPUs per node")
    gpu_type: GpuType | None = Field(
        default=None, description="which GPUs, one of those that the site names; any without it"
    )
    memory: Annotated[str, checked_by(read_memory_mib)] | None = Field(
        default=None, description="memory per node, such as 512M, 16G or 1T"
    )
    walltime: Annotated[str, checked_by(read_walltime)] | None = Field(
        default=None, description="time limit as HH:MM:SS or D-HH:MM:SS"
    )
    partition: SlurmWord | None = Field(default=None, description="as sbatch has it")
    qos: SlurmWord | None = Field(default=None, description="as sbatch has it")
    account: SlurmWord | None = Field(default=None, description="as sbatch has it")
    constraint: SlurmWord | None = Field(default=None, description="as sbatch has it")
    profile: ProfileName | None = Field(
        default=None, description="one of the site's profiles; without it the site picks one"
    )


class RetryMessage(_Model):
    """When the job, should it fail, is tried again. What is left out is the site's choice."""

    attempts: int = Field(ge=1, le=100, description="how many there may be in all; 1 is no retry")
    reasons: list[RetryableReason] | None = Field(
        default=None, max_length=100, description="the failures that are retried"
    )
    exit_codes: list[Annotated[int, Field(ge=1, le=255)]] = Field(
        default_factory=list,
        max_length=255,
        description="of the reason exit-code, only these; empty for all",
    )
    wait: Annotated[str, checked_by(read_duration)] | None = Field(
        default=None,
        description="before the second attempt, such as 30s; doubles each time, up to an hour",
    )
    walltime_factor: float | None = Field(
        default=None, ge=1, le=100, description="more time after an attempt that ran out of it"
    )
    memory_factor: float | None = Field(
        default=None, ge=1, le=100, description="more memory after an attempt that lacked it"
    )


class CheckpointMessage(_Model):
    """A signal to the job before its time is up, so that it can save what it has."""

    signal: Literal["USR1", "USR2"] = Field(
        default="USR1", description="what the process in the container gets"
    )
    seconds_before: int = Field(
        ge=10,
        le=65_535,
        description="Slurm may send it up to a minute earlier still: less than the job's walltime "
        "by more than that",
    )


class DependencyMessage(_Model):
    """Another job that must end before this one is submitted."""

    job_id: UUID = Field(strict=False, description="of the same site; it may come later than this")
    condition: Condition = Field(
        default=Condition.AFTER_OK,
        strict=False,
        description="how it must end: `afterok` with success, `afterany` in any way",
    )


class SweepMessage(_Model):
    """One job with many sets of parameters: each set is a task, and a job of its own.

    Either `grid` or `list` is wanted. A task's parameters are the job's `params` with its own put
    over them, name by name.
    """

    grid: dict[Text, Annotated[list[JsonValue], Field(min_length=1)]] | None = Field(
        default=None, min_length=1, description="values for each parameter: all combinations"
    )
    sets: list[dict[Text, JsonValue]] | None = Field(
        default=None, alias="list", min_length=1, description="the sets, one by one"
    )
    at_once: int | None = Field(
        default=None, ge=1, le=1_000_000, description="how many tasks may run at the same time"
    )


def _as_dependency(value: object) -> object:
    return {"job_id": value} if isinstance(value, str) else value


class ReplyToMessage(_Model):
    """Who waits for one reply when the job is over, besides those who listen to events."""

    queue: Annotated[ShortText, Field(min_length=1)] = Field(
        description="one of those to which the site sends replies"
    )
    correlation_id: ShortText | None = Field(
        default=None, description="the reply bears it in its properties"
    )
    job_type: Annotated[str, Field(max_length=1000)] = Field(
        default="", description="the reply repeats it"
    )


class JobMessage(_Model):
    """A job message, version 1."""

    version: Literal[1] = Field(description="of this form of message")
    job_id: UUID = Field(strict=False, description="chosen by the sender; the same id is one job")
    site: str | None = Field(
        default=None, description="the site it is meant for; rejected elsewhere"
    )
    name: Name = Field(description="for people; need not be unique")
    kind: JobKind = Field(
        default=JobKind.OTHER,
        strict=False,
        description="why the job runs; the bridge treats all alike, front ends do not",
    )
    image: Annotated[str, Field(pattern=IMAGE, max_length=1000)] = Field(
        description="the container image, as the site's runtime names it"
    )
    command: Annotated[
        Annotated[list[Text], Field(min_length=1, max_length=10_000), Tag("arguments")]
        | Annotated[str, Field(min_length=1), AfterValidator(without_nul), Tag("line")],
        Discriminator(
            _command_form,
            custom_error_type="command_form",
            custom_error_message="a list of arguments, or one line of text, is wanted",
        ),
    ] = Field(description="a list of arguments, or one line for `sh -c` inside the container")
    params: dict[str, JsonValue] | None = Field(
        default=None, description="written into a file, whose path is in $BRIDGE_PARAMS"
    )
    params_format: ParametersFormat = Field(
        default=ParametersFormat.YAML, strict=False, description="of that file"
    )
    params_path: AbsolutePath | None = Field(
        default=None,
        description="where the container sees the file; without it, in the job's folder. "
        "Shifter and Charliecloud show the job's folder there: it has to end in the file's own "
        "name, `params.yaml` or `params.json`, and the image has to have the folder",
    )
    params_as_argument: bool = Field(
        default=False,
        description="whether its path is also the last argument of the command; a command of one "
        "line gets it at its end",
    )
    env: dict[EnvironmentName, Text] = Field(
        default_factory=dict,
        json_schema_extra=NO_OTHER_NAMES,
        description="environment variables in the container",
    )
    secrets: dict[EnvironmentName, SecretReference] = Field(
        default_factory=dict,
        json_schema_extra=NO_OTHER_NAMES,
        max_length=100,
        description="variables that hold secrets, and the names under which the site keeps these; "
        "what they hold stands in no message, script, log or command line",
    )
    mounts: list[MountMessage] = Field(
        default_factory=list, max_length=100, description="what else the container sees"
    )
    resources: ResourcesMessage = Field(
        default=ResourcesMessage(), description="what the job asks of Slurm"
    )
    priority: Priority = Field(
        default=0,
        description="above 0 to run sooner, below 0 to let others go first, within what the site "
        "accepts; it is `sbatch --nice` with the sign turned round",
    )
    labels: dict[Name, Annotated[str, Field(max_length=1000)]] = Field(
        default_factory=dict,
        max_length=100,
        json_schema_extra=NO_OTHER_NAMES,
        description="kept and told in events, never used",
    )
    user: Name | None = Field(default=None, description="who wants the job, for people")
    retry: RetryMessage | None = Field(
        default=None, description="what to do when the job fails; the site's rules without it"
    )
    checkpoint: CheckpointMessage | None = Field(
        default=None, description="a signal before the time is up; none without it"
    )
    depends_on: list[
        Annotated[
            DependencyMessage,
            BeforeValidator(_as_dependency, json_schema_input_type=DependencyMessage | UUID),
        ]
    ] = Field(
        default_factory=list,
        max_length=MOST_DEPENDENCIES,
        description="the jobs that must end first, each as an object or as its id alone",
    )
    reply_to: ReplyToMessage | None = Field(
        default=None, description="who gets one reply when the job is over; nobody without it"
    )
    sweep: SweepMessage | None = Field(
        default=None, description="many tasks that differ in their parameters, as one array"
    )


def _names(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(it.alias or name for name, it in model.model_fields.items())


SECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "": _names(JobMessage),
        "resources": _names(ResourcesMessage),
        "mounts": _names(MountMessage),
        "retry": _names(RetryMessage),
        "checkpoint": _names(CheckpointMessage),
        "depends_on": _names(DependencyMessage),
        "reply_to": _names(ReplyToMessage),
        "sweep": _names(SweepMessage),
    }
)
"""The fields that stand in each section, and in the message itself."""
STAND_INS: Mapping[tuple[str | int, ...], object] = MappingProxyType(
    {
        ("version",): 1,
        ("job_id",): "00000000-0000-0000-0000-000000000000",
        ("name",): "unread",
        ("image",): "unread",
        ("command",): ["true"],
        ("params",): {},
        ("mounts", 0): {"source": "/unread", "target": "/unread", "read_only": True},
        ("mounts", 0, "source"): "/unread",
        ("mounts", 0, "target"): "/unread",
        ("mounts", 0, "read_only"): True,
        ("retry", "attempts"): 1,
    }
)
"""What is read instead of a field that is at fault, so that the others can be judged."""
