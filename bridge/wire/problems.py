"""Pydantic's errors in our words."""

from collections.abc import Iterator

from pydantic import ValidationError

from bridge.core.errors import Problem

_WORDS = {
    "extra_forbidden": "unknown field; see the documentation of the accepted ones",
    "missing": "missing, and required",
}
_LONGEST_ECHO = 80


def problems_of(error: ValidationError) -> tuple[Problem, ...]:
    """Every problem, with the dotted path of its field and the value that was found."""
    return tuple(_problems(error))


def _problems(error: ValidationError) -> Iterator[Problem]:
    for it in error.errors(include_url=False):
        where = ".".join(str(part) for part in it["loc"])
        what = _WORDS.get(it["type"])
        if what is None:
            what = f"{it['msg'].removeprefix('Value error, ')} (found {_echo(it['input'])})"
        yield Problem(where=where, what=what)


def _echo(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_ECHO else f"{shown[:_LONGEST_ECHO]}..."
