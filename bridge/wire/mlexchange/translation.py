"""From a message of theirs to messages of our own, one a job."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.mlexchange import last_of
from bridge.core.partly_read import known_problems
from bridge.core.wanted import cut
from bridge.wire.mlexchange.broker_task import BrokerTask, drafts_of_task
from bridge.wire.mlexchange.compute_jobs import ComputeJobs, drafts_of_jobs
from bridge.wire.mlexchange.draft import Draft, Drafts, Setting, TheirModel
from bridge.wire.mlexchange.flow_steps import FlowSteps, Step, draft_of_step, drafts_of_steps
from bridge.wire.problems import problems_of
from bridge.wire.readable import StandIns, readable

_NAMESPACE = UUID("5e1d0c3f-4b7a-5f52-9a5e-7d0a1c6b2e84")
_LABEL = "mlexchange"
_LONGEST_NOTE = 500
"""Each event of each job bears it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a message's properties say of where it comes from."""

    message_id: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """A job as a message of our own, version 1."""

    job_id: str
    body: bytes
    notes: tuple[str, ...]
    """What was asked for and cannot be had, in words."""
    places: Mapping[str, str]
    """Where in their message stands what a field of ours says."""
    unread: frozenset[str] = frozenset()
    """The fields of ours that come from what is at fault in their message."""

    def problem_there(self, problem: Problem) -> Problem:
        """The problem with a field of ours, at its place in their message."""
        parts = problem.where.split(".")
        for length in range(len(parts), 0, -1):
            if place := self.places.get(".".join(parts[:length])):
                return Problem(where=place, what=problem.what)
        return problem


