"""The shape of 2024 and 2025, of workflows: steps, each after the one before."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.job import ArgumentList, Command, Mount, Resources, ShellLine
from bridge.core.quantity import write_walltime
from bridge.core.wanted import echo
from bridge.wire.mlexchange.draft import (
    Draft,
    Drafts,
    Nodes,
    Setting,
    TextOrNumber,
    TextOrTexts,
    TheirModel,
    command_field,
    kind_of,
    mounts_field,
    parameters_fields,
    plain_name,
    resources_field,
    split_volume,
)

_CLOCK = re.compile(r"([0-9]{1,4}):([0-9]{1,2}):([0-9]{1,2})", re.ASCII)


def _clock(text: str) -> str:
    found = _CLOCK.fullmatch(text)
    hours, minutes, seconds = map(int, found.groups()) if found else (0, 0, 0)
    time = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not time:
        raise ValueError("a time above zero as H:M:S is wanted, such as 1:30:00")
    return write_walltime(time)


class Step(TheirModel):
    """One of the steps: a container, a program in a conda environment, or a model's task."""

    params: dict[str, JsonValue] | None = None

    image_name: Annotated[str, Field(min_length=1)] | None = None
    image_tag: str | None = None
    command: Annotated[TextOrTexts, Field(min_length=1)] | None = None
    volumes: list[str] = Field(default_factory=list, max_length=50)
    network: str | None = None
    env_vars: dict[str, TextOrNumber] = Field(default_factory=dict)

    conda_env_name: Annotated[str, Field(min_length=1)] | None = None
    python_file_name: Annotated[str, Field(min_length=1)] | None = None
    job_name: str | None = None
    num_nodes: Nodes = 1
    partitions: list[str] = Field(default_factory=list, max_length=100)
    reservations: list[str] = Field(default_factory=list, max_length=100)
    max_time: Annotated[str, AfterValidator(_clock)] | None = None

    model_name: str | None = None
    task_name: str | None = None


