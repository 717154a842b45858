"""JSON-like data, and what lies at the places in it."""

from collections.abc import Mapping
from typing import Any

Path = tuple[str | int, ...]


def paths(data: object, here: Path = ()) -> list[Path]:
    """The places of everything in it."""
    found = [here] if here else []
    if isinstance(data, Mapping):
        return found + [it for key, value in data.items() for it in paths(value, (*here, key))]
    if isinstance(data, list):
        return found + [it for n, value in enumerate(data) for it in paths(value, (*here, n))]
    return found


def with_value(data: Any, path: Path, value: object) -> Any:
    """The same, with this in that place."""
    if not path:
        return value
    first, *rest = path
    changed = with_value(data[first], tuple(rest), value)
    if isinstance(data, list):
        return [changed if n == first else it for n, it in enumerate(data)]
    return {**data, first: changed}


def without(data: Any, path: Path) -> Any:
    """The same, with nothing in that place."""
    *above, last = path
    inner = data
    for part in above:
        inner = inner[part]
    if isinstance(inner, list):
        rest: object = [value for n, value in enumerate(inner) if n != last]
    else:
        rest = {key: value for key, value in inner.items() if key != last}
    return with_value(data, tuple(above), rest)
