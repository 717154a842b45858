"""Jobs that a form may begin with, from a JSON file that whoever runs the dashboard writes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.core.errors import ConfigurationError, Problem

TRAINED = "${TRAINED}"
"""Stands in an example's mount for the folder with the artifacts of a training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A job message without `version` and `job_id`, under a title."""

    title: str
    job: Mapping[str, Any] = field(default_factory=dict)
    site: str = ""


def read_examples(path: Path) -> tuple[Example, ...]:
    """The examples in a file: a list of `{"title": ..., "site": ..., "job": {...}}`.

    Raises ConfigurationError.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _wrong(path, "", str(error)) from error
    if not isinstance(data, list):
        raise _wrong(path, "", "a list of examples is wanted")
    return tuple(_example(path, number, it) for number, it in enumerate(data))


def _example(path: Path, number: int, data: object) -> Example:
    match data:
        case {"title": str(title), "job": dict(job), **rest}:
            site = rest.get("site", "")
            if isinstance(site, str) and rest.keys() <= {"site"}:
                return Example(title=title, job=job, site=site)
    raise _wrong(path, f"{number}", "title and job are wanted, and site may be there: no more")


def _wrong(path: Path, where: str, what: str) -> ConfigurationError:
    return ConfigurationError(Problem(where=f"{path}:{where}" if where else str(path), what=what))
