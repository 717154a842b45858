"""`advance`: what a fact makes of a job."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from bridge.core.facts import (
    Absent,
    EndMark,
    Fact,
    NotSubmitted,
    Refused,
    Seen,
    Sighting,
    StartMark,
    SubmissionBegun,
    Submitted,
)
from bridge.core.job import JobId
from bridge.core.lifecycle import MOVES, Event, EventKind, Job, Phase, Step
from bridge.core.outcome import FailureReason, failure_of
from bridge.core.slurm_state import Meaning, meaning

_HIGHEST_SIGNAL = 64


def accept(job_id: JobId, at: datetime) -> Step:
    """The first step of every job."""
    job = Job(job_id=job_id, accepted_at=at, revision=0)
    return _tell(job, EventKind.ACCEPTED, at).then(lambda it: Step(job=_next_revision(it)))


def advance(job: Job, fact: Fact, *, absence_grace: timedelta) -> Step:
    """What `fact` makes of `job`. Total: what does not fit is an anomaly, never an exception.

    `absence_grace` is how long Slurm must have answered without knowing the job before the job
    counts as lost.
    """
    if job.is_over:
        return Step(job=job)
    step = _decide(job, fact, absence_grace)
    if step.anomaly:
        step = Step(job=_present(job, fact), anomaly=step.anomaly)
    return step if step.job == job else replace(step, job=_next_revision(step.job))


def _decide(job: Job, fact: Fact, absence_grace: timedelta) -> Step:
    match fact:
        case SubmissionBegun():
            return _move(job, Phase.SUBMITTING, submitting_since=fact.at)
        case Submitted() | Refused() if job.slurm_id is not None:
            return Step(job=job, anomaly=f"{job.phase} -> {type(fact).__name__.lower()}")
        case Submitted():
            return _submitted(job, fact)
        case Refused():
            return _end(job, Phase.FAILED, fact.at, reason=FailureReason.REFUSED, detail=fact.words)
        case NotSubmitted():
            return _move(job, Phase.ACCEPTED, submitting_since=None)
        case Seen():
            return _seen(job, fact)
        case Absent():
            return _absent(job, fact, absence_grace)
        case StartMark():
            return _start_mark(job, fact)
        case EndMark():
            return _end_mark(job, fact)
    assert_never(fact)


def _next_revision(job: Job) -> Job:
    return replace(job, revision=job.revision + 1)


def _present(job: Job, fact: Fact) -> Job:
    # Whatever word Slurm says of it, known or not: a job that it lists is not missing.
    return replace(job, absent_since=None) if isinstance(fact, Seen) else job


def _tell(
    job: Job,
    kind: EventKind,
    at: datetime,
    *,
    reason: FailureReason | None = None,
    detail: str | None = None,
) -> Step:
    numbered = replace(job, sequence=job.sequence + 1)
    event = Event(kind=kind, at=at, job=numbered, reason=reason, detail=detail)
    return Step(job=numbered, events=(event,))


def _move(job: Job, phase: Phase, **changes: Any) -> Step:
    if phase not in MOVES[job.phase]:
        return Step(job=job, anomaly=f"{job.phase} -> {phase}")
    return Step(job=replace(job, phase=phase, **changes))


def _end(
    job: Job,
    phase: Phase,
    at: datetime,
    *,
    reason: FailureReason | None = None,
    detail: str | None = None,
) -> Step:
    return _move(job, phase, pending_reason=None, ended_at=job.ended_at or at).then(
        lambda it: _tell(it, EventKind(phase), at, reason=reason, detail=detail)
    )


def _submitted(job: Job, fact: Submitted) -> Step:
    return _move(job, Phase.QUEUED, slurm_id=fact.slurm_id, submitted_at=fact.at).then(
        lambda it: _tell(it, EventKind.QUEUED, fact.at)
    )


def _seen(job: Job, fact: Seen) -> Step:
    sighting = fact.sighting
    if sighting.state is None:
        return Step(job=job, anomaly=f"unknown Slurm state {sighting.word!r}")
    if job.slurm_id is None:
        return Step(job=job, anomaly=f"{sighting.word} seen of a job that has no Slurm id")
    said = meaning(sighting.state, sighting.reason)
    present = _present(job, fact)
    if said is Meaning.INTERRUPTED:
        return _interrupted(present, fact)
    present = replace(present, interrupted_since=None)
    match said:
        case Meaning.QUEUED | Meaning.REQUEUED | Meaning.HELD:
            return _waits(present, fact, held=said is Meaning.HELD)
        case Meaning.RUNNING:
            return _runs(present, fact)
        case Meaning.UNDECIDED:
            return Step(job=present)
        case Meaning.COMPLETED | Meaning.FAILED | Meaning.CANCELLED:
            return _ends(present, fact, said)
    assert_never(said)


def _waits(job: Job, fact: Seen, *, held: bool) -> Step:
    reason = fact.sighting.reason
    step = Step(job=job)
    if job.phase is Phase.RUNNING:
        step = _requeue(job, fact.at, restart=job.restart + 1)
    phase = Phase.HELD if held else Phase.QUEUED
    if step.job.phase is not phase:
        kind = EventKind.HELD if held else EventKind.QUEUED
        return step.then(lambda it: _move(it, phase, pending_reason=reason)).then(
            lambda it: _tell(it, kind, fact.at, detail=reason)
        )
    if held or reason in (None, step.job.pending_reason):
        return step
    return step.then(lambda it: Step(job=replace(it, pending_reason=reason))).then(
        lambda it: _tell(it, EventKind.PENDING, fact.at, detail=reason)
    )


def _requeue(job: Job, at: datetime, *, restart: int) -> Step:
    """Back to the queue, with nothing left of the run that was."""
    waiting = _move(
        job,
        Phase.QUEUED,
        restart=restart,
        started_at=None,
        ended_at=None,
        slurm_started_at=None,
        nodes=None,
        container_exit_code=None,
        exit_code=None,
    )
    return waiting.then(lambda it: _tell(it, EventKind.REQUEUED, at))


def _runs(job: Job, fact: Seen) -> Step:
    sighting = fact.sighting
    known, now = job.slurm_started_at, sighting.started_at
    step = Step(job=job)
    if known is not None and now is not None and now != known:
        step = _requeue(job, fact.at, restart=job.restart + 1)
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
    return _move(known, Phase.RUNNING, pending_reason=None).then(
        lambda it: _tell(it, EventKind.STARTED, at)
    )


def _ends(job: Job, fact: Seen, said: Meaning) -> Step:
    step = _runs(job, fact) if _has_started(fact.sighting, said) else Step(job=job)
    return step.then(lambda it: _conclude(it, fact, said))


def _has_started(sighting: Sighting, said: Meaning) -> bool:
    # A job cancelled or past its deadline in the queue never started. Slurm then sets its start to
    # the time of its end, in squeue and in sacct (seen with 22.05); only nodes tell a real start.
    ran = sighting.started_at is not None and sighting.nodes is not None
    return ran or said is Meaning.COMPLETED


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
        detail = "stopped while it ran" if ran else "cancelled before it started"
        return _end(job, Phase.CANCELLED, fact.at, detail=detail)
    if said is Meaning.COMPLETED and job.container_exit_code:
        return _by_end_mark(job, fact.at, job.container_exit_code)
    if said is Meaning.COMPLETED and not sighting.exit_code and not sighting.signal:
        return _end(replace(job, exit_code=0), Phase.FINISHED, fact.at)
    reason, detail = failure_of(replace(sighting, exit_code=job.exit_code))
    return _end(job, Phase.FAILED, fact.at, reason=reason, detail=detail)


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


def _absent(job: Job, fact: Absent, grace: timedelta) -> Step:
    if job.slurm_id is None:
        return Step(job=job, anomaly="absence told of a job that has no Slurm id")
    absent = replace(job, absent_since=job.absent_since or fact.at)
    if not fact.accounting and job.container_exit_code is not None:
        return _by_end_mark(absent, fact.at, job.container_exit_code)
    if job.absent_since is None or fact.at - job.absent_since < grace:
        return Step(job=absent)
    if job.container_exit_code is not None:
        return _by_end_mark(absent, fact.at, job.container_exit_code)
    return _end(
        absent,
        Phase.FAILED,
        fact.at,
        reason=FailureReason.LOST,
        detail="Slurm no longer knows this job, and it left no end marker",
    )


def _by_end_mark(job: Job, at: datetime, exit_code: int) -> Step:
    """The container's own word, where Slurm cannot say any more."""
    if exit_code == 0:
        return _end(job, Phase.FINISHED, at)
    return _end(
        job,
        Phase.FAILED,
        at,
        reason=FailureReason.EXIT_CODE,
        detail=f"the container exited with {exit_code}",
    )