class FlowSteps(TheirModel):
    """A message with workflow parameters."""

    flow_type: Literal["podman", "docker", "conda", "slurm"] | None = None
    params_list: list[Step] = Field(min_length=1, max_length=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """What a step runs, however the message says it."""

    name: str
    image: str
    command: Command
    start_in: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    resources: Resources = field(default_factory=Resources)


def drafts_of_steps(message: FlowSteps, setting: Setting) -> Drafts:
    """The jobs in the message, each after the one before."""
    steps = enumerate(message.params_list)
    found = [_drafts(step, index, f"params_list.{index}", setting) for index, step in steps]
    return Drafts(
        jobs=[job for it in found for job in it.jobs],
        problems=[problem for it in found for problem in it.problems],
    )


def draft_of_step(step: Step, setting: Setting) -> Drafts:
    """The job of a step that came alone."""
    return _drafts(step, 0, "", setting)


def _drafts(step: Step, index: int, place: str, setting: Setting) -> Drafts:
    """The step's job, without the volumes that are none; nothing where it has no program."""
    problems = list(_volume_problems(step, place, setting))
    try:
        job = _draft(step, index, place, setting)
    except InvalidRequestError as error:
        return Drafts(jobs=[], problems=[*error.problems, *problems])
    return Drafts(jobs=[job], problems=problems)


def _draft(step: Step, index: int, place: str, setting: Setting) -> Draft:
    program = _program(step, place, setting)
    volumes = tuple(_volumes(step, setting))
    parameters, parameters_notes = parameters_fields(step.params, setting)
    resources, resources_notes = _resources(step, setting)
    job_type = step.task_name or ""
    fields = {
        "name": plain_name(program.name, job_type),
        "kind": kind_of(job_type),
        "image": program.image,
        "command": command_field(program.command, setting, program.start_in),
        "env": dict(program.environment) | step.env_vars,
        "secrets": dict(program.secrets),
        "mounts": mounts_field((*program.mounts, *(it for _, it, _ in volumes)), setting),
        "resources": resources_field(program.resources) | resources,
        "labels": {"job_type": job_type} if job_type else {},
        **parameters,
    }
    notes = (*_network(step), *(it for _, _, note in volumes for it in note), *resources_notes)
    before = len(setting.rules.mounts) + len(program.mounts)
    sources = {f"mounts.{before + it}": f"volumes.{volume[0]}" for it, volume in enumerate(volumes)}
    return Draft(
        fields=fields,
        job_type=job_type,
        waits_for=(index - 1,) if index else (),
        notes=(*notes, *parameters_notes),
        places=_places(place, step, sources),
    )


def _program(step: Step, place: str, setting: Setting) -> _Program:
    rules = setting.rules
    if step.model_name is not None and step.image_name is None and step.conda_env_name is None:
        return _of_catalogue(step, place, setting)
    if step.conda_env_name is not None:
        if step.python_file_name is None:
            raise _missing(place, "python_file_name")
        return _Program(
            name=step.job_name or step.conda_env_name,
            image=dict(rules.images).get(step.conda_env_name, step.conda_env_name),
            command=ArgumentList(arguments=("python", step.python_file_name)),
        )
    if step.image_name is None:
        raise _missing(place, "image_name, conda_env_name or model_name")
    if step.command is None:
        raise _missing(place, "command")
    name = step.image_name if step.image_tag is None else f"{step.image_name}:{step.image_tag}"
    command = step.command
    return _Program(
        name=step.job_name or step.model_name or step.image_name.rpartition("/")[2],
        image=rules.image(name),
        command=ShellLine(text=command)
        if isinstance(command, str)
        else ArgumentList(arguments=tuple(command)),
        start_in=rules.start_in,
    )


def _of_catalogue(step: Step, place: str, setting: Setting) -> _Program:
    if step.task_name is None:
        raise _missing(place, "task_name")
    task = setting.rules.task(step.model_name or "", step.task_name)
    if task is None:
        offers = "; ".join(setting.rules.offers) or "nothing"
        what = (
            f"{echo(step.model_name)} has no task {echo(step.task_name)} at {setting.site}, "
            f"whose catalogue offers: {offers}"
        )
        raise InvalidRequestError(Problem(where=_in(place, "model_name"), what=what))
    return _Program(
        name=task.model,
        image=task.image,
        command=task.command,
        start_in=task.start_in,
        environment=task.environment,
        secrets=task.secrets,
        mounts=task.mounts,
        resources=task.resources,
    )


def _missing(place: str, field: str) -> InvalidRequestError:
    return InvalidRequestError(Problem(where=_in(place, field), what="missing, and required"))


def _in(place: str, field: str) -> str:
    return f"{place}.{field}" if place else field


def _volumes(step: Step, setting: Setting) -> Iterator[tuple[int, Mount, tuple[str, ...]]]:
    """Those that are some, with their places in the list and notes."""
    for index, text in enumerate(step.volumes):
        mount, notes = split_volume(text, setting)
        if mount is not None:
            yield index, mount, tuple(f"volumes.{index}: {it}" for it in notes)


def _volume_problems(step: Step, place: str, setting: Setting) -> Iterator[Problem]:
    for index, text in enumerate(step.volumes):
        if split_volume(text, setting)[0] is None:
            what = f"an absolute path, a colon and another one are wanted (found {echo(text)})"
            yield Problem(where=_in(place, f"volumes.{index}"), what=what)


def _network(step: Step) -> Iterator[str]:
    if step.network:
        yield f"network: no {echo(step.network)} here; a job has the network of its node"


def _resources(step: Step, setting: Setting) -> tuple[dict[str, object], tuple[str, ...]]:
    found: dict[str, object] = {}
    notes = []
    if step.num_nodes > 1:
        found |= {"nodes": step.num_nodes, "tasks": step.num_nodes}
    if step.partitions:
        chosen = next((it for it in step.partitions if it in setting.partitions), None)
        found["partition"] = chosen or step.partitions[0]
        if len(step.partitions) > 1:
            notes.append(f"partitions: a job has one, and this one {found['partition']}")
    if step.reservations:
        shown = ", ".join(map(echo, step.reservations))
        notes.append(f"reservations: the job does not run in {shown}, but with all others")
    if step.max_time is not None:
        found["walltime"] = step.max_time
    return found, tuple(notes)


def _places(place: str, step: Step, sources: Mapping[str, str]) -> dict[str, str]:
    places = {
        "name": "job_name",
        "image": "image_name" if step.conda_env_name is None else "conda_env_name",
        "command": "command" if step.conda_env_name is None else "python_file_name",
        "env": "env_vars",
        "params": "params",
        "resources.partition": "partitions",
        "resources.walltime": "max_time",
        "resources.nodes": "num_nodes",
        "resources.tasks": "num_nodes",
        "labels.job_type": "task_name",
        **sources,
    }
    return {ours: _in(place, theirs) for ours, theirs in places.items()}
