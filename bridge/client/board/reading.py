"""What pages ask, as statements."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.types import TypeEngine

from bridge.client.board import schema
from bridge.client.board.cursor import Place
from bridge.client.board.model import JobFilter, JobSort

_STORED: dict[type, TypeEngine[Any]] = {int: BigInteger(), str: Text()}
_JOBS = schema.jobs.c
_TALLIES = schema.tallies.c


def page_of_jobs(
    wanted: JobFilter,
    *,
    sort: JobSort,
    is_descending: bool,
    size: int,
    offset: int,
    after: Place | None,
) -> Select[Any]:
    """The jobs of a page, and one more where there are more."""
    column = _JOBS[sort.value]
    found = select(schema.jobs).where(*_conditions(wanted))
    if after is not None:
        place = tuple_(column, _JOBS.job_id)
        last = tuple_(literal(after.value, _STORED[type(after.value)]), literal(after.job_id))
        found = found.where(place < last if is_descending else place > last)
    order = [it.desc() if is_descending else it.asc() for it in (column, _JOBS.job_id)]
    found = found.order_by(*order).limit(size + 1)
    return found.offset(offset) if offset else found


def number_of_jobs(wanted: JobFilter) -> Select[Any]:
    """How many jobs fit, by state."""
    if wanted.text or wanted.labels:
        counted = select(_JOBS.state, func.count()).where(*_conditions(wanted))
        return counted.group_by(_JOBS.state)
    conditions = _choices(wanted, _TALLIES)
    return (
        select(_TALLIES.state, func.sum(_TALLIES.count)).where(*conditions).group_by(_TALLIES.state)
    )


def _conditions(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    yield from _choices(wanted, _JOBS)
    label = schema.labels.c
    for key, value in wanted.labels.items():
        yield exists().where(label.job_id == _JOBS.job_id, label.key == key, label.value == value)
    if wanted.text:
        yield or_(
            *(
                it.icontains(wanted.text, autoescape=True)
                for it in (_JOBS.name, _JOBS.job_id, _JOBS.image)
            )
        )


def _choices(wanted: JobFilter, columns: Any) -> Iterator[ColumnElement[bool]]:
    choices = {
        "site": wanted.sites,
        "state": [it.value for it in wanted.states],
        "kind": wanted.kinds,
        "user": wanted.users,
    }
    for name, values in choices.items():
        if values:
            yield columns[name].in_(sorted(values))
