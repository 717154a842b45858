"""Journals that look as if the bridge had run for long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID

from bridge.adapters.clock import SystemClock
from bridge.adapters.sqlite_journal import SqliteJournal, open_journal
from bridge.core.job import JobId, SlurmId
from bridge.core.lifecycle import Event, EventKind, Job, Phase
from bridge.core.settings import JournalSettings
from bridge.core.site import Site
from bridge.ports import Acceptance
from bridge.wire.event import Message, encode

_AT_ONCE = 2_000
_REQUEST = b"""{"version": 1, "job_id": "%s", "name": "a job that is over", "image": "busybox.sif",
"command": ["python", "train.py", "--epochs", "10"], "params": {"rate": 0.001, "layers": [64, 32]},
"resources": {"walltime": "00:10:00"}}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What a journal holds."""

    finished: int = 0
    """Jobs that are over, with four events each."""
    live: Sequence[tuple[JobId, SlurmId]] = ()
    """Jobs that Slurm has and holds."""
    sent: bool = True
    """Whether the events are marked as sent."""


def job_id(number: int) -> JobId:
    """A job id of which there is one for each number."""
    return JobId(str(UUID(int=number, version=4)))


def fill(path: Path, site: Site, filling: Filling) -> None:
    """Make the journal, as whoever calls."""
    acceptances = _acceptances(site, filling)
    with open_journal(JournalSettings(path=str(path)), clock=SystemClock()) as journal:
        while some := list(islice(acceptances, _AT_ONCE)):
            journal.admit(some)
            if filling.sent:
                _mark_all(journal)


def _mark_all(journal: SqliteJournal) -> None:
    while entries := journal.unsent(5 * _AT_ONCE):
        journal.mark_sent([it.position for it in entries])


def _acceptances(site: Site, filling: Filling) -> Iterator[Acceptance]:
    over, held = _over(job_id(0)), _held(job_id(0))
    kinds = (EventKind.ACCEPTED, EventKind.QUEUED, EventKind.STARTED, EventKind.FINISHED)
    over_messages = _told(over, kinds, site)
    held_messages = _told(held, (EventKind.ACCEPTED, EventKind.QUEUED, EventKind.HELD), site)
    for number in range(1, filling.finished + 1):
        # Numbers that no live job has.
        name = job_id(number << 32)
        job = replace(over, job_id=name, slurm_id=SlurmId(str(10_000_000 + number)))
        yield _acceptance(job, over_messages)
    for name, slurm_id in filling.live:
        yield _acceptance(replace(held, job_id=name, slurm_id=slurm_id), held_messages)


def _acceptance(job: Job, messages: Sequence[Message]) -> Acceptance:
    old, new = job_id(0).encode(), job.job_id.encode()
    return Acceptance(
        job=job,
        request=_REQUEST % new,
        fingerprint=job.job_id.replace("-", "") * 2,
        messages=tuple(
            replace(
                it,
                event_id=it.event_id.replace(job_id(0), job.job_id),
                body=it.body.replace(old, new),
            )
            for it in messages
        ),
    )


def _over(name: JobId) -> Job:
    now = datetime.now(UTC) - timedelta(hours=1)
    return Job(
        job_id=name,
        accepted_at=now,
        phase=Phase.FINISHED,
        revision=6,
        sequence=4,
        slurm_id=SlurmId("1"),
        submitting_since=now,
        submitted_at=now,
        started_at=now,
        slurm_started_at=now,
        ended_at=now,
        nodes="n1",
        container_exit_code=0,
        exit_code=0,
    )


def _held(name: JobId) -> Job:
    now = datetime.now(UTC) - timedelta(hours=1)
    return Job(
        job_id=name,
        accepted_at=now,
        phase=Phase.HELD,
        revision=5,
        sequence=3,
        slurm_id=SlurmId("1"),
        submitting_since=now,
        submitted_at=now,
        pending_reason="JobHeldUser",
    )


def _told(job: Job, kinds: Sequence[EventKind], site: Site) -> list[Message]:
    return [
        encode(Event(kind=kind, at=job.accepted_at, job=replace(job, sequence=number)), site)
        for number, kind in enumerate(kinds, start=1)
    ]
