"""Job messages, built in Python: the fields of the message, checked as the bridge checks them."""

import json
from typing import Any, Literal, Self
from uuid import UUID, uuid4

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator

from bridge.core.errors import InvalidRequestError
from bridge.wire.job_message import (
    CheckpointMessage,
    DependencyMessage,
    JobMessage,
    MountMessage,
    ResourcesMessage,
    RetryMessage,
)
from bridge.wire.request import job_problems, read_message

Checkpoint = CheckpointMessage
Dependency = DependencyMessage
Mount = MountMessage
Resources = ResourcesMessage
Retry = RetryMessage


class Job(JobMessage):
    """A job to send: `Job(name="digits", image="/images/a.sif", command=["python3", "train.py"])`.

    The fields are those of the message (docs/messages.md); `job_id` is made up where none is given.
    Raises InvalidRequestError with everything that no site would accept.
    """

    version: Literal[1] = Field(default=1, description="of this form of message")
    job_id: UUID = Field(
        default_factory=uuid4, strict=False, description="the same id is one job, sent twice or not"
    )

    @model_validator(mode="wrap")
    @classmethod
    def _as_the_bridge_reads_it(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            job = handler(data)
        except ValidationError as error:
            raise InvalidRequestError(*job_problems(error)) from None
        read_message(job.to_bytes(), site=job.site or "")
        return job

    @property
    def id(self) -> str:
        """The job's id, as events have it."""
        return str(self.job_id)

    def to_bytes(self) -> bytes:
        """The message. What was not said is left out, so that older bridges take it too."""
        said = self.model_dump(mode="json", exclude_unset=True)
        whole = {"version": self.version, "job_id": self.id, **said}
        return json.dumps(whole, ensure_ascii=False).encode()
