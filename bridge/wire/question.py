"""Questions to a site's bridge, version 1. They change nothing, and are answered while it runs."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.wanted import echo
from bridge.wire.json_text import read_json
from bridge.wire.problems import problems_of

LONGEST_RANGE = 256 * 1024
"""Bytes of a file in one answer."""
LARGEST_ARTIFACT = 16 * 1024 * 1024
"""Bytes of a file that is handed out at all; larger ones are fetched where they lie."""
LONGEST_LEASE = 300
_LARGEST = 2**63 - 1


class Stream(StrEnum):
    """A file that a running job writes to."""

    STDOUT = "stdout"
    STDERR = "stderr"
    PROGRESS = "progress"
    """What `BRIDGE_PROGRESS` names."""


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: Literal[1] = Field(default=1, description="of this form of message")


class LimitsQuestion(_Question):
    """What the site allows: to bound a form by."""

    verb: Literal["limits"] = Field(default="limits", description="what is asked")


class PresenceQuestion(_Question):
    """Who is there. Every bridge answers it that is asked."""

    verb: Literal["presence"] = Field(default="presence", description="what is asked")


class LogsQuestion(_Question):
    """A range of what a job has written, also of one that has ended."""

    verb: Literal["logs"] = Field(default="logs", description="what is asked")
    job_id: UUID = Field(strict=False, description="whose")
    stream: Annotated[Stream, Field(strict=False)] = Field(
        default=Stream.STDOUT, description="which of its files"
    )
    start: int = Field(default=0, ge=0, le=_LARGEST, description="the first byte")
    length: int = Field(
        default=LONGEST_RANGE,
        ge=0,
        le=_LARGEST,
        description=f"how many bytes; an answer has at most {LONGEST_RANGE}",
    )


class ArtifactQuestion(_Question):
    """A range of a file that a job has left in its `artifacts/`."""

    verb: Literal["artifact"] = Field(default="artifact", description="what is asked")
    job_id: UUID = Field(strict=False, description="whose")
    name: str = Field(
        min_length=1, max_length=4096, description="the path below `artifacts/`, with `/`"
    )
    start: int = Field(default=0, ge=0, le=_LARGEST, description="the first byte")
    length: int = Field(
        default=LONGEST_RANGE,
        ge=0,
        le=_LARGEST,
        description=f"how many bytes; an answer has at most {LONGEST_RANGE}",
    )


class RequestQuestion(_Question):
    """A range of the job message as the site has it, for a page that shows or repeats the job."""

    verb: Literal["request"] = Field(default="request", description="what is asked")
    job_id: UUID = Field(strict=False, description="whose")
    start: int = Field(default=0, ge=0, le=_LARGEST, description="the first byte")
    length: int = Field(
        default=LONGEST_RANGE,
        ge=0,
        le=_LARGEST,
        description=f"how many bytes; an answer has at most {LONGEST_RANGE}",
    )


class EventsQuestion(_Question):
    """The events of a job once more, as long as the site's journal keeps them."""

    verb: Literal["events"] = Field(default="events", description="what is asked")
    job_id: UUID = Field(strict=False, description="whose")
    after: int = Field(
        default=0, ge=0, le=_LARGEST, description="only those after this place: for a next page"
    )


class FollowQuestion(_Question):
    """Have the growth of a job's stdout and stderr told for a while; ask again to go on."""

    verb: Literal["follow"] = Field(default="follow", description="what is asked")
    job_id: UUID = Field(strict=False, description="whose")
    seconds: int = Field(
        default=60, ge=1, le=LONGEST_LEASE, description="for how long, from now on"
    )


Question = (
    LimitsQuestion
    | PresenceQuestion
    | LogsQuestion
    | ArtifactQuestion
    | RequestQuestion
    | EventsQuestion
    | FollowQuestion
)

QUESTIONS: Mapping[str, type[Question]] = MappingProxyType(
    {
        "limits": LimitsQuestion,
        "presence": PresenceQuestion,
        "logs": LogsQuestion,
        "artifact": ArtifactQuestion,
        "request": RequestQuestion,
        "events": EventsQuestion,
        "follow": FollowQuestion,
    }
)


def read_question(body: bytes) -> Question:
    """What is asked. Raises InvalidRequestError."""
    data = read_json(body)
    verb = data.get("verb") if isinstance(data, dict) else None
    model = QUESTIONS.get(verb) if isinstance(verb, str) else None
    if model is None:
        what = f"one of {', '.join(QUESTIONS)} is wanted (found {echo(verb)})"
        raise InvalidRequestError(Problem(where="verb", what=what))
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidRequestError(*problems_of(error)) from None


def question_body(question: Question) -> bytes:
    """The message that asks it."""
    return question.model_dump_json().encode()
