"""JSON schemas of the messages, from the models that read and write them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, JsonSchemaValue

from bridge.wire.control import CancelMessage
from bridge.wire.event import CloudEvent
from bridge.wire.job_message import JobMessage

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MessageName = Literal["job", "control", "event"]

_MESSAGES: Mapping[MessageName, tuple[type[BaseModel], JsonSchemaMode]] = MappingProxyType(
    {
        "job": (JobMessage, "validation"),
        "control": (CancelMessage, "validation"),
        "event": (CloudEvent, "serialization"),
    }
)


def message_schema(name: MessageName) -> JsonSchemaValue:
    """The schema of a message: of what front ends send, what is accepted; of events, what is sent.

    What JSON schemas cannot say, such as that a path has no `..` in it, the bridge still asks.
    """
    model, mode = _MESSAGES[name]
    return with_dialect(model.model_json_schema(mode=mode))


def with_dialect(schema: Mapping[str, Any]) -> JsonSchemaValue:
    """The schema, saying which one it follows."""
    return {"$schema": DIALECT, **schema}
