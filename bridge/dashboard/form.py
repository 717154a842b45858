"""Between the form and the job message: pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from bridge.core.errors import Problem

Values = Mapping[str, Any]
"""What stands in the form's fields, as text by their names; what is empty is left out."""

LONGEST_TEXT = 512 * 1024
TEXTS = ("name", "kind", "image", "user")
NUMBERS = ("nodes", "tasks", "cpus_per_task", "gpus")
RESOURCE_TEXTS = ("memory", "walltime", "profile", "gpu_type")
LINES = ("mounts", "env", "labels")
MORE = "more"
"""The field for all that has no field of its own, as JSON."""
FIELDS = (*TEXTS, "command", "params", *NUMBERS, *RESOURCE_TEXTS, *LINES, MORE)
_LONGEST_NUMBER = 15
_OWN = frozenset({*TEXTS, "command", "params", *LINES})
_OWN_RESOURCES = frozenset({*NUMBERS, *RESOURCE_TEXTS})
_NEVER_KEPT = frozenset({"version", "job_id", "site", "resources"})


class _Loader(yaml.SafeLoader):
    """YAML as JSON has it: no dates, and nothing that grows when it is written out."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not taken here")
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [it for it in resolvers if it[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A form that was filled in."""

    job: Mapping[str, Any]
    """A job message without `version` and `job_id`."""
    problems: tuple[Problem, ...] = ()
    """Of fields that cannot be read; each `where` is the name of a field."""


def read_form(values: Values) -> Filled:
    """The job that a form describes."""
    problems: list[Problem] = []
    job: dict[str, Any] = {name: text for name in TEXTS if (text := _text(values, name))}
    for name, read in _READERS.items():
        if text := _text(values, name):
            try:
                job[name] = read(text)
            except ValueError as error:
                problems.append(Problem(where=name, what=str(error)))
    more = job.pop(MORE, {})
    resources = {
        **more.pop("resources", {}),
        **{name: text for name in RESOURCE_TEXTS if (text := _text(values, name))},
        **{name: job.pop(name) for name in NUMBERS if name in job},
    }
    job = {**more, **job}
    if resources:
        job["resources"] = resources
    return Filled(job=job, problems=tuple(problems))


def write_form(job: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the fields for a job."""
    resources = job.get("resources") or {}
    more = {name: job[name] for name in job.keys() - _OWN - _NEVER_KEPT}
    if rest := {name: resources[name] for name in resources.keys() - _OWN_RESOURCES}:
        more["resources"] = rest
    return {
        **{name: job.get(name) or "" for name in TEXTS},
        **{name: str(resources.get(name) or "") for name in (*NUMBERS, *RESOURCE_TEXTS)},
        "command": _write_command(job.get("command")),
        "params": _write_params(job.get("params")),
        "mounts": "\n".join(map(_write_mount, job.get("mounts") or ())),
        "env": "\n".join(f"{name}={value}" for name, value in (job.get("env") or {}).items()),
        "labels": "\n".join(f"{key}={value}" for key, value in (job.get("labels") or {}).items()),
        MORE: json.dumps(more, indent=2, sort_keys=True) if more else "",
    }


def field_of(where: str) -> str:
    """The field that a problem's dotted path belongs to; empty where there is none."""
    parts = where.split(".")
    if parts[0] == "resources" and len(parts) > 1:
        parts = parts[1:]
    return parts[0] if parts[0] in FIELDS else ""


def by_field(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """What is wrong, by field; under "" what belongs to none."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        name = field_of(problem.where)
        is_whole = problem.where in (name, f"resources.{name}")
        found.setdefault(name, []).append(problem.what if name and is_whole else str(problem))
    return found


def _text(values: Values, name: str) -> str:
    return str(values.get(name) or "").strip()


def _read_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise ValueError(f"a whole number is wanted (found {text[:40]})")
    return int(text)


def _read_command(text: str) -> str | list[str]:
    if not text.startswith("["):
        return text
    try:
        words = json.loads(text)
    except ValueError as error:
        raise ValueError(f"it begins as a list, but is no JSON: {error}") from error
    if not (isinstance(words, list) and all(isinstance(it, str) for it in words)):
        raise ValueError('a list of texts is wanted, such as ["python3", "train.py"]')
    return words


def _write_command(command: object) -> str:
    if command is None:
        return ""
    return command if isinstance(command, str) else json.dumps(command)


def _read_params(text: str) -> dict[str, Any]:
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"at most {LONGEST_TEXT} characters are taken here")
    try:
        data = _load(text)
        json.dumps(data, allow_nan=False)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise ValueError(f"{line}{error.problem}") from error
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it cannot be read as JSON could be: {error}") from error
    if not isinstance(data, dict) or not all(isinstance(it, str) for it in data):
        raise ValueError("names and their values are wanted, such as `epochs: 25`")
    return data


def _load(text: str) -> Any:
    if text.startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            pass  # it may be YAML all the same
    return yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader that takes less


def _write_params(params: object) -> str:
    if not params:
        return ""
    text = yaml.safe_dump(params, sort_keys=False, allow_unicode=True, default_flow_style=None)
    try:
        comes_back = _load(text.strip()) == params
    except yaml.YAMLError:
        comes_back = False
    # What PyYAML does not read as it has written it, such as U+0085, is safe in JSON.
    return text if comes_back else json.dumps(params, indent=2)


def _read_mounts(text: str) -> list[dict[str, Any]]:
    return [_read_mount(line) for line in _lines(text)]


def _read_mount(line: str) -> dict[str, Any]:
    parts = line.split(":")
    if parts[-1] not in ("ro", "rw"):
        parts.append("rw")
    if len(parts) != 3 or not all(parts):  # noqa: PLR2004  # source, target and how
        raise ValueError(
            f"a line is `folder on the site:folder in the container:ro` (found {line})"
        )
    source, target, how = parts
    return {"source": source, "target": target, "read_only": how == "ro"}


def _write_mount(mount: Mapping[str, Any]) -> str:
    how = "ro" if mount.get("read_only") else "rw"
    return f"{mount.get('source', '')}:{mount.get('target', '')}:{how}"


def _read_names(text: str) -> dict[str, str]:
    named: dict[str, str] = {}
    for line in _lines(text):
        name, is_there, value = line.partition("=")
        if not is_there or not name.strip():
            raise ValueError(f"a line is `NAME=value` (found {line})")
        if name.strip() in named:
            raise ValueError(f"{name.strip()} stands there twice")
        named[name.strip()] = value
    return named


def _read_more(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ValueError(f"it is no JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("resources", {}), dict):
        raise ValueError(  # noqa: TRY004 - what was typed is wrong, not the program
            "an object with fields of the job message is wanted"
        )
    twice = (data.keys() & _OWN) | (data.get("resources", {}).keys() & _OWN_RESOURCES)
    if twice:
        raise ValueError(f"{', '.join(sorted(twice))}: there is a field of its own for that above")
    return data


def _lines(text: str) -> Iterator[str]:
    return filter(None, map(str.strip, text.splitlines()))


_READERS: Mapping[str, Any] = {
    "command": _read_command,
    "params": _read_params,
    "mounts": _read_mounts,
    "env": _read_names,
    "labels": _read_names,
    MORE: _read_more,
    **dict.fromkeys(NUMBERS, _read_number),
}
