"""The job message, version 1: what a front end sends."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal
from uuid import UUID

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
    WithJsonSchema,
)

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.failure import FailureReason
from bridge.core.job import (
    ArgumentList,
    Checkpoint,
    JobId,
    JobKind,
    JobSpec,
    Mount,
    Resources,
    RetryWish,
    ShellLine,
)
from bridge.core.quantity import read_duration, read_memory_mib, read_walltime
from bridge.core.retry import RETRYABLE, check_retryable
from bridge.wire.json_text import read_json
from bridge.wire.problems import echo, problems_of


def _checked_by(read: Callable[[str], object]) -> AfterValidator:
    def check(text: str) -> str:
        read(text)
        return text

    return AfterValidator(check)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character cannot be passed to a program")
    return text


def _absolute_path(text: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("control characters are not accepted in a path")
    if not text.startswith("/") or ".." in PurePosixPath(text).parts:
        raise ValueError("an absolute path without '..' is wanted")
    return str(PurePosixPath("/" + text.lstrip("/")))


def _command_form(value: object) -> str | None:
    if isinstance(value, list):
        return "arguments"
    return "line" if isinstance(value, str) else None


_SLURM_WORD = r"^[A-Za-z0-9][A-Za-z0-9_.&|:*-]*$"
_PROFILE_NAME = r"^[a-z0-9][a-z0-9_-]*$"
_ENVIRONMENT_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._,:+@()/=-]*$"
_IMAGE = r"^[A-Za-z0-9/][A-Za-z0-9_./:@+=-]*$"
ACCEPTED: Mapping[str, str] = {
    _SLURM_WORD: "a letter or digit is wanted, then letters, digits and any of _.&|:*-",
    _PROFILE_NAME: "a small letter or digit is wanted, then small letters, digits, _ and -",
    _ENVIRONMENT_NAME: "a variable's name is wanted: letters, digits and _, no digit first",
    _NAME: "a letter or digit is wanted, then letters, digits, spaces and any of ._,:+@()/=-"
    " (no accents)",
    _IMAGE: "an image's name or path is wanted: a letter, digit or / first, then letters, digits"
    " and any of _./:@+=-",
}
_FORMS = {"command": ("arguments", "line")}

Text = Annotated[str, AfterValidator(_without_nul)]
AbsolutePath = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_absolute_path)]
SlurmWord = Annotated[str, Field(pattern=_SLURM_WORD, max_length=100)]
ProfileName = Annotated[str, Field(pattern=_PROFILE_NAME, max_length=60)]
EnvironmentName = Annotated[str, Field(pattern=_ENVIRONMENT_NAME, max_length=200)]
Name = Annotated[str, Field(pattern=_NAME, max_length=100)]
RetryableReason = Annotated[
    FailureReason,
    Field(strict=False),
    AfterValidator(check_retryable),
    WithJsonSchema({"type": "string", "enum": sorted(RETRYABLE)}),
]


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
    memory: Annotated[str, _checked_by(read_memory_mib)] | None = Field(
        default=None, description="memory per node, such as 512M, 16G or 1T"
    )
    walltime: Annotated[str, _checked_by(read_walltime)] | None = Field(
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
        default=None, description="the failures that are retried"
    )
    exit_codes: list[Annotated[int, Field(ge=1, le=255)]] = Field(
        default_factory=list,
        max_length=255,
        description="of the reason exit-code, only these; empty for all",
    )
    wait: Annotated[str, _checked_by(read_duration)] | None = Field(
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
        ge=10, le=65_535, description="Slurm may send it up to a minute earlier still"
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
    image: Annotated[str, Field(pattern=_IMAGE, max_length=1000)] = Field(
        description="the container image, as the site's runtime names it"
    )
    command: Annotated[
        Annotated[list[Text], Field(min_length=1, max_length=10_000), Tag("arguments")]
        | Annotated[str, Field(min_length=1), AfterValidator(_without_nul), Tag("line")],
        Discriminator(
            _command_form,
            custom_error_type="command_form",
            custom_error_message="a list of arguments, or one line of text, is wanted",
        ),
    ] = Field(description="a list of arguments, or one line for `sh -c` inside the container")
    params: dict[str, JsonValue] | None = Field(
        default=None, description="written as YAML; the container finds it at $BRIDGE_PARAMS"
    )
    env: dict[EnvironmentName, Text] = Field(
        default_factory=dict, description="environment variables in the container"
    )
    mounts: list[MountMessage] = Field(
        default_factory=list, max_length=100, description="what else the container sees"
    )
    resources: ResourcesMessage = Field(
        default=ResourcesMessage(), description="what the job asks of Slurm"
    )
    labels: dict[Name, Annotated[str, Field(max_length=1000)]] = Field(
        default_factory=dict, max_length=100, description="kept and told in events, never used"
    )
    user: Name | None = Field(default=None, description="who wants the job, for people")
    retry: RetryMessage | None = Field(
        default=None, description="what to do when the job fails; the site's rules without it"
    )
    checkpoint: CheckpointMessage | None = Field(
        default=None, description="a signal before the time is up; none without it"
    )


def read_job(body: bytes, *, site: str) -> JobSpec:
    """The job in a message that arrived at `site`.

    Raises InvalidRequestError with every reason at once, and the job's id where it is readable.
    """
    data = read_json(body)
    job_id = _readable_id(data)
    try:
        message = JobMessage.model_validate(data)
    except ValidationError as error:
        problems = problems_of(error, tags=_FORMS, patterns=ACCEPTED)
        raise InvalidRequestError(*problems, job_id=job_id) from None
    if message.site not in (None, site):
        what = f"the job is meant for {echo(message.site)}, and this is {site!r}"
        problem = Problem(where="site", what=what)
        raise InvalidRequestError(problem, job_id=job_id)
    return _spec(message)


def fingerprint(body: bytes) -> str:
    """Equal for messages that say the same, whatever their spacing and the order of their keys."""
    canonical = json.dumps(read_json(body), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _readable_id(data: object) -> str | None:
    found = data.get("job_id") if isinstance(data, dict) else None
    try:
        return str(UUID(found)) if isinstance(found, str) else None
    except ValueError:
        return None


def _spec(message: JobMessage) -> JobSpec:
    asked = message.resources
    command = message.command
    return JobSpec(
        job_id=JobId(str(message.job_id)),
        name=message.name,
        kind=message.kind,
        image=message.image,
        command=ShellLine(text=command)
        if isinstance(command, str)
        else ArgumentList(arguments=tuple(command)),
        parameters=_as_yaml(message.params),
        environment=tuple(message.env.items()),
        mounts=tuple(
            Mount(source=it.source, target=it.target, read_only=it.read_only)
            for it in message.mounts
        ),
        resources=Resources(
            nodes=asked.nodes,
            tasks=asked.tasks,
            cpus_per_task=asked.cpus_per_task,
            gpus=asked.gpus,
            memory_mib=None if asked.memory is None else read_memory_mib(asked.memory),
            walltime=None if asked.walltime is None else read_walltime(asked.walltime),
            partition=asked.partition,
            qos=asked.qos,
            account=asked.account,
            constraint=asked.constraint,
            profile=asked.profile,
        ),
        labels=tuple(message.labels.items()),
        user=message.user,
        retry=_retry(message.retry),
        checkpoint=_checkpoint(message.checkpoint),
    )


def _checkpoint(message: CheckpointMessage | None) -> Checkpoint | None:
    if message is None:
        return None
    return Checkpoint(signal=message.signal, seconds_before=message.seconds_before)


def _retry(message: RetryMessage | None) -> RetryWish | None:
    if message is None:
        return None
    return RetryWish(
        attempts=message.attempts,
        reasons=None if message.reasons is None else frozenset(message.reasons),
        exit_codes=frozenset(message.exit_codes),
        wait=None if message.wait is None else read_duration(message.wait),
        walltime_factor=message.walltime_factor,
        memory_factor=message.memory_factor,
    )


def _as_yaml(params: dict[str, JsonValue] | None) -> str | None:
    if params is None:
        return None
    # ASCII with escapes: U+0085 and its like, written as they are, would be read as blanks.
    return yaml.safe_dump(params, sort_keys=False)
