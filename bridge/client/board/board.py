"""The board: every job that was heard of, for pages that hold nothing themselves."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Row, func, select

from bridge.client.board import rows, schema, writing
from bridge.client.board.cursor import cursor_after, read_cursor
from bridge.client.board.database import Database
from bridge.client.board.model import (
    BoardAttempt,
    BoardJob,
    BoardPoint,
    BoardSite,
    JobFilter,
    JobPage,
    JobSort,
    SetAside,
)
from bridge.client.board.presence import read_hearing, read_sites
from bridge.client.board.reading import (
    jobs_with_progress,
    number_of_jobs,
    number_of_points,
    page_of_jobs,
    points_of,
)
from bridge.client.board.search import finds_few
from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.user_state import UserState
from bridge.wire.event import CloudEvent, decode

ALL_JOBS = JobFilter()
LARGEST_PAGE = 1_000
_DELETED_AT_ONCE = 500


class Board:
    """A table of jobs, kept by one process (`BoardKeeper`) and read by all.

    Threads may share it, and so may processes that were forked after it was made. Every method
    raises UnavailableError when the database does not answer: nothing is known then.
    """

    def __init__(self, url: str | Path) -> None:
        """A SQLite file's path (on a local disk; made if missing), or an SQLAlchemy URL.

        Raises ConfigurationError when that cannot be a board, and UnavailableError.
        """
        self.database = Database(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close this process's connections."""
        self.database.close()

    def revision(self) -> int:
        """A number that is another one whenever something may have changed."""
        statement = select(schema.board.c.revision)
        return int(self.database.read(lambda it: it.execute(statement).scalar_one()))

    def jobs(
        self,
        wanted: JobFilter = ALL_JOBS,
        *,
        sort: JobSort = JobSort.ACCEPTED,
        descending: bool = True,
        size: int = 50,
        offset: int = 0,
        cursor: str | None = None,
    ) -> JobPage:
        """A page of up to `size` jobs, from `offset`, or from where a page before it ended.

        With a `cursor` (`JobPage.following`) no job is shown twice or left out because others
        came meanwhile. Raises InvalidRequestError for a cursor of another order, and for numbers
        out of range.
        """
        _check_page(size, offset)
        after = None
        if cursor is not None:
            after = read_cursor(cursor, sort, is_descending=descending)

        def read(connection: Connection) -> tuple[Sequence[Any], Sequence[Any]]:
            by_index = self._is_by_index(connection, wanted)
            statement = page_of_jobs(
                wanted,
                sort=sort,
                is_descending=descending,
                size=size,
                offset=offset,
                after=after,
                by_index=by_index,
            )
            counting = number_of_jobs(wanted, by_index=by_index)
            return connection.execute(statement).all(), connection.execute(counting).all()

        found, counts = self.database.read(read)
        jobs = tuple(rows.job_from(it) for it in found[:size])
        following = None
        if len(found) > size:
            following = cursor_after(jobs[-1], sort, is_descending=descending)
        return JobPage(jobs=jobs, total=sum(it[1] for it in counts), following=following)

    def counts(self, wanted: JobFilter = ALL_JOBS) -> Mapping[UserState, int]:
        """How many jobs that fit there are in each state; every state is there."""

        def read(connection: Connection) -> Sequence[Any]:
            by_index = self._is_by_index(connection, wanted)
            return connection.execute(number_of_jobs(wanted, by_index=by_index)).all()

        counts = dict.fromkeys(UserState, 0)
        for state, number in self.database.read(read):
            counts[UserState(state)] = int(number)
        return counts

    def job(self, job_id: str) -> BoardJob | None:
        """The job with this id; None: the board has not heard of it."""
        statement = jobs_with_progress().where(schema.jobs.c.job_id == job_id)
        row = self.database.read(lambda it: it.execute(statement).first())
        return None if row is None else rows.job_from(row)

    def tasks(self, sweep: str, *, size: int = 100, offset: int = 0) -> tuple[BoardJob, ...]:
        """Up to so many tasks of the sweep with this id, in its order, from `offset` on.

        Raises InvalidRequestError for numbers out of range.
        """
        _check_page(size, offset)
        jobs = schema.jobs.c
        statement = jobs_with_progress().where(jobs.sweep == sweep).order_by(jobs.task, jobs.job_id)
        found = self.database.read(
            lambda it: it.execute(statement.limit(size).offset(offset)).all()
        )
        return tuple(map(rows.job_from, found))

    def attempts(self, job_id: str) -> tuple[BoardAttempt, ...]:
        """The runs of a job, first to last."""
        runs = schema.attempts.c
        statement = (
            select(schema.attempts)
            .where(runs.job_id == job_id)
            .order_by(runs.attempt, runs.restart)
        )
        found = self.database.read(lambda it: it.execute(statement).all())
        return tuple(map(rows.attempt_from, found))

    def events(self, job_id: str) -> tuple[CloudEvent, ...]:
        """What was told of a job, in the order in which it happened; no progress."""
        events = schema.events.c
        statement = (
            select(events.body)
            .where(events.job_id == job_id)
            .order_by(events.sequence, events.at, events.event_id)
        )
        bodies = self.database.read(lambda it: it.scalars(statement).all())
        return tuple(decode(it.encode()) for it in bodies)

    def progress(
        self, job_id: str, *, after: int = 0, at_most: int = 1_000
    ) -> tuple[BoardPoint, ...]:
        """What a job has said of how far it has come, oldest first: a loss curve.

        Of more than `at_most` points every second, third... is given, and the last. `after` leaves
        out what was told up to the event with that number (`BoardPoint.number`).
        """
        if at_most < 1:
            what = f"at least 1 point is wanted (found {at_most})"
            raise InvalidRequestError(Problem(where="at_most", what=what))
        counting = number_of_points(job_id, after=after)

        def read(connection: Connection) -> Sequence[Row[Any]]:
            number = connection.execute(counting).scalar_one()
            every = max(1, -(-number // at_most))
            return connection.execute(points_of(job_id, after=after, every=every)).all()

        return tuple(map(rows.point_from, self.database.read(read)))

    def sites(self) -> tuple[BoardSite, ...]:
        """The sites that were heard of, by name, and which of their bridges are there."""
        return self.database.read(read_sites)

    def heard_until(self) -> datetime | None:
        """Up to when whoever keeps the board has heard all that bridges say of themselves.

        None: nobody has listened yet. Long ago: a bridge that is not there may be there after all.
        """
        return self.database.read(read_hearing)

    def set_aside(self, *, at_most: int = 100) -> tuple[SetAside, ...]:
        """Events that could not be taken in and what was wrong with them, the latest first."""
        statement = (
            select(schema.set_aside).order_by(schema.set_aside.c.set_aside_at.desc()).limit(at_most)
        )
        found = self.database.read(lambda it: it.execute(statement).all())
        return tuple(map(rows.set_aside_from, found))

    def number_set_aside(self) -> int:
        """How many events these are in all."""
        statement = select(func.count()).select_from(schema.set_aside)
        return int(self.database.read(lambda it: it.execute(statement).scalar_one()))

    def record(self, events: Sequence[CloudEvent]) -> int:
        """Take in events, in any order; how many were new. All or none of them is there after."""
        return self.database.write(lambda it, _: writing.write_events(it, events))

    def prune(self, before: datetime) -> int:
        """Forget jobs that were over by then, and notices of that time; how many jobs.

        Raises ValueError for a time without a time zone.
        """
        gone = 0
        while number := self.database.write(
            lambda it, _: writing.delete_jobs(it, over_before=before, limit=_DELETED_AT_ONCE)
        ):
            gone += number
        self.database.write(lambda it, _: writing.delete_notices(it, before=before))
        return gone

    def _is_by_index(self, connection: Connection, wanted: JobFilter) -> bool:
        return self.database.can_search and finds_few(connection, wanted.text)


def _check_page(size: int, offset: int) -> None:
    if not 1 <= size <= LARGEST_PAGE or offset < 0:
        what = f"1 to {LARGEST_PAGE} jobs a page are accepted, from offset 0 (found {size}"
        raise InvalidRequestError(Problem(where="size", what=f"{what}, offset {offset})"))
