"""A job as a row of the table `jobs`, and back."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from bridge.core.failure import Hindrance
from bridge.core.job import Condition, Dependency, JobId
from bridge.core.lifecycle import Job, Phase
from bridge.core.progress import Bookmark
from bridge.ports import Reading


def write_time(at: datetime) -> str:
    """The time as UTC in ISO 8601, always of one width, so that text sorts as time does.

    Raises ValueError for a time without a zone: it could mean any moment of a day.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone: the journal takes aware times only")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def read_time(text: str) -> datetime:
    """What `write_time` wrote: aware, in UTC."""
    return datetime.fromisoformat(text)


def write_dependencies(dependencies: Iterable[Dependency]) -> str:
    """A JSON object of job ids and their conditions, in order."""
    return json.dumps({it.job_id: it.condition.value for it in dependencies})


def read_dependencies(text: str) -> tuple[Dependency, ...]:
    """What `write_dependencies` wrote."""
    return tuple(
        Dependency(job_id=JobId(job_id), condition=Condition(condition))
        for job_id, condition in json.loads(text).items()
    )


_COLUMNS = tuple(it.name for it in fields(Job))
_READERS: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {
        "phase": Phase,
        "waits_for": read_dependencies,
        "accepted_at": read_time,
        "not_before": read_time,
        "cancel_requested_at": read_time,
        "submitting_since": read_time,
        "submitted_at": read_time,
        "started_at": read_time,
        "ended_at": read_time,
        "slurm_started_at": read_time,
        "pulling_since": read_time,
        "hindrance": Hindrance,
        "absent_since": read_time,
        "interrupted_since": read_time,
    }
)


def row_of(job: Job) -> dict[str, object]:
    """The columns that hold the job; each is called like its field."""
    return {name: _written(getattr(job, name)) for name in _COLUMNS}


def job_of(row: sqlite3.Row) -> Job:
    """The job that `row_of` was given."""
    values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    for name, read in _READERS.items():
        if values[name] is not None:
            values[name] = read(values[name])
    return Job(**values)


def _written(value: object) -> object:
    if isinstance(value, tuple):
        return write_dependencies(value)
    return write_time(value) if isinstance(value, datetime) else value


def reading_of(row: sqlite3.Row) -> Reading:
    """How far a job's progress was read, with what is needed to read on."""
    bookmark = None
    if row["told"] is not None:
        bookmark = Bookmark(number=row["told"], read_to=row["read_to"], known=row["known"])
    return Reading(
        place=row["place"],
        job_id=row["job_id"],
        slurm_id=row["slurm_id"],
        attempt=row["attempt"],
        restart=row["restart"],
        bookmark=bookmark,
        told_before=row["told_before"],
        is_told=bool(row["is_told"]),
    )
