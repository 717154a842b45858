"""What becomes of a job whose journal was lost: decided from its folder and from Slurm."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.core.dependency import blocked
from bridge.core.facts import ScriptMark, Sighting
from bridge.core.job import (
    Dependency,
    JobId,
    SlurmId,
    SubmissionTag,
    SweepTask,
    slurm_order,
    submission_tag,
)
from bridge.core.lifecycle import Job, Phase
from bridge.core.sweep import ends_of_tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The note in the folder of a job that has told its end."""

    phase: Phase
    sequence: int
    attempt: int
    slurm_id: SlurmId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRemains:
    """What an attempt has left in its job's folder."""

    attempt: int
    begun_at: datetime
    """When its script was written, just before it was submitted."""
    claimed_by: SlurmId | None = None
    """The Slurm job that runs the container, or has run it; the job itself says so."""
    marks: tuple[ScriptMark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRemains:
    """What is left of a job in its folder."""

    job_id: JobId
    request: bytes
    written_at: datetime
    """The earliest time that the folder shows: not long after the job was accepted."""
    attempts: tuple[AttemptRemains, ...] = ()
    """By number; empty where the job was never submitted."""
    outcome: Outcome | None = None

    @property
    def claim(self) -> SlurmId | None:
        """Which Slurm job the last attempt's container ran in, where it did."""
        return self.attempts[-1].claimed_by if self.attempts else None

    @property
    def untold_marks(self) -> tuple[ScriptMark, ...]:
        """The markers of the last run, which only the lost journal had; none of a job that is over.

        Those of earlier runs are of no use to anybody.
        """
        if self.outcome or not self.attempts:
            return ()
        marks = self.attempts[-1].marks
        last = max((it.restart for it in marks), default=0)
        return tuple(it for it in marks if it.restart == last)


@dataclass(frozen=True, slots=True)
class SlurmAnswers:
    """What Slurm said of the jobs: in the queue, and in accounting of those that claim an id."""

    sightings: Iterable[Sighting]
    _ids: Mapping[SubmissionTag, Sequence[SlurmId]] = field(init=False)
    _tags: Mapping[SlurmId, SubmissionTag] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the answers."""
        tags = {it.slurm_id: it.tag for it in self.sightings}
        ids: dict[SubmissionTag, list[SlurmId]] = defaultdict(list)
        for slurm_id in sorted(tags, key=slurm_order):
            ids[tags[slurm_id]].append(slurm_id)
        object.__setattr__(self, "_tags", tags)
        object.__setattr__(self, "_ids", ids)

    def job_of(self, tag: SubmissionTag, claim: SlurmId | None) -> SlurmId | None:
        """The Slurm job that runs this attempt; None where there is no sign of any.

        A claim is a job's own word: it counts unless Slurm knows that id by another tag.
        """
        found = self._ids.get(tag, ())
        if claim is not None and self._tags.get(claim, tag) == tag:
            return claim
        return found[0] if found else None


def restore(
    remains: JobRemains,
    slurm: SlurmAnswers,
    *,
    tag_prefix: str,
    at: datetime,
    depends_on: Sequence[Dependency] = (),
    tasks: int = 0,
    task: SweepTask | None = None,
) -> Job:
    """The job, as a rebuilt journal starts with it at the time `at`.

    Where it was never submitted, it waits again for all that it depends on. A sweep with `tasks`
    waits again for all of those, the ones that are over too; where Slurm never had its array,
    they are submitted one by one.

    It goes on where its last attempt is: with Slurm, in doubt (then submit looks for it by its tag
    before it submits), or not yet begun. One that has told its end is over.

    Nobody knows any more how many events it has told. The next ones are numbered by the clock, in
    seconds: further on than any number before, since no job tells an event a second.
    """
    new = Job(
        job_id=remains.job_id,
        accepted_at=remains.written_at,
        tasks=tasks,
        sweep=task.sweep if task else None,
        task_index=task.index if task else None,
    )
    if remains.outcome is not None:
        told = remains.outcome
        return replace(
            new,
            phase=told.phase,
            sequence=told.sequence,
            attempt=told.attempt,
            slurm_id=told.slurm_id,
        )
    new = replace(new, sequence=int(at.timestamp()))
    if not remains.attempts:
        return blocked(new, depends_on) if depends_on else new
    last = remains.attempts[-1]
    new = replace(new, attempt=last.attempt, submitting_since=last.begun_at)
    if tasks:
        divided = replace(new, phase=Phase.ARRAY, submitted_at=last.begun_at)
        return replace(divided, waits_for=ends_of_tasks(new))
    tag = submission_tag(tag_prefix, remains.job_id, last.attempt)
    slurm_id = slurm.job_of(tag, last.claimed_by)
    if slurm_id is None:
        return replace(new, phase=Phase.SUBMITTING)
    return replace(new, phase=Phase.QUEUED, slurm_id=slurm_id, submitted_at=last.begun_at)
