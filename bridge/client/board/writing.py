"""Statements that write what events tell. All within the caller's transaction."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, and_, delete, insert, select, update

from bridge.client.board import rows, schema
from bridge.client.board.batches import batches, load, save
from bridge.client.board.fold import fold_attempt, fold_job, fold_site
from bridge.client.board.model import BoardJob
from bridge.client.board.progress import fresh_progress
from bridge.core.user_state import OVER
from bridge.wire.event import CloudEvent

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Tally = tuple[str, str, str, str, int]

_OF_JOBS = (
    schema.events,
    schema.points,
    schema.latest_points,
    schema.labels,
    schema.attempts,
    schema.jobs,
)


def write_events(connection: Connection, events: Sequence[CloudEvent]) -> int:
    """Record the events that are not there yet, and what they change; how many these were."""
    fresh = _fresh(connection, [it for it in events if it.data.progress is None])
    progress = fresh_progress(connection, [it for it in events if it.data.progress is not None])
    if fresh:
        connection.execute(insert(schema.events), [rows.event_row(it) for it in fresh])
    if fresh or progress:
        draw(connection, [*fresh, *progress])
        tell_pages(connection)
    return len(fresh) + len(progress)


def tell_pages(connection: Connection) -> None:
    """Something has changed."""
    board = schema.board
    connection.execute(update(board).values(revision=board.c.revision + 1))


def draw(connection: Connection, events: Sequence[CloudEvent]) -> None:
    """Let the events change everything but `events` itself."""
    _draw_jobs(connection, events)
    _draw_attempts(connection, events)
    _draw_sites(connection, events)


def delete_jobs(connection: Connection, *, over_before: datetime, limit: int) -> int:
    """Forget up to so many jobs that were over by then, and all of theirs; how many these were."""
    states = sorted(it.value for it in OVER)
    old = connection.execute(
        select(schema.jobs)
        .where(schema.jobs.c.updated_at < over_before, schema.jobs.c.state.in_(states))
        .order_by(schema.jobs.c.updated_at)
        .limit(limit)
    )
    gone = [rows.job_from(it) for it in old]
    for ids in batches([it.job_id for it in gone]):
        for table in _OF_JOBS:
            connection.execute(delete(table).where(table.c.job_id.in_(ids)))
    _count(connection, {}, {it.job_id: it for it in gone})
    if gone:
        tell_pages(connection)
    return len(gone)


def delete_notices(connection: Connection, *, before: datetime) -> None:
    """Forget events of that time that are of no job, and those that were set aside then."""
    events, aside = schema.events, schema.set_aside
    connection.execute(delete(events).where(events.c.at < before, events.c.job_id.is_(None)))
    connection.execute(delete(aside).where(aside.c.set_aside_at < before))


def _fresh(connection: Connection, events: Sequence[CloudEvent]) -> list[CloudEvent]:
    by_id = {it.id: it for it in events}
    column = schema.events.c.event_id
    for ids in batches(list(by_id)):
        for known in connection.scalars(select(column).where(column.in_(ids))):
            del by_id[known]
    return list(by_id.values())


def _draw_jobs(connection: Connection, events: Sequence[CloudEvent]) -> None:
    ids = {it.data.job_id for it in events if it.data.job_id is not None}
    known = load(
        connection, schema.jobs, "job_id", ids, read=rows.job_from, key_of=lambda it: it.job_id
    )
    jobs = _folded(known, events, lambda it: it.data.job_id, fold_job)
    changed = {key: it for key, it in jobs.items() if it is not known.get(key)}
    save(connection, schema.jobs, known, {key: rows.job_row(it) for key, it in changed.items()})
    labelled = [it for it in changed.values() if it.labels]
    fresh = [it for it in labelled if not (it.job_id in known and known[it.job_id].labels)]
    if label_rows := [row for it in fresh for row in rows.label_rows(it)]:
        connection.execute(insert(schema.labels), label_rows)
    _count(connection, changed, {key: it for key, it in known.items() if key in changed})


def _draw_attempts(connection: Connection, events: Sequence[CloudEvent]) -> None:
    ids = {it.data.job_id for it in events if it.data.job_id is not None}
    known = load(
        connection,
        schema.attempts,
        "job_id",
        ids,
        read=rows.attempt_from,
        key_of=lambda it: (it.job_id, it.attempt, it.restart),
    )
    runs = _folded(
        known,
        events,
        lambda it: (it.data.job_id or "", it.data.attempt or 0, it.data.restart or 0),
        fold_attempt,
    )
    changed = {key: rows.attempt_row(it) for key, it in runs.items() if it is not known.get(key)}
    save(connection, schema.attempts, known, changed)


def _draw_sites(connection: Connection, events: Sequence[CloudEvent]) -> None:
    names = {it.data.site for it in events}
    known = load(
        connection, schema.sites, "name", names, read=rows.site_from, key_of=lambda it: it.name
    )
    sites = _folded(known, events, lambda it: it.data.site, fold_site)
    changed = {key: rows.site_row(it) for key, it in sites.items() if it != known.get(key)}
    save(connection, schema.sites, known, changed)


def _folded(
    known: Mapping[Key, Item],
    events: Iterable[CloudEvent],
    key_of: Callable[[CloudEvent], Key | None],
    fold: Callable[[Item | None, CloudEvent], Item | None],
) -> dict[Key, Item]:
    folded = dict(known)
    for event in events:
        key = key_of(event)
        if key is None:
            continue
        item = fold(folded.get(key), event)
        if item is not None:
            folded[key] = item
    return folded


def _count(
    connection: Connection, now: Mapping[str, BoardJob], before: Mapping[str, BoardJob]
) -> None:
    """Keep `tallies` what a count of all jobs would be."""
    change = Counter(map(_tally, now.values()))
    change.subtract(map(_tally, before.values()))
    table = schema.tallies
    for (site, user, kind, state, is_task), number in change.items():
        if not number:
            continue
        is_it = and_(
            table.c.site == site,
            table.c.user == user,
            table.c.kind == kind,
            table.c.state == state,
            table.c.is_task == is_task,
        )
        counted = connection.execute(
            update(table).where(is_it).values(count=table.c.count + number)
        )
        if not counted.rowcount:
            names = {"site": site, "user": user, "kind": kind, "state": state, "is_task": is_task}
            connection.execute(insert(table).values(**names, count=number))


def _tally(job: BoardJob) -> Tally:
    row = rows.job_row(job)
    return row["site"], row["user"], row["kind"], row["state"], int(job.sweep is not None)
