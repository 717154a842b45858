"""What a front end imports: send jobs to a site, follow what becomes of them, ask about them."""

from bridge.client.address import broker_at
from bridge.client.ask import Artifact, Asker, LogRange, NoAnswerError
from bridge.client.bridge import Bridge, TooManyWaitingError
from bridge.client.follow import Follower
from bridge.client.job import Checkpoint, Dependency, Job, Mount, Resources, Retry
from bridge.client.logs import LogChunk, LogFollower
from bridge.client.quiet import log_to_the_application
from bridge.client.submit import NoBridgeError, Submitter
from bridge.client.watching import Watching

__all__ = [
    "Artifact",
    "Asker",
    "Bridge",
    "Checkpoint",
    "Dependency",
    "Follower",
    "Job",
    "LogChunk",
    "LogFollower",
    "LogRange",
    "Mount",
    "NoAnswerError",
    "NoBridgeError",
    "Resources",
    "Retry",
    "Submitter",
    "TooManyWaitingError",
    "Watching",
    "broker_at",
]

log_to_the_application()
