"""The public words for why a job failed."""

from enum import StrEnum


class FailureReason(StrEnum):
    """The public words for a failure."""

    EXIT_CODE = "exit-code"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    DEADLINE = "deadline"
    PREEMPTED = "preempted"
    NODE_FAILURE = "node-failure"
    BOOT_FAILURE = "boot-failure"
    REFUSED = "refused"
    LOST = "lost"
    DEPENDENCY = "dependency"
    """It waited for another job, and that one did not end as it should."""
