"""The growth of a followed job's output, version 1."""

import base64
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.core.errors import InvalidRequestError
from bridge.wire.problems import problems_of


class LogMessage(BaseModel):
    """Bytes that a job has written, unmodified."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal[1] = Field(default=1, description="of this form of message")
    site: str = Field(description="the site's name")
    job_id: str = Field(description="whose output it is")
    stream: Literal["stdout", "stderr"] = Field(description="which of its files")
    offset: int = Field(description="where these bytes begin in the file")
    size: int = Field(description="how many bytes the file had when these were read")
    data: str = Field(description="the bytes, in Base64 (RFC 4648, 4)")
    is_last: bool = Field(description="whether the job is over, and nothing follows")

    @property
    def bytes(self) -> bytes:
        """The bytes as they are. Raises ValueError when they are no Base64."""
        return base64.b64decode(self.data, validate=True)


def log_body(message: LogMessage) -> bytes:
    """The message that tells it."""
    return message.model_dump_json().encode()


def read_log(body: bytes) -> LogMessage:
    """What was written. Raises InvalidRequestError."""
    try:
        return LogMessage.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequestError(*problems_of(error)) from None