def _start_mark(job: Job, fact: StartMark) -> Step:
    if job.slurm_id is None or fact.restart < job.restart:
        return Step(job=job)
    step = Step(job=job)
    if fact.restart > job.restart:
        step = _catch_up(job, fact.at, fact.restart)
    if step.job.phase is Phase.RUNNING:
        return step
    return step.then(
        lambda it: _move(
            it,
            Phase.RUNNING,
            started_at=fact.started_at,
            nodes=fact.node,
            pending_reason=None,
            interrupted_since=None,
            absent_since=None,
        )
    ).then(lambda it: _tell(it, EventKind.STARTED, fact.at))


def _catch_up(job: Job, at: datetime, restart: int) -> Step:
    if job.phase is Phase.RUNNING:
        return _requeue(job, at, restart=restart)
    return Step(job=replace(job, restart=restart))


def _end_mark(job: Job, fact: EndMark) -> Step:
    if job.phase is not Phase.RUNNING or fact.restart != job.restart:
        return Step(job=job)
    if job.container_exit_code is not None:
        return Step(job=job)
    ended = replace(
        job,
        container_exit_code=fact.exit_code,
        exit_code=fact.exit_code,
        ended_at=fact.ended_at,
    )
    return _tell(ended, EventKind.EXITED, fact.at)