class PartlyTranslatedError(InvalidRequestError):
    """There are mistakes in their message, and jobs that it speaks of all the same."""

    def __init__(self, *problems: Problem, jobs: tuple[Translated, ...]) -> None:
        self.jobs = jobs
        super().__init__(*problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    model: type[TheirModel]
    drafts: Callable[..., Drafts]


_SHAPES: Mapping[str, _Shape] = {
    "docker_uri": _Shape(model=BrokerTask, drafts=drafts_of_task),
    "job_list": _Shape(model=ComputeJobs, drafts=drafts_of_jobs),
    "params_list": _Shape(model=FlowSteps, drafts=drafts_of_steps),
    "model_name": _Shape(model=Step, drafts=draft_of_step),
}
"""By the field that tells the shape."""
_PROGRAM: Mapping[str, object] = {
    "image_name": "unread",
    "command": "true",
    "conda_env_name": "unread",
    "python_file_name": "unread",
}
_STAND_INS: StandIns = {
    ("docker_uri",): "unread",
    ("docker_cmd",): "true",
    ("job_list", 0, "job_kwargs", "uri"): "unread",
    ("job_list", 0, "job_kwargs", "cmd"): "true",
    **{(name,): it for name, it in _PROGRAM.items()},
    **{("params_list", 0, name): it for name, it in _PROGRAM.items()},
}
_JUDGED_BY: Mapping[str, tuple[str, ...]] = {
    "num_nodes": ("num_processors", "num_gpus"),
    "image_tag": ("image_name",),
}
"""What stands beside a field and means nothing without it."""


def is_mlexchange(data: object) -> bool:
    """Whether this is one of their messages; ours have a version."""
    return _shape_of(data) is not None


def translate(data: object, origin: Origin, setting: Setting) -> tuple[Translated, ...]:
    """The jobs in one of their messages, in its order.

    Raises InvalidRequestError with every reason at once; PartlyTranslatedError where there are jobs
    in it all the same.
    """
    shape = _shape_of(data)
    if shape is None:
        words = ", ".join(_SHAPES)
        what = (
            f"no message of an MLExchange front end, which has one of {words}; "
            "and none of our own, which has a version"
        )
        raise InvalidRequestError(Problem(where="", what=what))
    read = readable(shape.model, data, _STAND_INS)
    mistakes = () if read.error is None else problems_of(read.error)
    if read.model is None:
        raise InvalidRequestError(*mistakes)
    unread = frozenset(_judged_with(read.unread))
    try:
        drafts = shape.drafts(read.model, setting)
    except InvalidRequestError as error:
        raise InvalidRequestError(*mistakes, *known_problems(error.problems, unread)) from None
    problems = (*mistakes, *(it for it in drafts.problems if not _is_made_up(it, unread)))
    if not problems:
        return tuple(_with_ids(drafts.jobs, data, origin))
    # Some may be missing: which waits for which is not known.
    alone = [_read_alone(it, unread) for it in drafts.jobs]
    jobs = tuple(_with_ids(alone, data, origin))
    raise PartlyTranslatedError(*problems, jobs=jobs)


def _judged_with(unread: Iterable[str]) -> Iterator[str]:
    """These fields, and those beside them that mean nothing without them."""
    for it in unread:
        yield it
        section, dot, name = it.rpartition(".")
        for other in _JUDGED_BY.get(name, ()):
            yield f"{section}{dot}{other}"


def _is_made_up(problem: Problem, unread: Iterable[str]) -> bool:
    """Whether it may come from what was left out: any field of a step may tell what it runs."""
    parts = problem.where.split(".")
    if parts[0] == "dependencies" or "volumes" in parts:
        return False
    step = ".".join([*parts[:2], ""]) if parts[0] == "params_list" else ""
    return any(it.startswith(step) for it in unread)


def _read_alone(draft: Draft, unread: frozenset[str]) -> Draft:
    """The draft, without what waits for others and what was not read."""
    ours = [it for it, theirs in draft.places.items() if not _is_read(theirs, unread)]
    asked = draft.fields["resources"]
    read = {it: value for it, value in asked.items() if f"resources.{it}" not in ours}
    fields = {**draft.fields, "resources": read}
    return replace(draft, fields=fields, waits_for=(), unread=frozenset(ours))


def _is_read(field: str, unread: Iterable[str]) -> bool:
    return not any(field == it or field.startswith(f"{it}.") for it in unread)


def _shape_of(data: object) -> _Shape | None:
    if not isinstance(data, dict) or "version" in data:
        return None
    return next((shape for name, shape in _SHAPES.items() if name in data), None)


def _with_ids(drafts: Sequence[Draft], data: object, origin: Origin) -> Iterator[Translated]:
    job_ids = _job_ids(data, origin, len(drafts))
    last = last_of(len(drafts), {index: it.waits_for for index, it in enumerate(drafts)})
    for index, draft in enumerate(drafts):
        waits_for = [job_ids[it] for it in draft.waits_for]
        fields: dict[str, object] = {
            "version": 1,
            "job_id": job_ids[index],
            **draft.fields,
            "labels": _labels(draft, origin, index, job_ids),
        }
        if waits_for:
            fields["depends_on"] = waits_for
            fields |= _with_previous(draft, waits_for[-1])
        if origin.reply_to is not None and index in last:
            fields["reply_to"] = _reply_to(draft, origin)
        yield Translated(
            job_id=job_ids[index],
            body=json.dumps(fields).encode(),
            notes=tuple(cut(it, _LONGEST_NOTE) for it in draft.notes),
            places=draft.places,
            unread=draft.unread,
        )


def _job_ids(data: object, origin: Origin, count: int) -> list[str]:
    """The same for the same message, however often it comes; others for every other one.

    A sender who names its job by a UUID finds it here by that: it is the job's id.
    """
    own = origin.correlation_id
    if count == 1 and own is not None and _is_uuid(own):
        return [str(UUID(own))]
    content = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    group = uuid5(_NAMESPACE, json.dumps([own or origin.message_id, origin.reply_to, content]))
    return [str(uuid5(group, str(index))) for index in range(count)]


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _labels(draft: Draft, origin: Origin, index: int, job_ids: Sequence[str]) -> dict[str, object]:
    known = draft.fields.get("labels")
    labels: dict[str, object] = dict(known) if isinstance(known, dict) else {}
    if origin.correlation_id:
        labels[f"{_LABEL}.correlation_id"] = origin.correlation_id
    if len(job_ids) > 1:
        labels[f"{_LABEL}.first_job"] = job_ids[0]
        labels[f"{_LABEL}.step"] = f"{index + 1} of {len(job_ids)}"
    return labels


def _with_previous(draft: Draft, job_id: str) -> dict[str, object]:
    """The parameters, with an empty `uid_retrieve` naming the job before this one."""
    params = draft.fields.get("params")
    if not isinstance(params, dict) or not isinstance(io := params.get("io_parameters"), dict):
        return {}
    if "uid_retrieve" not in io or io["uid_retrieve"] not in ("", None):
        return {}
    return {"params": {**params, "io_parameters": {**io, "uid_retrieve": job_id}}}


def _reply_to(draft: Draft, origin: Origin) -> dict[str, object]:
    found: dict[str, object] = {"queue": origin.reply_to, "job_type": draft.job_type}
    if origin.correlation_id is not None:
        found["correlation_id"] = origin.correlation_id
    return found
