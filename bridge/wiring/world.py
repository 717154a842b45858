"""Everything outside the bridge that its flows reach."""

from dataclasses import dataclass
from typing import Protocol

from bridge.ports import (
    CancelJournal,
    Clock,
    DeliverySource,
    DependencyJournal,
    EventSink,
    Images,
    IntakeJournal,
    JobFiles,
    JobFolders,
    LifecycleJournal,
    NoticeJournal,
    Outbox,
    ProgressJournal,
    PullJournal,
    QueryJournal,
    ReturnChannel,
    Scheduler,
)


class Journal(
    IntakeJournal,
    LifecycleJournal,
    DependencyJournal,
    PullJournal,
    CancelJournal,
    NoticeJournal,
    Outbox,
    ProgressJournal,
    QueryJournal,
    Protocol,
):
    """Every role of the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside the bridge that its flows reach, through the ports."""

    clock: Clock
    scheduler: Scheduler
    folders: JobFolders
    files: JobFiles
    images: Images
    journal: Journal
    jobs: DeliverySource
    control: DeliverySource
    questions: DeliverySource
    events: EventSink
    channel: ReturnChannel
    front_ends: tuple[DeliverySource, ...] = ()
    """Queues of their own, with jobs."""
