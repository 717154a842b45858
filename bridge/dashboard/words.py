"""What pages say: states, times and sizes as people read them. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bridge.core.failure import FailureReason
from bridge.core.lifecycle import EventKind
from bridge.core.user_state import UserState

UNKNOWN = "\N{EN DASH}"
"""Stands where nothing is known."""

STATES: Mapping[UserState, str] = {
    UserState.QUEUED: "Queued",
    UserState.RUNNING: "Running",
    UserState.COMPLETE: "Complete",
    UserState.FAILED: "Failed",
    UserState.CANCELLED: "Cancelled",
    UserState.TERMINATED: "Terminated",
}

EVENTS: Mapping[EventKind, str] = {
    EventKind.ACCEPTED: "The bridge has the job",
    EventKind.REJECTED: "The site did not take a message with this id",
    EventKind.QUEUED: "In Slurm's queue",
    EventKind.PENDING: "Still waits",
    EventKind.HELD: "Held until somebody releases it",
    EventKind.PULLING: "The site fetches its image",
    EventKind.STARTED: "Started",
    EventKind.EXITED: "The container has ended",
    EventKind.REQUEUED: "Back in Slurm's queue",
    EventKind.RETRYING: "This attempt failed; another one follows",
    EventKind.FINISHED: "Finished",
    EventKind.FAILED: "Failed",
    EventKind.CANCELLED: "Stopped",
}

REASONS: Mapping[str, str] = {
    FailureReason.EXIT_CODE: "The program ended with an error",
    FailureReason.SIGNAL: "A signal ended the program",
    FailureReason.TIMEOUT: "It ran out of time",
    FailureReason.OUT_OF_MEMORY: "It ran out of memory",
    FailureReason.DEADLINE: "It could not end before its deadline",
    FailureReason.PREEMPTED: "Slurm gave its place to another job",
    FailureReason.NODE_FAILURE: "A node failed under it",
    FailureReason.BOOT_FAILURE: "A node did not boot for it",
    FailureReason.REFUSED: "It was refused, and has not run",
    FailureReason.DEPENDENCY: "A job that it waited for did not end as it should",
    FailureReason.IMAGE_PULL: "Its container image could not be fetched",
    FailureReason.NO_IMAGE: "Its image or conda environment is not there, or cannot be read",
    FailureReason.TASKS: "Not all of its tasks have finished",
    FailureReason.LOST: "Slurm knows it no longer, and nobody can say what became of it",
    "rejected": "The site did not take it",
}

ADVICE: Mapping[str, str] = {
    FailureReason.EXIT_CODE: "Its own last words are in the output below.",
    FailureReason.SIGNAL: "Its own last words are in the output below.",
    FailureReason.TIMEOUT: "Ask for a longer time limit, or save what it has before the limit.",
    FailureReason.OUT_OF_MEMORY: "Ask for more memory, or give it less to do at once.",
    FailureReason.PREEMPTED: "Run it again: nothing was wrong with it.",
    FailureReason.NODE_FAILURE: "Run it again: nothing was wrong with it.",
    FailureReason.BOOT_FAILURE: "Run it again: nothing was wrong with it.",
    FailureReason.DEADLINE: "Ask for less time, or for a later deadline.",
    FailureReason.REFUSED: "Put right what is named here, then send it again.",
    FailureReason.DEPENDENCY: "Run again what it waited for, then this one.",
    FailureReason.IMAGE_PULL: "See that the image's name is right, and that the site may fetch it.",
    FailureReason.NO_IMAGE: "See that the image's name is right, and that it lies at the site.",
    FailureReason.LOST: "See in its folder what it has left, and run it again.",
    FailureReason.TASKS: "Each task below says what became of it.",
    "rejected": "Put right what is named here, then send it again.",
}

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_KILO = 1000


def span(time: timedelta) -> str:
    """A length of time in its two largest units: `8 s`, `2 min 5 s`, `1 h 20 min`, `3 d 4 h`."""
    seconds = max(0, int(time.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return _two(seconds, _MINUTE, "min", 1, "s")
    if seconds < _DAY:
        return _two(seconds, _HOUR, "h", _MINUTE, "min")
    return _two(seconds, _DAY, "d", _HOUR, "h")


def ago(then: datetime, now: datetime) -> str:
    """How long since, in one unit: `now`, `5 s ago`, `3 min ago`; the date after a week."""
    seconds = int((now - then).total_seconds())
    if seconds < 1:
        return "now"
    for limit, size, unit in (
        (_MINUTE, 1, "s"),
        (_HOUR, _MINUTE, "min"),
        (_DAY, _HOUR, "h"),
        (7 * _DAY, _DAY, "d"),
    ):
        if seconds < limit:
            return f"{seconds // size} {unit} ago"
    return f"{then:%Y-%m-%d}"


def moment(time: datetime) -> str:
    """A time in full: `2026-03-01 12:07:02 UTC`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def size(count: int) -> str:
    """Bytes as people write them: `512 B`, `4.1 kB`, `2.0 GB`."""
    if count < _KILO:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB"):
        amount /= _KILO
        if amount < _KILO:
            return f"{amount:.1f} {unit}"
    return f"{amount / _KILO:.1f} TB"


def count_of(number: int, one: str, many: str) -> str:
    """`1 job`, `1,204 jobs`."""
    return f"{number:,} {one if number == 1 else many}"


def _two(seconds: int, size: int, unit: str, smaller: int, smaller_unit: str) -> str:
    whole, rest = divmod(seconds, size)
    rest //= smaller
    return f"{whole} {unit} {rest} {smaller_unit}" if rest else f"{whole} {unit}"
