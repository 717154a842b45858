"""Pydantic's errors in our words."""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bridge.core.errors import Problem, and_more
from bridge.core.wanted import cut, echo, in_words

_WANTED = {
    "model_type": "an object with named fields is wanted",
    "dict_type": "an object with named fields is wanted",
    "list_type": "a list is wanted",
    "uuid_type": "a UUID is wanted, such as 123e4567-e89b-12d3-a456-426614174000",
    "uuid_parsing": "a UUID is wanted, such as 123e4567-e89b-12d3-a456-426614174000",
}
_MOST_PROBLEMS = 20
_LONGEST_NAME = 100
_ALIKE = 0.75
"""How like a field of a section a field beside the sections has to be, by difflib's measure."""
_NONE: Mapping[str, Any] = {}


def problems_of(
    error: ValidationError,
    *,
    tags: Mapping[str, Collection[str]] = _NONE,
    patterns: Mapping[str, str] = _NONE,
    sections: Mapping[str, Collection[str]] = _NONE,
) -> tuple[Problem, ...]:
    """The problems, with the dotted path of their field and the value that was found.

    All of them, up to a number that a person still reads; then how many more there are. `tags`
    names, for a field at the top that has several forms, the words by which pydantic tells them
    apart: these are no fields. `patterns` says for a regular expression what it accepts, and
    `sections` which fields each section at the top has, and the whole under the empty name.
    """
    errors = error.errors(include_url=False)
    shown = tuple(_problem(it, tags, patterns, sections) for it in errors[:_MOST_PROBLEMS])
    return and_more(shown, len(errors))


def fields_meant(error: ValidationError, sections: Mapping[str, Collection[str]]) -> frozenset[str]:
    """The fields, as dotted paths, that an unknown one may stand for: of those that are told."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    unknown = [it["loc"] for it in errors[:_MOST_PROBLEMS] if it["type"] == "extra_forbidden"]
    return frozenset(it for loc in unknown for it in _close(loc, sections))


def _problem(
    error: ErrorDetails,
    tags: Mapping[str, Collection[str]],
    patterns: Mapping[str, str],
    sections: Mapping[str, Collection[str]],
) -> Problem:
    where = ".".join(_place(error["loc"], tags))
    if error["type"] == "missing":
        return Problem(where=where, what="missing, and required")
    if error["type"] == "extra_forbidden":
        close = _close(error["loc"], sections)
        more = (
            f"did you mean {close[0]}?" if close else "see the documentation of the accepted ones"
        )
        return Problem(where=where, what=f"unknown field; {more}")
    return Problem(where=where, what=f"{_wanted(error, patterns)} (found {echo(error['input'])})")


def _close(loc: tuple[int | str, ...], sections: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """The fields that the unknown one may stand for, the closest first: there or in a section."""
    name, place = str(loc[-1]), ".".join(map(str, loc[:-1]))
    if len(name) > _LONGEST_NAME:
        return ()
    section = str(loc[0]) if len(loc) > 1 else ""
    here = get_close_matches(name, sections.get(section, ()))
    if here or place:
        return tuple(f"{place}.{it}" if place else it for it in here)
    return tuple(
        f"{it}.{close}"
        for it, fields in sections.items()
        for close in get_close_matches(name, fields, cutoff=_ALIKE)
    )


def _wanted(error: ErrorDetails, patterns: Mapping[str, str]) -> str:
    context = error.get("ctx", {})
    if context.get("pattern") in patterns:
        return patterns[context["pattern"]]
    words = in_words(error["type"], context, _WANTED)
    return words or error["msg"].removeprefix("Value error, ")


def _place(loc: tuple[int | str, ...], tags: Mapping[str, Collection[str]]) -> Iterator[str]:
    for index, part in enumerate(loc):
        is_tag = index == 1 and part in tags.get(str(loc[0]), ())
        is_about_a_key = index > 1 and part == "[key]"
        if not is_tag and not is_about_a_key:
            text = str(part)
            yield cut(text if text.isprintable() else repr(text))
