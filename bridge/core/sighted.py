"""What Slurm's answers make of a job."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from bridge.core.facts import Absent, Fact, Seen, Sighting
from bridge.core.failure import FailureReason
from bridge.core.job import SlurmId, array_index
from bridge.core.lifecycle import EventKind, Job, Phase, Step
from bridge.core.moves import by_end_mark, by_hindrance, end, move, requeue, tell
from bridge.core.outcome import failure_of
from bridge.core.pending import in_words
from bridge.core.slurm_state import Meaning, meaning

_HIGHEST_SIGNAL = 64
_BEFORE_IT_STARTED = "cancelled before it started"
_SOONER = 10


def present(job: Job, fact: Fact) -> Job:
    """The job, no longer missing when the fact is that Slurm listed it."""
    # Whatever word Slurm says of it, known or not: a job that it lists is not missing.
    return replace(job, absent_since=None) if isinstance(fact, Seen) else job


def seen(job: Job, fact: Seen) -> Step:
    """What a row of squeue or sacct makes of the job."""
    sighting = fact.sighting
    if sighting.state is None:
        return Step(job=job, anomaly=f"unknown Slurm state {sighting.word!r}")
    if job.slurm_id is None:
        return Step(job=job, anomaly=f"{sighting.word} seen of a job that has no Slurm id")
    said = meaning(sighting.state, sighting.reason)
    listed = present(job, fact)
    if said is Meaning.INTERRUPTED:
        return _interrupted(listed, fact)
    listed = replace(listed, interrupted_since=None)
    match said:
        case Meaning.QUEUED | Meaning.REQUEUED | Meaning.HELD:
            return _waits(listed, fact, held=said is Meaning.HELD)
        case Meaning.RUNNING:
            return _runs(listed, fact)
        case Meaning.UNDECIDED:
            return Step(job=listed)
        case Meaning.COMPLETED | Meaning.FAILED | Meaning.CANCELLED:
            return _ends(listed, fact, said)
    assert_never(said)


def _waits(job: Job, fact: Seen, *, held: bool) -> Step:
    reason = fact.sighting.reason
    detail, expected = in_words(reason), fact.sighting.expected_start_at
    step = Step(job=job)
    if job.phase is Phase.RUNNING:
        step = requeue(job, fact.at, restart=job.restart + 1)
    phase = Phase.HELD if held else Phase.QUEUED
    if step.job.phase is not phase:
        kind = EventKind.HELD if held else EventKind.QUEUED
        return step.then(lambda it: move(it, phase, pending_reason=reason)).then(
            lambda it: tell(it, kind, fact.at, detail=detail, expected_start_at=expected)
        )
    if held or reason in (None, step.job.pending_reason):
        return step
    return step.then(lambda it: Step(job=replace(it, pending_reason=reason))).then(
        lambda it: tell(it, EventKind.PENDING, fact.at, detail=detail, expected_start_at=expected)
    )


def _runs(job: Job, fact: Seen) -> Step:
    sighting = fact.sighting
    known, now = job.slurm_started_at, sighting.started_at
    step = Step(job=job)
    if known is not None and now is not None and now != known:
        step = requeue(job, fact.at, restart=job.restart + 1)
    return step.then(lambda it: _started(it, fact.at, sighting))


def _started(job: Job, at: datetime, sighting: Sighting) -> Step:
    known = replace(
        job,
        slurm_started_at=sighting.started_at or job.slurm_started_at,
        started_at=job.started_at or sighting.started_at or at,
        nodes=sighting.nodes or job.nodes,
    )
    if job.phase is Phase.RUNNING:
        return Step(job=known)
    return move(known, Phase.RUNNING, pending_reason=None).then(
        lambda it: tell(it, EventKind.STARTED, at)
    )


def _ends(job: Job, fact: Seen, said: Meaning) -> Step:
    step = Step(job=job)
    if _has_started(fact.sighting, said):
        step = _runs(job, fact)
    elif job.phase is Phase.RUNNING and _ended_in_the_queue(fact.sighting):
        step = requeue(job, fact.at, restart=job.restart + 1)
    return step.then(lambda it: _conclude(it, fact, said))


def _has_started(sighting: Sighting, said: Meaning) -> bool:
    # A job cancelled or past its deadline in the queue never started. Slurm then sets its start to
    # the time of its end, in squeue and in sacct (seen with 22.05); only nodes tell a real start.
    ran = sighting.started_at is not None and sighting.nodes is not None
    return ran or said is Meaning.COMPLETED


def _ended_in_the_queue(sighting: Sighting) -> bool:
    """Whether a job that has not started since it was last queued says so by its times."""
    return sighting.started_at is not None and sighting.started_at == sighting.ended_at


def _conclude(job: Job, fact: Seen, said: Meaning) -> Step:
    sighting = fact.sighting
    job = replace(
        job,
        nodes=sighting.nodes or job.nodes,
        ended_at=sighting.ended_at or job.ended_at,
        exit_code=_exit_code(job, sighting),
        signal=_signal(sighting),
    )
    if said is Meaning.CANCELLED:
        ran = job.phase is Phase.RUNNING
        detail = "stopped while it ran" if ran else _BEFORE_IT_STARTED
        return end(job, Phase.CANCELLED, fact.at, detail=detail)
    if job.hindrance is not None and said is Meaning.FAILED:
        return by_hindrance(job, fact.at, job.hindrance)
    if said is Meaning.COMPLETED and job.container_exit_code:
        return by_end_mark(job, fact.at, job.container_exit_code)
    if said is Meaning.COMPLETED and not sighting.exit_code and not sighting.signal:
        return end(replace(job, exit_code=0), Phase.FINISHED, fact.at)
    reason, detail = failure_of(replace(sighting, exit_code=job.exit_code))
    return end(job, Phase.FAILED, fact.at, reason=reason, detail=detail)


def _exit_code(job: Job, sighting: Sighting) -> int | None:
    # E=0 beside a failure says nothing: a job killed by a signal shows 0:15, a timeout 0:0.
    return job.container_exit_code or sighting.exit_code or job.container_exit_code


def _signal(sighting: Sighting) -> int | None:
    # signal(7) ends at 64; Slurm writes 0:125 of a job that ran out of memory.
    signal = sighting.signal
    return signal if signal and signal <= _HIGHEST_SIGNAL else None


def _interrupted(job: Job, fact: Seen) -> Step:
    """Believed at the second look: the first record closes before a requeued one exists."""
    if job.interrupted_since is None:
        return Step(job=replace(job, interrupted_since=fact.at))
    if fact.at <= job.interrupted_since:
        return Step(job=job)
    return _ends(job, fact, Meaning.INTERRUPTED)


def absent(job: Job, fact: Absent, grace: timedelta) -> Step:
    """What it makes of the job that Slurm answered and does not know it."""
    if job.slurm_id is None:
        return Step(job=job, anomaly="absence told of a job that has no Slurm id")
    missing = replace(job, absent_since=job.absent_since or fact.at)
    script_has_ended = job.container_exit_code is not None or job.hindrance is not None
    if _was_cancelled_in_its_array(missing, fact, grace):
        return end(missing, Phase.CANCELLED, fact.at, detail=_BEFORE_IT_STARTED)
    if fact.missing_for < grace and (fact.accounting or not script_has_ended):
        return Step(job=missing)
    if job.container_exit_code is not None:
        return by_end_mark(missing, fact.at, job.container_exit_code)
    if job.hindrance is not None:
        return by_hindrance(missing, fact.at, job.hindrance)
    return end(
        missing,
        Phase.FAILED,
        fact.at,
        reason=FailureReason.LOST,
        detail="Slurm no longer knows this job, and it left no end marker",
    )


def _was_cancelled_in_its_array(job: Job, fact: Absent, grace: timedelta) -> bool:
    """Whether it is gone since we, or somebody at the site, had it cancelled.

    Slurm forgets a task that is cancelled while it waits in its array: neither squeue nor sacct
    lists it any more, and the array's own row leaves it out (seen with 22.05). A task that has
    started is in accounting, and one that is lost is so with its array.
    """
    by_somebody = fact.accounting and fact.array_listed
    return (
        (job.cancel_requested_at is not None or by_somebody)
        and job.phase is not Phase.RUNNING
        and array_index(job.slurm_id or SlurmId("")) is not None
        and fact.missing_for >= grace / _SOONER
    )
