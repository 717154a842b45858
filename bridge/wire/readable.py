"""What can be read of a document in which there are mistakes."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

_Model = TypeVar("_Model", bound=BaseModel)
_MOST_PASSES = 8
"""A section that has lost a field may have to go too, and so on upwards."""
_MOST_MISTAKES = 1_000
"""A document with more is not looked into further: that would take seconds, to no use."""

Place = tuple[str | int, ...]
StandIns = Mapping[Place, object]
"""What is read instead of a field at fault; 0 is the place of any entry of a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable(Generic[_Model]):
    """A document as far as it could be read."""

    model: _Model | None
    """None where nothing of it could be, or too much is wrong."""
    unread: frozenset[str] = frozenset()
    """What was left out, or has something else in its place: dotted paths."""
    error: ValidationError | None = None
    """All that is wrong; None where nothing is."""


def readable(model: type[_Model], data: object, stand_ins: StandIns) -> Readable[_Model]:
    """The document, without the fields that are at fault."""
    found, first = _tried(model, data)
    if first is None:
        return Readable(model=found)
    if first.error_count() > _MOST_MISTAKES:
        return Readable(model=None, error=first)
    rest = _Rest(data=copy.deepcopy(data), stand_ins=stand_ins)
    error: ValidationError | None = first
    for _ in range(_MOST_PASSES):
        if error is None:
            break
        rest.leave_out(error)
        found, error = _tried(model, rest.data)
    unread = frozenset(".".join(map(str, it)) for it in rest.unread)
    return Readable(model=found, unread=unread, error=first)


def _tried(model: type[_Model], data: object) -> tuple[_Model | None, ValidationError | None]:
    try:
        return model.model_validate(data), None
    except ValidationError as error:
        return None, error


@dataclass(slots=True, kw_only=True)
class _Rest:
    """A document that loses what is at fault in it."""

    data: object
    stand_ins: StandIns
    unread: set[Place] = field(default_factory=set)

    def leave_out(self, error: ValidationError) -> None:
        """Every field that the error is about."""
        details = error.errors(include_url=False, include_context=False, include_input=False)
        for place in dict.fromkeys(self._at_fault(it["loc"], it["type"]) for it in details):
            if place:
                self._replace(place)
                self.unread.add(place)

    def _at_fault(self, loc: Place, kind: str) -> Place:
        """What has to go: pydantic's places also name the forms that a field may have.

        Nothing is taken out of a list, whose other entries would then have other numbers.
        """
        if kind == "missing" and self._has_stand_in(loc):
            return loc
        place = _there(self.data, loc)
        while place and not isinstance(place[-1], str) and not self._has_stand_in(place):
            place = place[:-1]
        return place

    def _has_stand_in(self, place: Place) -> bool:
        return _anywhere(place) in self.stand_ins

    def _replace(self, place: Place) -> None:
        parent = self.data
        for part in place[:-1]:
            parent = _inner(parent, part)
        if self._has_stand_in(place) and isinstance(parent, dict | list):
            parent[place[-1]] = copy.deepcopy(self.stand_ins[_anywhere(place)])  # type: ignore[index]
        elif isinstance(parent, dict):
            parent.pop(place[-1], None)


def _anywhere(place: Place) -> Place:
    return tuple(0 if isinstance(it, int) else it for it in place)


def _there(data: object, loc: Place) -> Place:
    """As much of the place as the data have."""
    for length, part in enumerate(loc):
        data = _inner(data, part)
        if data is _NOTHING:
            return loc[:length]
    return loc


def _inner(data: object, part: str | int) -> object:
    if isinstance(data, dict) and isinstance(part, str):
        return data.get(part, _NOTHING)
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return data[part]
    return _NOTHING


_NOTHING = object()
