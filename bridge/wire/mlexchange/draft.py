"""A job in the fields of our own message, before it has an id."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.core.errors import Problem
from bridge.core.job import Command, JobKind, Mount, Resources, ShellLine
from bridge.core.mlexchange import PARAMETERS_FILE, MlexchangeRules
from bridge.core.quantity import write_walltime
from bridge.core.site import WITHOUT_CONTAINER, Runtime

_LONGEST_NAME = 100
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,2})?", re.ASCII)
_KINDS: Mapping[str, JobKind] = MappingProxyType(
    {
        "train": JobKind.TRAINING,
        "training": JobKind.TRAINING,
        "deploy": JobKind.DEPLOYMENT,
        "deployment": JobKind.DEPLOYMENT,
        "inference": JobKind.DEPLOYMENT,
        "prediction": JobKind.DEPLOYMENT,
    }
)


class TheirModel(BaseModel):
    """A shape of theirs: what we do not know in it is left alone."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: object) -> object:
        """Front ends in Python write null for what they leave out."""
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None}


def _text_of(value: object) -> object:
    return str(value) if type(value) in (int, float) else value


def _text_or_texts(value: object) -> object:
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(it, str) for it in texts):
        raise ValueError("a text, or a list of texts, is wanted")
    return value


TextOrTexts = Annotated[str | list[str], BeforeValidator(_text_or_texts)]
TextOrNumber = Annotated[str, BeforeValidator(_text_of)]
"""Front ends write ids and values of variables either way."""


def _whole(value: object) -> object:
    number = _number(value)
    if isinstance(number, float):
        return int(number) if number.is_integer() else value
    return number


def _number(value: object) -> object:
    """The number that a text can only mean; all else is left as it is.

    `1.500` may be a thousand and five hundred, and `010` eight: neither is looked into.
    """
    text = value.strip(" ") if isinstance(value, str) else ""
    if not _NUMBER.fullmatch(text):
        return value
    return float(text) if "." in text else int(text)


Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number, also as `"4"` or `2.0`: values from a page's form come so."""
Number = Annotated[float, BeforeValidator(_number)]
"""A number, also as text."""
Bits = Annotated[Whole, Field(ge=0, le=1_000_000)]
"""How many of something."""
Nodes = Annotated[Whole, Field(ge=1, le=1_000_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where the jobs are to run, as far as it changes what is written into their messages."""

    site: str
    runtime: Runtime
    mounts_files: bool
    """Whether the runtime can show a single file at a place of its own."""
    partitions: tuple[str, ...]
    """Those that a job may name."""
    rules: MlexchangeRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A job in the fields of our own message, before it has an id."""

    fields: Mapping[str, Any]
    job_type: str
    """Their own word for the kind, which the answer repeats."""
    waits_for: tuple[int, ...] = ()
    """Which others of the same message must end before it."""
    notes: tuple[str, ...] = ()
    """What the message asks for and does not get, in words."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where in their message stands what a field of ours says."""
    unread: frozenset[str] = frozenset()
    """The fields of ours that come from what is at fault in their message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """The jobs in a message of theirs, as far as there are any."""

    jobs: Sequence[Draft]
    problems: Sequence[Problem] = ()
    """Why there are no more of them, or these are not as they were meant."""


def plain_name(*words: str) -> str:
    """A job's name of these words, with what a name cannot have replaced."""
    text = " ".join(filter(None, words))
    plain = re.sub(r"[^A-Za-z0-9 ._,:+@()/=-]+", "-", text, flags=re.ASCII)
    return plain.lstrip(" ._,:+@()/=-")[:_LONGEST_NAME] or "job"


def kind_of(word: str) -> JobKind:
    """Our kind for a word of theirs."""
    return _KINDS.get(word.lower(), JobKind.OTHER)


def command_field(command: Command, setting: Setting, start_in: str | None) -> str | list[str]:
    """The command as our message has it, which starts in that folder of the container.

    A line of theirs is not looked into: what changes the folder stands on a line before it.
    """
    if start_in is None or setting.runtime in WITHOUT_CONTAINER:
        return command.text if isinstance(command, ShellLine) else list(command.arguments)
    move = f"cd {start_in} || exit"
    if isinstance(command, ShellLine):
        return f"{move}\n{command.text}"
    return ["sh", "-c", f'{move}\nexec "$@"', "sh", *command.arguments]


def parameters_fields(
    params: Mapping[str, object] | None, setting: Setting
) -> tuple[dict[str, object], tuple[str, ...]]:
    """The fields by which a program gets its parameters as theirs do, and notes."""
    if params is None:
        return {}, ()
    fields: dict[str, object] = {"params": dict(params), "params_as_argument": True}
    if setting.mounts_files:
        return fields | {"params_path": PARAMETERS_FILE}, ()
    note = f"{setting.runtime} shows the parameters in the job's folder, not at {PARAMETERS_FILE}"
    return fields, (note,)


def mount_field(mount: Mount) -> dict[str, object]:
    """A mount as our message has it."""
    return {"source": mount.source, "target": mount.target, "read_only": mount.read_only}


def mounts_field(mounts: Iterable[Mount], setting: Setting) -> list[dict[str, object]]:
    """These, after what every container of theirs sees."""
    return [mount_field(it) for it in (*setting.rules.mounts, *mounts)]


def resources_field(resources: Resources) -> dict[str, object]:
    """The resources as our message has them; what is None is left out."""
    found = {
        "nodes": resources.nodes,
        "tasks": resources.tasks,
        "cpus_per_task": resources.cpus_per_task,
        "gpus": resources.gpus,
        "memory": None if resources.memory_mib is None else f"{resources.memory_mib}M",
        "walltime": None if resources.walltime is None else write_walltime(resources.walltime),
        "partition": resources.partition,
        "qos": resources.qos,
        "account": resources.account,
        "constraint": resources.constraint,
        "profile": resources.profile,
    }
    return {name: value for name, value in found.items() if value is not None}


def spread(count: int, nodes: int) -> int:
    """How many of so many there are on each node, so that there are enough."""
    return ceil(count / nodes)


def split_volume(text: str, setting: Setting) -> tuple[Mount | None, tuple[str, ...]]:
    """A volume as docker writes it (docker-run(1), --volume), and notes; None where it is none."""
    source, _, rest = text.partition(":")
    target, _, options = rest.partition(":")
    words = options.split(",") if options else []
    if not source.startswith("/") or not target.startswith("/") or ":" in options:
        return None, ()
    ignored = [it for it in words if it not in ("ro", "rw")]
    mount = Mount(source=setting.rules.folder(source), target=target, read_only="ro" in words)
    return mount, (f"these options mean nothing here: {','.join(ignored)}",) if ignored else ()
