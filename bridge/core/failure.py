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
    IMAGE_PULL = "image-pull"
    """Its image is not there, and could not be pulled."""
    NO_IMAGE = "no-image"
    """Its image is not there, or cannot be read, and nobody was to pull it."""
    LOST = "lost"
    DEPENDENCY = "dependency"
    """It waited for another job, and that one did not end as it should."""
    TASKS = "tasks"
    """Of a sweep: not all of its tasks have finished."""


class Hindrance(StrEnum):
    """What kept a job's script from starting the container. The values are stored in journals."""

    IMAGE = "image"
    """It is not there, and could not be pulled."""
    NO_IMAGE = "no-image"
    """It is not there, or cannot be read, and nobody was to pull it."""
    SECRET = "secret"  # noqa: S105 - a word
    """One of the site's secrets could not be read."""
    MOUNT = "mount"
    """Something that it mounts is not there."""
    PATH = "path"
    """A link leads out of the folders that jobs may use."""
