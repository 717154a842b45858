"""The board's tables: what was told, and what pages need of it at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect

VERSION = 4
"""One more with each change of the tables in `DRAWN`, which are then made anew from `events`."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(value: datetime) -> int:
    """A time as whole microseconds since 1970 in UTC."""
    return (value - _EPOCH) // _MICROSECOND


class Moment(TypeDecorator[datetime]):
    """A time as whole microseconds; one that is not known is 0.

    Every database sorts these alike, and what is not known before all else: NULL is first in one
    and last in another.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int:
        """Into the database."""
        del dialect
        return 0 if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Out of it."""
        del dialect
        return _EPOCH + value * _MICROSECOND if value else None


def _point_columns() -> tuple[Column[Any], ...]:
    return (
        Column("attempt", Integer, nullable=False),
        Column("restart", Integer, nullable=False),
        Column("at", Moment, nullable=False),
        Column("step", Double, nullable=False),
        Column("total", Double),
        Column("metrics", Text, nullable=False),
        Column("message", Text),
    )


metadata = MetaData()

board = Table(
    "bridge_board",
    metadata,
    Column("only", Integer, primary_key=True),  # there is one row
    Column("version", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("stream_offset", BigInteger),
    Column("stream_message", Text),
    Column("keeper", Text),
    Column("kept_until", Moment, nullable=False),
)

events = Table(
    "bridge_events",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("job_id", Text),
    Column("site", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("body", Text, nullable=False),
    Index("bridge_events_of_job", "job_id", "sequence"),
    Index("bridge_events_at", "at"),
)

jobs = Table(
    "bridge_jobs",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("site", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("last_event", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("phase", Text),
    Column("reason", Text),
    Column("detail", Text),
    Column("pending_reason", Text),
    Column("attempt", Integer, nullable=False),
    Column("restart", Integer, nullable=False),
    Column("slurm_id", Text),
    Column("nodes", Text),
    Column("accepted_at", Moment, nullable=False),
    Column("submitted_at", Moment, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=False),
    Column("expected_start_at", Moment, nullable=False),
    Column("next_attempt_at", Moment, nullable=False),
    Column("cancel_requested_at", Moment, nullable=False),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("stdout", Text),
    Column("stderr", Text),
    Column("artifacts", Text, nullable=False),
    Column("artifacts_total", Integer, nullable=False),
    Column("sweep", Text),
    Column("task", Integer),
    Column("tasks", Integer),
    Column("tasks_finished", Integer),
    Column("tasks_failed", Integer),
    Column("tasks_cancelled", Integer),
    # One for each order of a page, and one for each condition in the usual order.
    Index("bridge_jobs_accepted_at", "accepted_at", "job_id"),
    Index("bridge_jobs_updated_at", "updated_at", "job_id"),
    Index("bridge_jobs_started_at", "started_at", "job_id"),
    Index("bridge_jobs_ended_at", "ended_at", "job_id"),
    Index("bridge_jobs_name", "name", "job_id"),
    Index("bridge_jobs_state", "state", "accepted_at", "job_id"),
    Index("bridge_jobs_site", "site", "accepted_at", "job_id"),
    Index("bridge_jobs_user", "user", "accepted_at", "job_id"),
    Index("bridge_jobs_kind", "kind", "accepted_at", "job_id"),
    Index("bridge_jobs_sweep", "sweep", "task", "job_id"),
)

points = Table(
    "bridge_points",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    *_point_columns(),
)

latest_points = Table(
    "bridge_latest_points",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    *_point_columns(),
)

labels = Table(
    "bridge_labels",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Index("bridge_labels_value", "key", "value", "job_id"),
)

tallies = Table(
    "bridge_tallies",
    metadata,
    Column("site", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("state", Text, primary_key=True),
    Column("is_task", Integer, primary_key=True),
    Column("count", Integer, nullable=False),
)

attempts = Table(
    "bridge_attempts",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("restart", Integer, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("phase", Text),
    Column("reason", Text),
    Column("slurm_id", Text),
    Column("nodes", Text),
    Column("submitted_at", Moment, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=False),
    Column("exit_code", Integer),
    Column("signal", Integer),
)

sites = Table(
    "bridge_sites",
    metadata,
    Column("name", Text, primary_key=True),
    Column("heard_at", Moment, nullable=False),
    Column("is_reachable", Integer, nullable=False),
    Column("detail", Text),
    Column("changed_at", Moment, nullable=False),
)

set_aside = Table(
    "bridge_set_aside",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("job_id", Text),
    Column("site", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("set_aside_at", Moment, nullable=False),
    Column("error", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("bridge_set_aside_at", "set_aside_at"),
)

presence = Table(
    "bridge_presence",
    metadata,
    Column("site", Text, primary_key=True),
    Column("arrived_at", Moment, nullable=False),
    Column("body", Text, nullable=False),
    Column("limits_digest", Text),
    Column("limits", Text),
)

hearing = Table(
    "bridge_hearing",
    metadata,
    Column("only", Integer, primary_key=True),
    Column("until", Moment, nullable=False),
)

DRAWN = (jobs, labels, tallies, attempts)
"""What can be made anew from the events."""
