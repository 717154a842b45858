"""Statements that write progress: points come in crowds, and nothing else hangs on them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from bridge.client.board import rows, schema
from bridge.client.board.batches import batches, load, save
from bridge.wire.event import CloudEvent

Place = tuple[str, int]


def fresh_progress(connection: Connection, events: Sequence[CloudEvent]) -> list[CloudEvent]:
    """Record the points that are not there yet; the events that told them."""
    by_place = {_place(it): it for it in events if it.data.job_id is not None}
    for known in _known(connection, [*by_place]):
        by_place.pop(known, None)
    points = [row for it in by_place.values() for row in rows.point_rows(it)]
    if points:
        connection.execute(insert(schema.points), points)
        _keep_latest(connection, points)
    return list(by_place.values())


def _known(connection: Connection, places: Sequence[Place]) -> set[Place]:
    column = schema.points.c
    known: set[Place] = set()
    for ids in batches(sorted({job_id for job_id, _ in places})):
        numbers = [number for job_id, number in places if job_id in ids]
        lowest, highest = min(numbers), max(numbers)
        found = connection.execute(
            select(column.job_id, column.number).where(
                column.job_id.in_(ids),
                column.number.between(lowest, highest),
                column.position == 0,
            )
        )
        known.update((it.job_id, it.number) for it in found)
    return known


def _keep_latest(connection: Connection, points: Sequence[dict[str, Any]]) -> None:
    names = [it.name for it in schema.latest_points.columns]
    known = load(
        connection,
        schema.latest_points,
        "job_id",
        {it["job_id"] for it in points},
        read=lambda row: dict(row._mapping),  # noqa: SLF001
        key_of=lambda it: str(it["job_id"]),
    )
    latest = dict(known)
    for point in sorted(points, key=lambda it: (it["number"], it["position"])):
        before = latest.get(point["job_id"])
        if before is None or point["number"] >= before["number"]:
            latest[point["job_id"]] = {name: point[name] for name in names}
    changed = {key: it for key, it in latest.items() if it is not known.get(key)}
    save(connection, schema.latest_points, known, changed)


def _place(event: CloudEvent) -> Place:
    progress = event.data.progress
    return str(event.data.job_id), progress.number if progress else 0
