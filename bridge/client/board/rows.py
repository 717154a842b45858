"""Between the board's data and its tables' rows."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Row, Table
from sqlalchemy.exc import DBAPIError

from bridge.client.board import schema
from bridge.client.board.model import (
    BoardArtifact,
    BoardAttempt,
    BoardJob,
    BoardPoint,
    BoardSite,
    SetAside,
)
from bridge.core.lifecycle import EventKind, Phase
from bridge.core.user_state import UserState
from bridge.wire.event import CloudEvent

NEWEST = "newest_"
"""What the names of a joined row of `latest_points` begin with."""
_LONGEST_ERROR = 1_000
"""Characters."""


def job_row(job: BoardJob) -> dict[str, Any]:
    """A row of `jobs`."""
    return {
        **_row(schema.jobs, job),
        "request": json.dumps(job.request),
        "artifacts": json.dumps([[it.name, it.size, it.sha256] for it in job.artifacts]),
    }


def job_from(row: Row[Any]) -> BoardJob:
    """The job in a row of `jobs`, with its newest point where `latest_points` was joined to it."""
    values = dict(row._mapping)  # noqa: SLF001  # the documented name
    newest = {
        name.removeprefix(NEWEST): values.pop(name)
        for name in tuple(values)
        if name.startswith(NEWEST)
    }
    request = json.loads(values.pop("request"))
    phase = values.pop("phase")
    artifacts = json.loads(values.pop("artifacts"))
    return BoardJob(
        **{
            **values,
            "state": UserState(values["state"]),
            "last_event": EventKind(values["last_event"]),
        },
        phase=phase and Phase(phase),
        request=request,
        labels=request.get("labels", {}),
        artifacts=tuple(
            BoardArtifact(name=name, size=size, sha256=sha256) for name, size, sha256 in artifacts
        ),
        progress=_point(newest) if newest.get("number") is not None else None,
    )


def label_rows(job: BoardJob) -> list[dict[str, str]]:
    """The rows of `labels`."""
    return [
        {"job_id": job.job_id, "key": clean(key), "value": clean(value)}
        for key, value in job.labels.items()
    ]


def attempt_row(attempt: BoardAttempt) -> dict[str, Any]:
    """A row of `attempts`."""
    return _row(schema.attempts, attempt)


def attempt_from(row: Row[Any]) -> BoardAttempt:
    """The run in a row of `attempts`."""
    values = dict(row._mapping)  # noqa: SLF001
    phase = values.pop("phase")
    return BoardAttempt(**values, phase=phase and Phase(phase))


def site_row(site: BoardSite) -> dict[str, Any]:
    """A row of `sites`."""
    return {**_row(schema.sites, site), "is_reachable": int(site.is_reachable)}


def site_from(row: Row[Any]) -> BoardSite:
    """The site in a row of `sites`."""
    values = dict(row._mapping)  # noqa: SLF001
    return BoardSite(**{**values, "is_reachable": bool(values["is_reachable"])})


def point_rows(event: CloudEvent) -> list[dict[str, Any]]:
    """The rows of `points`."""
    progress = event.data.progress
    if progress is None:
        return []
    return [
        {
            "job_id": event.data.job_id,
            "number": progress.number,
            "position": position,
            "attempt": event.data.attempt or 1,
            "restart": event.data.restart or 0,
            "at": event.time,
            "step": float(it.step),
            "total": None if it.total is None else float(it.total),
            "metrics": json.dumps(it.metrics),
            "message": None if it.message is None else clean(it.message),
        }
        for position, it in enumerate(progress.points)
    ]


def point_from(row: Row[Any]) -> BoardPoint:
    """The point in a row of `points`."""
    return _point(dict(row._mapping))  # noqa: SLF001


def _point(values: Mapping[str, Any]) -> BoardPoint:
    names = ("number", "attempt", "restart", "at", "step", "total", "message")
    return BoardPoint(
        **{name: values[name] for name in names}, metrics=json.loads(values["metrics"])
    )


def event_row(event: CloudEvent) -> dict[str, Any]:
    """A row of `events`."""
    return {
        "event_id": clean(event.id),
        "job_id": event.data.job_id,
        "site": clean(event.data.site),
        "sequence": event.data.sequence,
        "at": event.time,
        "body": event.model_dump_json(exclude_defaults=True),
    }


def set_aside_row(event: CloudEvent, error: Exception, *, now: datetime) -> dict[str, Any]:
    """A row of `set_aside`."""
    values = event_row(event)
    del values["sequence"]
    return {**values, "set_aside_at": now, "error": _said(error)}


def set_aside_message_row(body: bytes, error: Exception, *, now: datetime) -> dict[str, Any]:
    """A row of `set_aside` for a message of which nothing is known; the same for the same bytes."""
    return {
        "event_id": f"unread/{hashlib.sha256(body).hexdigest()[:32]}",
        "job_id": None,
        "site": "",
        "at": now,
        "set_aside_at": now,
        "error": _said(error),
        "body": clean(body.decode(errors="replace")),
    }


def set_aside_from(row: Row[Any]) -> SetAside:
    """The event in a row of `set_aside`."""
    names = ("event_id", "job_id", "site", "at", "set_aside_at", "error")
    return SetAside(**{name: getattr(row, name) for name in names})


def _said(error: Exception) -> str:
    return clean(f"{type(error).__name__}: {_words_of(error)}")[:_LONGEST_ERROR]


def _words_of(error: Exception) -> str:
    """What it says, without the statement in which a database did not like something."""
    return str(error.orig if isinstance(error, DBAPIError) else error)


def _row(table: Table, data: object) -> dict[str, Any]:
    return {it.name: _plain(getattr(data, it.name)) for it in table.columns}


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return clean(value) if isinstance(value, str) else value


def clean(text: str) -> str:
    """The text without the one character that PostgreSQL cannot store."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
