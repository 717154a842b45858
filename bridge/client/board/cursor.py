"""Where a page of jobs begins, as text that is safe in a URL."""

import base64
import binascii
import json
from dataclasses import dataclass

from bridge.client.board.model import BoardJob, JobSort
from bridge.client.board.rows import job_row
from bridge.client.board.schema import microseconds
from bridge.core.errors import InvalidRequestError, Problem

_MOMENTS = frozenset({JobSort.ACCEPTED, JobSort.UPDATED, JobSort.STARTED, JobSort.ENDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The last job of the page before, by what it is sorted by."""

    value: str | int
    """As it is stored."""
    job_id: str


def cursor_after(job: BoardJob, sort: JobSort, *, is_descending: bool) -> str:
    """The cursor of the page that follows this job."""
    value = job_row(job)[sort.value]
    if sort in _MOMENTS:
        value = microseconds(value) if value else 0
    text = json.dumps([sort, is_descending, value, job.job_id])
    return base64.urlsafe_b64encode(text.encode()).decode()


def read_cursor(cursor: str, sort: JobSort, *, is_descending: bool) -> Place:
    """The place that a cursor names.

    Raises InvalidRequestError where it is none, or one of another order.
    """
    match _decoded(cursor):
        case [sorted_by, bool(downwards), str() | int() as value, str(job_id)]:
            fits = sorted_by == sort and downwards == is_descending
            if fits and isinstance(value, int) == (sort in _MOMENTS):
                return Place(value=value, job_id=job_id)
    what = "is no cursor of this order of jobs; begin at the first page"
    raise InvalidRequestError(Problem(where="cursor", what=what))


def _decoded(cursor: str) -> object:
    try:
        return json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, binascii.Error):
        return None
