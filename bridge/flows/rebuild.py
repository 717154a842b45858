"""Rebuild: a lost journal, made again from the jobs' folders and from Slurm."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from bridge.core.errors import ConfigurationError, InvalidRequestError, Problem
from bridge.core.facts import ScriptMark, Sighting
from bridge.core.job import JobId, JobSpec, SweepTask, bearer, submission_tag, task_id
from bridge.core.lifecycle import Phase
from bridge.core.policy import admission_problems
from bridge.core.restore import JobRemains, SlurmAnswers, restore
from bridge.core.site import Site
from bridge.ports import Acceptance, Admission, Clock, Notice, Scheduler
from bridge.wire.request import fingerprint, read_job

_CLOCKS_DIFFER_BY = timedelta(minutes=1)


class Remains(Protocol):
    """The jobs' folders. Every method may raise UnavailableError."""

    def find(self) -> Iterable[JobRemains | tuple[JobId, str]]:
        """What is left of every job that has a folder, or why that cannot be read."""
        ...

    def tell_again(self, job_id: JobId, attempt: int, marks: Iterable[ScriptMark]) -> None:
        """Put markers into the spool once more."""
        ...


class NewJournal(Protocol):
    """The journal to be filled. Durable when a call returns."""

    def is_empty(self) -> bool:
        """Whether it holds nothing."""
        ...

    def admit(self, entries: Sequence[Acceptance | Notice]) -> tuple[Admission, ...]:
        """Record all entries in one transaction."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found, and what the jobs are to be restored as. Nothing is written yet."""

    restored: tuple[Acceptance, ...]
    remains: tuple[JobRemains, ...]
    """Of the same jobs."""
    skipped: tuple[tuple[JobId, str], ...]
    """Folders that no job can be restored from, and why."""

    @property
    def phases(self) -> Mapping[Phase, int]:
        """How many jobs are restored into which phase."""
        return Counter(it.job.phase for it in self.restored)


def search(*, site: Site, remains: Remains, scheduler: Scheduler, clock: Clock) -> Findings:
    """Look at all folders, and ask Slurm about their jobs.

    Raises UnavailableError when the folders cannot be read or Slurm does not answer.
    """
    found: list[JobRemains] = []
    skipped: list[tuple[JobId, str]] = []
    for it in remains.find():
        if not isinstance(it, JobRemains):
            skipped.append(it)
        elif objection := _objection(it, site):
            skipped.append((it.job_id, objection))
        else:
            found.append(it)
    slurm = SlurmAnswers(tuple(_ask(found, site, scheduler)))
    specs = {it.job_id: read_job(it.request, site=site.name) for it in found}
    tasks = _tasks(specs.values())
    at = clock.now()
    restored = (
        Acceptance(
            job=restore(
                it,
                slurm,
                tag_prefix=site.tag_prefix,
                at=at,
                depends_on=specs[it.job_id].depends_on,
                tasks=_count(specs[it.job_id]),
                task=tasks.get(it.job_id),
            ),
            request=it.request,
            fingerprint=fingerprint(it.request),
            messages=(),
        )
        for it in sorted(found, key=lambda it: it.written_at)
    )
    return Findings(restored=tuple(restored), remains=tuple(found), skipped=tuple(skipped))


def fill(
    journal: NewJournal, findings: Findings, remains: Remains, *, hold_lock: Callable[[], None]
) -> None:
    """Write what was found into a new journal, all or nothing; no event is told by that.

    The markers come first: should this be cut off, the journal is still empty, and all is done
    again. They may take long, so `hold_lock` then says that we still have the journal.

    Raises ConfigurationError when the journal is not lost at all, and UnavailableError.
    """
    if not journal.is_empty():
        what = (
            "the journal holds jobs or events, so it is not lost. To rebuild it all the same, stop "
            "the daemon, then move the file away with those beside it that end in -wal, -shm or "
            "-journal"
        )
        raise ConfigurationError(Problem(where="journal.path", what=what))
    for it in findings.remains:
        if it.untold_marks:
            remains.tell_again(it.job_id, it.attempts[-1].attempt, it.untold_marks)
    hold_lock()
    journal.admit(findings.restored)


def _count(spec: JobSpec) -> int:
    return spec.sweep.tasks if spec.sweep else 0


def _tasks(specs: Iterable[JobSpec]) -> Mapping[JobId, SweepTask]:
    """The tasks of these sweeps, by their ids."""
    return {
        task_id(it.job_id, index): SweepTask(sweep=it.job_id, index=index)
        for it in specs
        for index in range(_count(it))
    }


def _objection(remains: JobRemains, site: Site) -> str | None:
    """Why this job is not to be trusted. Its folder lies open to its own container."""
    try:
        spec = read_job(remains.request, site=site.name)
    except InvalidRequestError as error:
        return f"its job.json is no job: {error}"
    if spec.job_id != remains.job_id:
        return f"its job.json is that of the job {spec.job_id}"
    problems = admission_problems(spec, site)
    return f"its job.json is not admitted: {'; '.join(map(str, problems))}" if problems else None


def _ask(found: Sequence[JobRemains], site: Site, scheduler: Scheduler) -> Iterator[Sighting]:
    """What Slurm says of the jobs that are not over: one squeue, and sacct for those that left."""
    open_jobs = [it for it in found if it.outcome is None and it.attempts]
    if not open_jobs:
        return
    queue = [_by_its_own_tag(it, site) for it in scheduler.queue()]
    yield from queue
    tags = {it.tag for it in queue}
    left = [
        it
        for it in open_jobs
        if submission_tag(site.tag_prefix, it.job_id, it.attempts[-1].attempt) not in tags
    ]
    claims = [it.claim for it in left if it.claim is not None]
    if claims:
        since = min(it.attempts[-1].begun_at for it in left) - _CLOCKS_DIFFER_BY
        for it in scheduler.accounting(claims, since=since) or ():
            yield _by_its_own_tag(it, site)


def _by_its_own_tag(sighting: Sighting, site: Site) -> Sighting:
    """A task of an array bears its sweep's tag; here, the one that it would have on its own."""
    ours = bearer(sighting.tag, sighting.slurm_id, site.tag_prefix)
    if ours is None:
        return sighting
    job_id, attempt = ours
    return replace(sighting, tag=submission_tag(site.tag_prefix, job_id, attempt))
