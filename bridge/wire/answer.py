"""A bridge's answers to questions, version 1."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.core.errors import InvalidRequestError
from bridge.wire.limits import SiteLimits
from bridge.wire.presence import Presence
from bridge.wire.problems import problems_of


class Fault(StrEnum):
    """Why there is no answer, in one word."""

    INVALID = "invalid"
    """The question is none, or asks for what is never handed out."""
    UNKNOWN = "unknown"
    """There is no such job, or no such file of it."""
    TOO_LARGE = "too-large"
    """The file is too large to be handed out: fetch it where it lies."""
    UNAVAILABLE = "unavailable"
    """The site does not answer now: ask again later."""
    BUSY = "busy"
    """As much as is possible is asked already: ask again later."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class FaultData(_Model):
    """Why there is no answer."""

    reason: Annotated[Fault, Field(strict=False)] = Field(description="in one word")
    words: str = Field(description="for a person")


class RangeData(_Model):
    """Some of the bytes of a file, or of a job message."""

    start: int = Field(description="where they begin in it")
    size: int = Field(description="how many it has now")
    data: str = Field(description="the bytes, in Base64 (RFC 4648, 4)")


class EventsData(_Model):
    """Some of a job's events, oldest first."""

    events: list[str] = Field(description="each as it was published, as text")
    after: int = Field(description="for the next page; there is none when it has not grown")
    is_last: bool = Field(description="whether there are no more for now")


class FollowData(_Model):
    """From where on a followed job's output is told."""

    stdout: int = Field(description="the first byte that is told")
    stderr: int = Field(description="the first byte that is told")
    until: datetime = Field(description="when that ends unless somebody asks again")


class Answer(_Model):
    """The answer to a question: `fault`, or what was asked for, all else is null."""

    version: Literal[1] = Field(default=1, description="of this form of message")
    site: str = Field(description="whose bridge answers")
    fault: FaultData | None = Field(default=None, description="why there is no answer")
    limits: SiteLimits | None = Field(default=None, description="to `limits`")
    presence: Presence | None = Field(default=None, description="to `presence`")
    range: RangeData | None = Field(default=None, description="to `logs`, `artifact` and `request`")
    events: EventsData | None = Field(default=None, description="to `events`")
    follow: FollowData | None = Field(default=None, description="to `follow`")


def answer_body(answer: Answer) -> bytes:
    """The message that answers."""
    return answer.model_dump_json().encode()


def read_answer(body: bytes) -> Answer:
    """What a bridge answers. Raises InvalidRequestError."""
    try:
        return Answer.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequestError(*problems_of(error)) from None
