"""A journal as JSON lines: one object a line, its `type` first. Described in docs/journal.md."""

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime

from bridge.core.audit import History, RecordedCancel, RecordedEvent
from bridge.core.job import JobId
from bridge.core.lifecycle import Job

FORMAT = 1
_JOB_FIELDS = tuple(it.name for it in fields(Job))

Line = dict[str, object]


def head(*, site: str, schema_version: int, at: datetime) -> Line:
    """The first line."""
    return {
        "type": "journal",
        "format": FORMAT,
        "site": site,
        "schema_version": schema_version,
        "exported_at": _plain(at),
    }


def lines_of(history: History) -> Iterator[Line]:
    """The job, then its events."""
    job = {name: _plain(getattr(history.job, name)) for name in _JOB_FIELDS}
    request = None if history.request is None else history.request.decode(errors="replace")
    yield {
        "type": "job",
        **job,
        "told_before": history.told_before,
        "changed_at": _plain(history.changed_at),
        "request": request,
    }
    for event in history.events:
        yield line_of_event(event, history.job.job_id)


def line_of_event(event: RecordedEvent, job_id: JobId | None) -> Line:
    """An event; `job_id` is None for a notice."""
    return {
        "type": "event",
        "job_id": job_id,
        "position": event.position,
        "event_id": event.event_id,
        "routing_key": event.routing_key,
        "recorded_at": _plain(event.recorded_at),
        "sent_at": _plain(event.sent_at),
        "reply_to": event.reply_to,
        "body": event.body.decode(errors="replace"),
    }


def line_of_cancel(cancel: RecordedCancel) -> Line:
    """A remembered wish to cancel."""
    return {
        "type": "cancel",
        "job_id": cancel.job_id,
        "requested_at": _plain(cancel.requested_at),
    }


def as_text(line: Line) -> str:
    """The line, without its end."""
    return json.dumps(line, separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return {it.job_id: it.condition.value for it in value}
    return value.isoformat() if isinstance(value, datetime) else value
