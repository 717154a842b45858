"""The control message, version 1: what a front end wants done with a job."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.core.errors import InvalidRequestError
from bridge.core.job import JobId
from bridge.wire.json_text import read_json
from bridge.wire.problems import problems_of


class CancelMessage(BaseModel):
    """End a job, whatever it is doing. Sent twice it is still one wish."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: Literal[1] = Field(default=1, description="of this form of message")
    verb: Literal["cancel"] = Field(default="cancel", description="what is wanted")
    job_id: UUID = Field(strict=False, description="the job that is to end")


def read_cancel(body: bytes) -> JobId:
    """The job that a control message wants cancelled. Raises InvalidRequestError."""
    try:
        message = CancelMessage.model_validate(read_json(body))
    except ValidationError as error:
        raise InvalidRequestError(*problems_of(error)) from None
    return JobId(str(message.job_id))


def cancel_message(job_id: str) -> bytes:
    """The control message that cancels a job. Raises ValueError when that is no UUID."""
    return CancelMessage(job_id=UUID(job_id)).model_dump_json().encode()
