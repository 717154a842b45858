"""Every Slurm state and what it means to us, in one table.

The words are those of squeue(1) and sacct(1), "JOB STATE CODES", from 22.05 to 26.05.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Meaning(StrEnum):
    """What a state says about a job's life."""

    QUEUED = "waits for its turn"
    REQUEUED = "waits again: the next restart of the same Slurm job"
    HELD = "waits until somebody releases it"
    RUNNING = "runs"
    UNDECIDED = "is on its way to another state; says nothing of the outcome"
    COMPLETED = "ended with success"
    FAILED = "ended without success"
    CANCELLED = "was cancelled"
    INTERRUPTED = "lost its node or its place; final only when confirmed, since Slurm may requeue"


class SlurmState(StrEnum):
    """The words of Slurm."""

    PENDING = "PENDING"
    CONFIGURING = "CONFIGURING"
    REQUEUE_FED = "REQUEUE_FED"
    EXPEDITING = "EXPEDITING"
    REQUEUED = "REQUEUED"
    REQUEUE_HOLD = "REQUEUE_HOLD"
    SPECIAL_EXIT = "SPECIAL_EXIT"
    RESV_DEL_HOLD = "RESV_DEL_HOLD"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    STOPPED = "STOPPED"
    RESIZING = "RESIZING"
    SIGNALING = "SIGNALING"
    COMPLETING = "COMPLETING"
    STAGE_OUT = "STAGE_OUT"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMEOUT = "TIMEOUT"
    DEADLINE = "DEADLINE"
    CANCELLED = "CANCELLED"
    PREEMPTED = "PREEMPTED"
    NODE_FAIL = "NODE_FAIL"
    BOOT_FAIL = "BOOT_FAIL"
    REVOKED = "REVOKED"
    LAUNCH_FAILED = "LAUNCH_FAILED"
    RECONFIG_FAIL = "RECONFIG_FAIL"
    POWER_UP_NODE = "POWER_UP_NODE"
    UPDATE_DB = "UPDATE_DB"
    GETENV_FAILED = "GETENV_FAILED"


MEANING: Mapping[SlurmState, Meaning] = MappingProxyType(
    {
        SlurmState.PENDING: Meaning.QUEUED,
        SlurmState.CONFIGURING: Meaning.QUEUED,
        SlurmState.REQUEUE_FED: Meaning.QUEUED,
        SlurmState.EXPEDITING: Meaning.QUEUED,
        SlurmState.REQUEUED: Meaning.REQUEUED,
        SlurmState.REQUEUE_HOLD: Meaning.HELD,
        SlurmState.SPECIAL_EXIT: Meaning.HELD,
        SlurmState.RESV_DEL_HOLD: Meaning.HELD,
        SlurmState.RUNNING: Meaning.RUNNING,
        SlurmState.SUSPENDED: Meaning.RUNNING,
        SlurmState.STOPPED: Meaning.RUNNING,
        SlurmState.RESIZING: Meaning.RUNNING,
        SlurmState.SIGNALING: Meaning.RUNNING,
        SlurmState.COMPLETING: Meaning.UNDECIDED,
        SlurmState.STAGE_OUT: Meaning.UNDECIDED,
        SlurmState.COMPLETED: Meaning.COMPLETED,
        SlurmState.FAILED: Meaning.FAILED,
        SlurmState.OUT_OF_MEMORY: Meaning.FAILED,
        SlurmState.TIMEOUT: Meaning.FAILED,
        SlurmState.DEADLINE: Meaning.FAILED,
        SlurmState.CANCELLED: Meaning.CANCELLED,
        SlurmState.PREEMPTED: Meaning.INTERRUPTED,
        SlurmState.NODE_FAIL: Meaning.INTERRUPTED,
        SlurmState.BOOT_FAIL: Meaning.INTERRUPTED,
        # The sibling on another cluster of the federation carries on; this record does not end it.
        SlurmState.REVOKED: Meaning.UNDECIDED,
        # Flags that hide the base state where only one word is printed.
        SlurmState.LAUNCH_FAILED: Meaning.UNDECIDED,
        SlurmState.RECONFIG_FAIL: Meaning.UNDECIDED,
        SlurmState.POWER_UP_NODE: Meaning.UNDECIDED,
        SlurmState.UPDATE_DB: Meaning.UNDECIDED,
        SlurmState.GETENV_FAILED: Meaning.UNDECIDED,
    }
)

FINAL = frozenset({Meaning.COMPLETED, Meaning.FAILED, Meaning.CANCELLED, Meaning.INTERRUPTED})

HOLD_REASONS = ("JobHeld", "JobHold", "launch failed requeued held")
# squeue(1), "JOB REASON CODES": JobHeldAdmin, JobHeldUser, JobHoldMaxRequeue; the last is what
# Slurm writes of a job that it could not launch. The state word stays PENDING with all of them.


def read_state(text: str) -> SlurmState | None:
    """The state in a column of squeue or sacct, None when the word is not known.

    sacct writes `CANCELLED by 1001` and marks a cut column with a trailing `+`.
    """
    words = text.split()
    word = words[0].rstrip("+") if words else ""
    return SlurmState(word) if word in SlurmState.__members__ else None


def meaning(state: SlurmState, reason: str | None) -> Meaning:
    """What the state says, given Slurm's reason for it."""
    words = (reason or "").replace("_", " ")
    is_held = MEANING[state] is Meaning.QUEUED and words.startswith(HOLD_REASONS)
    return Meaning.HELD if is_held else MEANING[state]
