"""Relaunch: whether a failed attempt is followed by another one, when, and with how much."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.failure import FailureReason
from bridge.core.job import Resources, RetryWish
from bridge.core.lifecycle import EventKind, Job, Phase, Step
from bridge.core.moves import move, tell
from bridge.core.policy import back_off
from bridge.core.quantity import LONGEST_WALLTIME, MOST_MEMORY_MIB
from bridge.core.site import Limits

LONGEST_WAIT = timedelta(hours=1)
"""Before any attempt, whatever its policy: one that is further off was told by another clock."""

_CLOCKS_DIFFER = timedelta(minutes=1)
# Less may be between two machines that serve a site one after the other.

RETRYABLE = frozenset(
    {
        FailureReason.EXIT_CODE,
        FailureReason.SIGNAL,
        FailureReason.TIMEOUT,
        FailureReason.OUT_OF_MEMORY,
        FailureReason.PREEMPTED,
        FailureReason.NODE_FAILURE,
        FailureReason.BOOT_FAILURE,
        FailureReason.IMAGE_PULL,
        FailureReason.NO_IMAGE,
    }
)
"""Refused would be refused again, and a lost job may still run somewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a failed attempt is followed by another one."""

    attempts: int = 1
    """How many there may be in all; 1 is no retry."""
    reasons: frozenset[FailureReason] = frozenset(
        {FailureReason.PREEMPTED, FailureReason.NODE_FAILURE, FailureReason.BOOT_FAILURE}
    )
    exit_codes: frozenset[int] = frozenset()
    """Exit codes of the container that are retried; empty with EXIT_CODE in `reasons` means all."""
    wait: timedelta = timedelta(seconds=30)
    """Before the second attempt; doubles with each further one."""
    longest_wait: timedelta = LONGEST_WAIT
    """No more than LONGEST_WAIT."""
    walltime_factor: float = 1.0
    """By how much the time limit grows with each attempt after one that ran into it."""
    memory_factor: float = 1.0
    """By how much the memory grows with each attempt after one that ran out of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Which next attempts may be submitted at a moment, as bounds that a database can compare.

    Where the clock was set back since, nobody can tell how long they have waited: they may.
    """

    now: datetime
    furthest: datetime
    """A `not_before` after this was told before the clock was set back."""
    latest_change: datetime
    """So was a job that was written after this."""

    def has_come(self, not_before: datetime | None, *, changed_at: datetime) -> bool:
        """Whether a job that is recorded so may be submitted."""
        if not_before is None or not_before <= self.now:
            return True
        return not_before > self.furthest or changed_at > self.latest_change


def due(now: datetime) -> Due:
    """What is due by the clock as it is now."""
    return Due(now=now, furthest=now + LONGEST_WAIT, latest_change=now + _CLOCKS_DIFFER)


def read_retryable(word: object) -> FailureReason:
    """The reason of this name. Raises ValueError for one that no policy can name."""
    if isinstance(word, str) and word in RETRYABLE:
        return FailureReason(word)
    is_known = word in list(FailureReason)
    what = "a job that failed so is never tried again" if is_known else "there is no such reason"
    raise ValueError(f"{what}; accepted: {', '.join(sorted(RETRYABLE))}")


def policy_for(wish: RetryWish | None, default: RetryPolicy) -> RetryPolicy:
    """What holds for a job, given what it says and what its site says."""
    if wish is None:
        return default
    return RetryPolicy(
        attempts=wish.attempts,
        reasons=_reasons(wish, default),
        exit_codes=wish.exit_codes,
        wait=wish.wait or default.wait,
        longest_wait=default.longest_wait,
        walltime_factor=wish.walltime_factor or default.walltime_factor,
        memory_factor=wish.memory_factor or default.memory_factor,
    )


def _reasons(wish: RetryWish, default: RetryPolicy) -> frozenset[FailureReason]:
    chosen = default.reasons if wish.reasons is None else wish.reasons
    # Who names exit codes means them, also without the reason's name.
    return chosen | {FailureReason.EXIT_CODE} if wish.exit_codes else chosen


def relaunch(job: Job, step: Step, policy: RetryPolicy) -> Step:
    """The step that leads to the next attempt instead of `step`, where the policy has one.

    `job` is as it was before `step`. A job that somebody cancelled is never relaunched.
    """
    last = step.events[-1] if step.events else None
    if last is None or last.kind is not EventKind.FAILED or last.reason is None:
        return step
    if job.cancel_requested_at is not None or not _is_retried(step.job, last.reason, policy):
        return step
    failed = replace(step.job, phase=job.phase, sequence=step.job.sequence - 1)
    wait = back_off(failed.attempt, first=policy.wait, longest=policy.longest_wait, jitter=0.0)
    told = move(failed, Phase.ACCEPTED, not_before=last.at + wait).then(
        lambda it: tell(
            it,
            EventKind.RETRYING,
            last.at,
            reason=last.reason,
            detail=f"{last.detail}; attempt {failed.attempt + 1} of {policy.attempts} follows",
        )
    )
    return Step(job=_afresh(told.job, last.reason), events=(*step.events[:-1], *told.events))


def _is_retried(failed: Job, reason: FailureReason, policy: RetryPolicy) -> bool:
    if failed.attempt >= policy.attempts or reason not in policy.reasons & RETRYABLE:
        return False
    if reason is FailureReason.EXIT_CODE and policy.exit_codes:
        return failed.exit_code in policy.exit_codes
    return True


def _afresh(job: Job, reason: FailureReason) -> Job:
    """The next attempt, with nothing left of the one that failed but what it teaches."""
    return Job(
        job_id=job.job_id,
        accepted_at=job.accepted_at,
        phase=Phase.ACCEPTED,
        revision=job.revision,
        sequence=job.sequence,
        attempt=job.attempt + 1,
        not_before=job.not_before,
        timeouts=job.timeouts + (reason is FailureReason.TIMEOUT),
        sweep=job.sweep,
        task_index=job.task_index,
        memory_shortages=job.memory_shortages + (reason is FailureReason.OUT_OF_MEMORY),
    )


def grown(asked: Resources, job: Job, policy: RetryPolicy, limits: Limits) -> Resources:
    """What this attempt asks for: more time or memory after attempts that lacked it.

    Never more than the site's limits, or than a job could ask for where the site has none; what
    the job leaves to the site's defaults is left alone.
    """
    walltime, memory = asked.walltime, asked.memory_mib
    if walltime is not None and job.timeouts:
        most_time = limits.walltime or LONGEST_WALLTIME
        factor = policy.walltime_factor**job.timeouts
        walltime = min(walltime * min(factor, most_time / walltime), most_time)
    if memory is not None and job.memory_shortages:
        most_memory = limits.memory_mib or MOST_MEMORY_MIB
        factor = policy.memory_factor**job.memory_shortages
        memory = min(round(memory * min(factor, most_memory / memory)), most_memory)
    return replace(asked, walltime=walltime, memory_mib=memory)
