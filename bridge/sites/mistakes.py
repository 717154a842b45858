"""What pydantic finds in a site's file, in our words."""

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.core.wanted import echo, in_words
from bridge.sites.document import Place
from bridge.sites.fields import ACCEPTED
from bridge.sites.model import SiteFile

_SECRET: frozenset[Place] = frozenset({("broker", "password")})
_WANTED = {
    "model_type": "fields are wanted here, one a line",
    "dict_type": "fields are wanted here, one a line",
    "list_type": "a list is wanted, such as [one, two] or one `- ` a line",
}


def in_our_words(error: ValidationError) -> Iterator[tuple[Place, str]]:
    """Each mistake: where it is, and what is wrong there, with what was found."""
    for it in error.errors(include_url=False):
        place = tuple(part for part in it["loc"] if part != "[key]")
        match it["type"]:
            case "extra_forbidden":
                yield place, _unknown_field(place)
            case "missing":
                yield place, "missing, and required"
            case _:
                found = "" if place in _SECRET else f" (found {echo(it['input'])})"
                yield place, f"{_wanted(it)}{found}"


def _wanted(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch":
        return ACCEPTED[context["pattern"]]
    words = in_words(error["type"], context, _WANTED)
    return words or error["msg"].removeprefix("Value error, ")


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
