"""The shape of 2022 to 2024, of the compute API: a list of jobs, and which wait for which."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import AliasChoices, Field, JsonValue

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.job import Mount, ShellLine
from bridge.core.mlexchange import DATA_FOLDER, in_a_circle
from bridge.core.quantity import write_walltime
from bridge.core.wanted import echo
from bridge.wire.json_text import read_json
from bridge.wire.mlexchange.draft import (
    Bits,
    Draft,
    Drafts,
    Nodes,
    Number,
    Setting,
    TextOrNumber,
    TextOrTexts,
    TheirModel,
    Whole,
    command_field,
    kind_of,
    mounts_field,
    plain_name,
    spread,
)

_LONGEST_MINUTES = 1_000_000
_AS_ARGUMENTS = ("job_type", "experiment_id", "dataset")


class JobArguments(TheirModel):
    """What the front end itself wants to find again, and the parameters once more."""

    job_type: TextOrNumber = ""
    experiment_id: TextOrNumber | None = None
    dataset: TextOrNumber | None = None
    params: JsonValue = None


class JobKeywords(TheirModel):
    """The container and its command."""

    uri: str = Field(min_length=1)
    cmd: str = Field(min_length=1)
    map: JsonValue = None
    container_kwargs: JsonValue = None
    labels: JobArguments = Field(default=JobArguments(), validation_alias=AliasChoices("kwargs"))


class ListedJob(TheirModel):
    """One of the jobs."""

    mlex_app: str = ""
    description: str | None = None
    service_type: str | None = None
    working_directory: str | None = None
    job_kwargs: JobKeywords


class Wishes(TheirModel):
    """What may stand in `requirements`, or beside it."""

    timeout: Annotated[Number, Field(gt=0, le=_LONGEST_MINUTES)] | None = None
    """In minutes."""
    list_gpus: list[JsonValue] | None = None
    host_uid: TextOrNumber | None = None
    constraints: Annotated[TextOrTexts, Field(max_length=100)] | None = None
    bank: str | None = None


class Requirements(Wishes):
    """What each of the jobs needs, in all."""

    num_processors: Bits = 1
    num_gpus: Bits = 0
    num_nodes: Nodes = 1


class ComputeJobs(Wishes):
    """A message of the compute API."""

    user_uid: TextOrNumber | None = None
    host_list: Annotated[list[str], Field(max_length=1_000)] | None = None
    dependencies: dict[str, list[Whole]] = Field(default_factory=dict)
    requirements: Requirements = Requirements()
    job_list: list[ListedJob] = Field(min_length=1, max_length=100)


def drafts_of_jobs(message: ComputeJobs, setting: Setting) -> Drafts:
    """The jobs in the message. Raises InvalidRequestError where they are meant for another site."""
    hosts = tuple(_of_hosts(message, setting))
    waits_for, problems = _waits_for(message)
    wishes = _wishes(message)
    resources, notes = _resources(message.requirements, wishes)
    found = []
    for index, job in enumerate(message.job_list):
        params, params_notes = _params(job.job_kwargs.labels.params)
        fields = {
            "name": plain_name(job.mlex_app, job.description or ""),
            "kind": kind_of(job.job_kwargs.labels.job_type),
            "image": setting.rules.image(job.job_kwargs.uri),
            "command": command_field(
                ShellLine(text=job.job_kwargs.cmd), setting, setting.rules.start_in
            ),
            "mounts": mounts_field(_data(job, setting), setting),
            "resources": resources,
            "labels": _labels(job),
            **({} if message.user_uid is None else {"user": message.user_uid}),
            **({} if params is None else {"params": params}),
        }
        found.append(
            Draft(
                fields=fields,
                job_type=job.job_kwargs.labels.job_type,
                waits_for=waits_for.get(index, ()),
                notes=(*hosts, *notes, *_passed_over(job.job_kwargs), *params_notes),
                places=_places(index, setting),
            )
        )
    return Drafts(jobs=found, problems=problems)


def _of_hosts(message: ComputeJobs, setting: Setting) -> Iterator[str]:
    """What is to be said of the hosts the message names, when this may be one of them."""
    ours = setting.rules.hosts
    named = [*(message.host_list or []), *filter(None, [_wishes(message).host_uid])]
    if not named or any(it in ours for it in named):
        return
    shown = ", ".join(map(echo, named))
    if ours:
        what = f"the jobs are meant for {shown}; {setting.site} answers to {', '.join(ours)}"
        raise InvalidRequestError(Problem(where="host_list", what=what))
    yield f"host_list: the jobs run at {setting.site}, whatever {shown} is"


def _waits_for(message: ComputeJobs) -> tuple[Mapping[int, tuple[int, ...]], list[Problem]]:
    count = len(message.job_list)
    found: dict[int, tuple[int, ...]] = {}
    problems = []
    for key, others in message.dependencies.items():
        where = f"dependencies.{key}"
        is_place = re.fullmatch("[0-9]{1,4}", key, re.ASCII) and int(key) < count
        if not is_place or not all(0 <= it < count for it in others):
            problems.append(_no_job(where, count))
            continue
        found[int(key)] = tuple(dict.fromkeys((*found.get(int(key), ()), *others)))
    if circle := in_a_circle(found):
        what = f"the jobs {', '.join(map(str, sorted(circle)))} wait for each other"
        problems.append(Problem(where="dependencies", what=what))
    return found, problems


def _no_job(where: str, count: int) -> Problem:
    return Problem(where=where, what=f"places in job_list are wanted, from 0 to {count - 1}")


def _wishes(message: ComputeJobs) -> Wishes:
    """What stands in `requirements`, and what only stands beside it."""
    inner = {it: getattr(message.requirements, it) for it in Wishes.model_fields}
    beside = {it: getattr(message, it) for it in Wishes.model_fields}
    return Wishes.model_construct(
        **{it: beside[it] if inner[it] is None else inner[it] for it in inner}
    )


def _resources(needs: Requirements, wishes: Wishes) -> tuple[dict[str, object], tuple[str, ...]]:
    nodes, notes = needs.num_nodes, []
    gpus = needs.num_gpus
    if wishes.list_gpus:
        gpus = max(gpus, len(wishes.list_gpus))
        notes.append(f"list_gpus: Slurm chooses which {gpus} GPUs these are")
    found: dict[str, object] = {
        "nodes": nodes,
        "tasks": nodes,
        "cpus_per_task": spread(max(needs.num_processors, 1), nodes),
        "gpus": spread(gpus, nodes),
    }
    if wishes.bank is not None:
        found["account"] = wishes.bank
    if wishes.timeout is not None:
        found["walltime"] = write_walltime(timedelta(minutes=wishes.timeout))
    if wishes.constraints:
        constraints = wishes.constraints
        found["constraint"] = constraints if isinstance(constraints, str) else "&".join(constraints)
    return found, tuple(notes)


def _data(job: ListedJob, setting: Setting) -> Iterator[Mount]:
    if job.working_directory:
        yield Mount(source=setting.rules.folder(job.working_directory), target=DATA_FOLDER)


def _params(value: JsonValue) -> tuple[dict[str, JsonValue] | None, tuple[str, ...]]:
    """The parameters as a mapping, from one or from its JSON; the command has them anyway."""
    if isinstance(value, dict):
        return value, ()
    if value is None or value == "":
        return None, ()
    try:
        inner = read_json(value.encode()) if isinstance(value, str) else None
    except InvalidRequestError:
        inner = None
    if isinstance(inner, dict):
        return inner, ()
    return None, ("job_kwargs.kwargs.params: not an object in JSON, so only the command has it",)


def _labels(job: ListedJob) -> dict[str, str]:
    known = job.job_kwargs.labels
    found = {it: getattr(known, it) for it in _AS_ARGUMENTS}
    found |= {"mlex_app": job.mlex_app, "service_type": job.service_type}
    return {name: value for name, value in found.items() if value}


def _passed_over(keywords: JobKeywords) -> Iterator[str]:
    if keywords.map:
        yield "job_kwargs.map: no ports are mapped; a job has the network of its node"
    if keywords.container_kwargs:
        names = keywords.container_kwargs
        shown = ", ".join(map(echo, names)) if isinstance(names, dict) else echo(names)
        yield f"job_kwargs.container_kwargs: not for this site's containers: {shown}"


def _places(index: int, setting: Setting) -> dict[str, str]:
    job = f"job_list.{index}"
    return {
        "name": f"{job}.mlex_app",
        "image": f"{job}.job_kwargs.uri",
        "command": f"{job}.job_kwargs.cmd",
        "params": f"{job}.job_kwargs.kwargs.params",
        f"mounts.{len(setting.rules.mounts)}": f"{job}.working_directory",
        "labels": f"{job}.job_kwargs.kwargs",
        "user": "user_uid",
        "resources": "requirements",
        "resources.account": "requirements.bank",
        "resources.walltime": "requirements.timeout",
        "resources.constraint": "requirements.constraints",
        "resources.gpus": "requirements.num_gpus",
        "resources.nodes": "requirements.num_nodes",
        "resources.tasks": "requirements.num_nodes",
        "resources.cpus_per_task": "requirements.num_processors",
    }
