"""What pages ask, as statements."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.types import TypeEngine

from bridge.client.board import schema
from bridge.client.board.cursor import Place
from bridge.client.board.model import JobFilter, JobSort
from bridge.client.board.rows import NEWEST
from bridge.client.board.search import having

_STORED: dict[type, TypeEngine[Any]] = {int: BigInteger(), str: Text()}
_JOBS = schema.jobs.c
_NEWEST = schema.latest_points.c
_TALLIES = schema.tallies.c


def page_of_jobs(
    wanted: JobFilter,
    *,
    sort: JobSort,
    is_descending: bool,
    size: int,
    offset: int,
    after: Place | None,
    by_index: bool,
) -> Select[Any]:
    """The jobs of a page, and one more where there are more."""
    column = _JOBS[sort.value]
    order = [it.desc() if is_descending else it.asc() for it in (column, _JOBS.job_id)]
    # First which jobs these are: an index tells that, and whole rows would be sorted with it.
    found = select(_JOBS.job_id).where(*_conditions(wanted, by_index=by_index))
    if after is not None:
        place = tuple_(column, _JOBS.job_id)
        last = tuple_(literal(after.value, _STORED[type(after.value)]), literal(after.job_id))
        found = found.where(place < last if is_descending else place > last)
    found = found.order_by(*order).limit(size + 1)
    if offset:
        found = found.offset(offset)
    shown = found.subquery()
    return jobs_with_progress().join(shown, shown.c.job_id == _JOBS.job_id).order_by(*order)


def jobs_with_progress() -> Select[Any]:
    """Rows of `jobs`, each with its newest point."""
    newest = [it.label(f"{NEWEST}{it.name}") for it in _NEWEST if it.name != "job_id"]
    joined = schema.jobs.outerjoin(schema.latest_points, _NEWEST.job_id == _JOBS.job_id)
    return select(schema.jobs, *newest).select_from(joined)


def points_of(job_id: str, *, after: int, every: int) -> Select[Any]:
    """A job's points that were told after an event with this number; one of so many, the last."""
    points = schema.points
    place = func.row_number().over(order_by=(points.c.number.desc(), points.c.position.desc()))
    numbered = (
        select(points, place.label("place"))
        .where(points.c.job_id == job_id, points.c.number > after)
        .subquery()
    )
    kept = (numbered.c.place - 1) % every == 0
    return select(numbered).where(kept).order_by(numbered.c.number, numbered.c.position)


def number_of_points(job_id: str, *, after: int) -> Select[Any]:
    """How many these are in all."""
    points = schema.points.c
    return select(func.count()).where(points.job_id == job_id, points.number > after)


def number_of_jobs(wanted: JobFilter, *, by_index: bool) -> Select[Any]:
    """How many jobs fit, by state."""
    if wanted.text or wanted.labels or wanted.sweep:
        counted = select(_JOBS.state, func.count()).where(*_conditions(wanted, by_index=by_index))
        return counted.group_by(_JOBS.state)
    counted = select(_TALLIES.state, func.sum(_TALLIES.count)).group_by(_TALLIES.state)
    if not wanted.with_tasks:
        counted = counted.where(_TALLIES.is_task == 0)
    return counted.where(*_choices(wanted, _TALLIES))


def _conditions(wanted: JobFilter, *, by_index: bool) -> Iterator[ColumnElement[bool]]:
    yield from _choices(wanted, _JOBS)
    if wanted.sweep:
        yield _JOBS.sweep == wanted.sweep
    if not wanted.with_tasks:
        # Not IS NULL: an index would find all of these, and have them sorted for a page of a few.
        yield func.coalesce(_JOBS.sweep, "") == ""
    label = schema.labels.c
    for key, value in wanted.labels.items():
        # Not EXISTS: that would look at every job in turn, and most labels are on few of them.
        yield _JOBS.job_id.in_(select(label.job_id).where(label.key == key, label.value == value))
    if wanted.text:
        yield having(wanted.text, by_index=by_index)


def _choices(wanted: JobFilter, columns: Any) -> Iterator[ColumnElement[bool]]:
    choices = {
        "site": wanted.sites,
        "state": [it.value for it in wanted.states],
        "kind": wanted.kinds,
        "user": wanted.users,
    }
    for name, values in choices.items():
        if not values:
            continue
        # There are few kinds: an index of them would be preferred to a better one, or to as good.
        is_plain = name != "kind" or not (wanted.states or wanted.users)
        column = columns[name] if is_plain else func.coalesce(columns[name], "")
        yield column.in_(sorted(values))
