"""What a bridge says of itself, again and again while it runs."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.core.errors import InvalidRequestError
from bridge.wire.problems import problems_of


class Presence(BaseModel):
    """A site's bridge is there. Times are RFC 3339 in UTC; null is not known."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal[1] = Field(default=1, description="of this form of message")
    site: str = Field(description="the site's name")
    at: datetime = Field(description="when it said so")
    valid_seconds: int = Field(
        description="if nothing follows for so long, the bridge is not there any more"
    )
    bridge_version: str = Field(description="of the program")
    running_since: datetime = Field(description="when it started")
    limits_digest: str = Field(description="changes when what the site allows does")
    waiting: int = Field(description="jobs that Slurm does not have yet")
    live: int = Field(description="jobs that Slurm has, waiting there or running")
    is_reached: bool = Field(description="false while the site's scheduler does not answer")
    answered_seconds_ago: float | None = Field(
        description="how long ago the scheduler last answered; null when it was not asked yet"
    )


def presence_body(presence: Presence) -> bytes:
    """The message that tells it."""
    return presence.model_dump_json().encode()


def read_presence(body: bytes) -> Presence:
    """What a bridge says of itself. Raises InvalidRequestError."""
    try:
        return Presence.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequestError(*problems_of(error)) from None
