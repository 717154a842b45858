"""From a site's YAML file to the settings that the bridge runs by."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bridge.core.errors import ConfigurationError
from bridge.core.settings import SiteSettings
from bridge.sites.catalogue_check import report_catalogue
from bridge.sites.checks import report_contradictions
from bridge.sites.document import Document, Place
from bridge.sites.inheritance import read_with_bases
from bridge.sites.model import SiteFile
from bridge.sites.password import read_password, report_password
from bridge.sites.translation import settings_of

_SECRET: frozenset[Place] = frozenset({("broker", "password")})
_LONGEST_ECHO = 80


def load_site(path: Path, environment: Mapping[str, str]) -> SiteSettings:
    """The site that the YAML file at `path` describes, with the files that it extends.

    `${NAME}` in it is replaced from `environment`, except under `setup`. Reads the password file
    too. Raises ConfigurationError with every problem at once, each with file, line and field.
    """
    document = read_with_bases(path, environment)
    model = _validated(document)
    password = ""
    if model is not None:
        report_password(model, document)
        report_contradictions(model, document)
        report_catalogue(model, document)
        password = read_password(model, document)
    if model is None or document.problems:
        raise ConfigurationError(*document.sorted_problems())
    return settings_of(model, password=password)


def site_schema() -> dict[str, Any]:
    """The JSON schema of a site's YAML file, for editors that complete and check as one types.

    What is required at the top and in the sections there is so only without `extends`.
    """
    schema = SiteFile.model_json_schema()
    required: dict[str, Any] = {"required": schema.pop("required"), "properties": {}}
    for name in required["required"]:
        section = schema["$defs"].get(schema["properties"][name].get("$ref", "").rpartition("/")[2])
        if section and "required" in section:
            required["properties"][name] = {"required": section.pop("required")}
    return schema | {"if": {"not": {"required": ["extends"]}}, "then": required}


def _validated(document: Document) -> SiteFile | None:
    if document.data is None:
        document.report((), "empty; see docs/site.md for what belongs here")
        return None
    try:
        return SiteFile.model_validate(document.data)
    except ValidationError as error:
        for place, what in _in_our_words(error):
            document.report(place, what)
        return None


def _in_our_words(error: ValidationError) -> Iterator[tuple[Place, str]]:
    for it in error.errors(include_url=False):
        place = tuple(part for part in it["loc"] if part != "[key]")
        match it["type"]:
            case "extra_forbidden":
                yield place, _unknown_field(place)
            case "missing":
                yield place, "missing, and required"
            case "model_type" | "dict_type":
                yield place, f"fields are wanted here, one a line (found {_echo(it['input'])})"
            case _:
                what = str(it["msg"]).removeprefix("Value error, ")
                found = "" if place in _SECRET else f" (found {_echo(it['input'])})"
                yield place, f"{what}{found}"


def _unknown_field(place: Place) -> str:
    accepted = _fields(SiteFile, place[:-1])
    close = difflib.get_close_matches(str(place[-1]), accepted, n=1)
    if close:
        return f"unknown field; did you mean {close[0]!r}?"
    return f"unknown field; accepted here: {', '.join(accepted)}"


def _fields(model: type[BaseModel], place: Place) -> list[str]:
    """The names of the fields that a section has."""
    for part in place:
        if part in model.model_fields:
            inner = _model_in(model.model_fields[str(part)].annotation)
            model = inner or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _echo(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_ECHO else f"{shown[:_LONGEST_ECHO]}..."
