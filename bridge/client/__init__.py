"""What a front end imports: send jobs to a site, follow what becomes of them, ask about them."""

from bridge.client.address import broker_at
from bridge.client.ask import Artifact, Asker, LogRange, NoAnswerError
from bridge.client.follow import Follower
from bridge.client.logs import LogChunk, LogFollower
from bridge.client.quiet import log_to_the_application
from bridge.client.submit import NoBridgeError, Submitter

__all__ = [
    "Artifact",
    "Asker",
    "Follower",
    "LogChunk",
    "LogFollower",
    "LogRange",
    "NoAnswerError",
    "NoBridgeError",
    "Submitter",
    "broker_at",
]

log_to_the_application()
