"""What the board knows, as frozen data: what pages show."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.core.lifecycle import EventKind, Phase
from bridge.core.user_state import UserState
from bridge.wire.limits import SiteLimits
from bridge.wire.presence import Presence


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardArtifact:
    """A file that a job has left."""

    name: str
    size: int
    """In bytes."""
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPoint:
    """How far a run had come, in its own numbers."""

    number: int
    """Of the event that told it; rises within a job."""
    attempt: int
    restart: int
    at: datetime
    """When that was told; several points may have come at once."""
    step: float
    total: float | None
    metrics: Mapping[str, float | None]
    """Such as loss; None where it was no number, as NaN."""
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardJob:
    """A job as its newest event left it. Times are aware and in UTC; None and "" are not known."""

    job_id: str
    site: str
    state: UserState
    sequence: int
    """The number of the newest event; 0 where nothing but a rejection or progress has come yet."""
    last_event: EventKind
    updated_at: datetime
    """When the newest event happened."""
    name: str = ""
    kind: str = ""
    """training, deployment or other."""
    image: str = ""
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    request: Mapping[str, object] = field(default_factory=dict)
    """All that the `accepted` event repeats of what was asked for."""
    phase: Phase | None = None
    """The bridge's finer word for the state."""
    reason: str | None = None
    """Why it failed, in one word; `rejected` where the bridge did not take it."""
    detail: str | None = None
    """The same in words for a person."""
    pending_reason: str | None = None
    """Why it waits, in Slurm's own word."""
    attempt: int = 1
    restart: int = 0
    slurm_id: str | None = None
    nodes: str | None = None
    accepted_at: datetime | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expected_start_at: datetime | None = None
    next_attempt_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    exit_code: int | None = None
    signal: int | None = None
    stdout: str | None = None
    """The file on the site, as `stderr`."""
    stderr: str | None = None
    progress: BoardPoint | None = None
    """The newest point, of whatever run."""
    artifacts: tuple[BoardArtifact, ...] = ()
    """What it has left, up to 200 files."""
    artifacts_total: int = 0
    sweep: str | None = None
    """Of a sweep's task: the id of the sweep."""
    task: int | None = None
    """Of a sweep's task: which one it is, from 0 on."""
    tasks: int | None = None
    """Of a sweep: how many tasks it has."""
    tasks_finished: int | None = None
    """How many of them have ended with success, and so on."""
    tasks_failed: int | None = None
    tasks_cancelled: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardAttempt:
    """One run of a job: each attempt, and each time that Slurm requeued it."""

    job_id: str
    attempt: int
    restart: int
    sequence: int
    """The number of the newest event of this run."""
    phase: Phase | None = None
    reason: str | None = None
    slurm_id: str | None = None
    nodes: str | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSite:
    """A site of which something was heard."""

    name: str
    heard_at: datetime
    """When the newest event from there happened, or its bridge last said that it is there."""
    is_reachable: bool = True
    """Whether the site's bridge reaches its scheduler, as far as it has said."""
    detail: str | None = None
    changed_at: datetime | None = None
    """Since when it is so; None: it never said anything of it."""
    presence: Presence | None = None
    """What the site's bridge last said of itself: version, load, since when it runs."""
    presence_at: datetime | None = None
    """When that came to the board, by the clock of whoever keeps it."""
    limits: SiteLimits | None = None
    """What one job may ask for there."""

    def is_there(self, now: datetime) -> bool:
        """Whether the site's bridge has said so lately; False also where nobody could hear it."""
        if self.presence is None or self.presence_at is None:
            return False
        return now - self.presence_at <= timedelta(seconds=self.presence.valid_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """An event that the board could not take in."""

    event_id: str
    job_id: str | None
    site: str
    at: datetime
    """When it happened."""
    set_aside_at: datetime
    error: str
    """What was wrong, for whoever is to put it right."""


class JobSort(StrEnum):
    """What a page of jobs is sorted by."""

    ACCEPTED = "accepted_at"
    UPDATED = "updated_at"
    STARTED = "started_at"
    ENDED = "ended_at"
    NAME = "name"
    STATE = "state"
    SITE = "site"
    USER = "user"
    KIND = "kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a page shows: those that fit every condition. Empty conditions fit all."""

    sites: Collection[str] = ()
    states: Collection[UserState] = ()
    kinds: Collection[str] = ()
    users: Collection[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    """Each label must be there with this value."""
    sweep: str = ""
    """Tasks of the sweep with this id."""
    with_tasks: bool = True
    """Whether tasks of sweeps are shown, each as the job that it is."""
    text: str = ""
    """Part of the name, the job's id or the image; letters' case does not matter, at least in
    ASCII."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Some of the jobs that fit."""

    jobs: tuple[BoardJob, ...]
    total: int
    """How many fit in all."""
    following: str | None
    """The cursor of the page after this one; None: this is the last."""
