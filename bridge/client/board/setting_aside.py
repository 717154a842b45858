"""Events that trip over a bug, or cannot be stored: put aside, so that all others go on."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Delete, delete, insert, select

from bridge.client.board import schema
from bridge.client.board.failures import NOT_NOW
from bridge.client.board.rows import clean, set_aside_message_row, set_aside_row
from bridge.client.board.writing import draw, tell_pages, write_events
from bridge.wire.event import CloudEvent, decode

_DRAWN_AT_ONCE = 1_000


def write_or_set_aside(
    connection: Connection, event: CloudEvent, *, now: datetime
) -> Exception | None:
    """Record one event, or what is wrong with it, and that alone; what was wrong."""
    try:
        with connection.begin_nested():
            write_events(connection, [event])
    except NOT_NOW:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, the next event has no part in it
        _set_aside(connection, event, error, now=now)
        return error
    return None


def set_message_aside(
    connection: Connection, body: bytes, error: Exception, *, now: datetime
) -> None:
    """Put a message aside that could not be read."""
    _put(connection, set_aside_message_row(body, error, now=now))


def draw_all(connection: Connection) -> None:
    """Everything anew from the events; those that were set aside get another chance."""
    again = connection.execute(select(schema.set_aside.c.event_id, schema.set_aside.c.body)).all()
    for bodies in _kept(connection):
        _draw(connection, [decode(it.encode()) for it in bodies])
    for it in again:
        try:
            event = decode(it.body.encode())
        except Exception:  # noqa: BLE001, S112  # it stays where it is
            continue
        connection.execute(_row_of(it.event_id))
        write_or_set_aside(connection, event, now=datetime.now(UTC))


def _draw(connection: Connection, events: Sequence[CloudEvent]) -> None:
    try:
        with connection.begin_nested():
            draw(connection, events)
    except NOT_NOW:
        raise
    except Exception:  # noqa: BLE001  # as above
        if len(events) > 1:
            for event in events:
                _draw(connection, [event])
            return
        _move_aside(connection, events[0])


def _move_aside(connection: Connection, event: CloudEvent) -> None:
    events = schema.events
    connection.execute(delete(events).where(events.c.event_id == event.id))
    write_or_set_aside(connection, event, now=datetime.now(UTC))


def _set_aside(
    connection: Connection, event: CloudEvent, error: Exception, *, now: datetime
) -> None:
    _put(connection, set_aside_row(event, error, now=now))


def _put(connection: Connection, row: Mapping[str, Any]) -> None:
    connection.execute(_row_of(row["event_id"]))
    connection.execute(insert(schema.set_aside).values(row))
    tell_pages(connection)


def _row_of(event_id: str) -> Delete:
    table = schema.set_aside
    return delete(table).where(table.c.event_id == clean(event_id))


def _kept(connection: Connection) -> Iterable[Sequence[str]]:
    """What is told in the events that the board keeps, some at a time."""
    column = schema.events.c
    last = ""
    while found := connection.execute(
        select(column.event_id, column.body)
        .where(column.event_id > last)
        .order_by(column.event_id)
        .limit(_DRAWN_AT_ONCE)
    ).all():
        yield [it.body for it in found]
        last = found[-1].event_id
