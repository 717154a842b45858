"""What a front end imports: send jobs to a site, follow what becomes of them."""

from bridge.client.address import broker_at
from bridge.client.follow import Follower
from bridge.client.quiet import log_to_the_application
from bridge.client.submit import NoBridgeError, Submitter

__all__ = ["Follower", "NoBridgeError", "Submitter", "broker_at"]

log_to_the_application()
