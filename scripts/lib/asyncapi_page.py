"""Writes docs/asyncapi.yaml from the models of what goes in and out; `--check` only compares."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from drawn_page import write_or_check
from message_page import BROKER, JOB_ID, LARGE, SMALLEST, example_event
from pydantic.json_schema import models_json_schema

from bridge import __version__
from bridge.core.settings import EVERYBODY
from bridge.wire.answer import Answer
from bridge.wire.control import CancelMessage
from bridge.wire.event import CONTENT_TYPE, CloudEvent
from bridge.wire.job_message import JobMessage
from bridge.wire.log import LogMessage
from bridge.wire.presence import Presence
from bridge.wire.question import QUESTIONS

PAGE = "docs/asyncapi.yaml"
Node = dict[str, Any]

SITE: Node = {"description": "The site's name, as `site.name` in its bridge's file has it."}

DESCRIPTION = """\
The bridge between web front ends and Slurm, as a front end sees it at RabbitMQ (AMQP 0-9-1). The
exchanges' names begin with the `namespace` of the deployment, here the default one. Written from
the models that the bridge itself reads and writes with; docs/messages.md explains every field, and
docs/broker.md what survives what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """An exchange, with the messages that go over it."""

    name: str
    exchange: str
    kind: str
    address: str
    """The routing key."""
    description: str
    messages: tuple[str, ...]
    sends: bool
    """Whether front ends send; else they receive."""
    summary: str
    parameters: Mapping[str, Node] = field(default_factory=lambda: {"site": SITE})
    reply: str | None = None
    """The channel on which the answers come."""


CHANNELS = (
    Channel(
        name="jobs",
        exchange=BROKER.jobs_exchange,
        kind="direct",
        address="{site}",
        description="Jobs for a site. Persistent, with publisher confirms and `mandatory`: "
        "confirmed and not returned means that the job is safe in the site's queue.",
        messages=("job",),
        sends=True,
        summary="Submit a job.",
    ),
    Channel(
        name="control",
        exchange=BROKER.control_exchange,
        kind="direct",
        address="{site}",
        description="Wishes about jobs that a site has. To be sent as jobs are.",
        messages=("cancel",),
        sends=True,
        summary="Have a job stopped.",
    ),
    Channel(
        name="events",
        exchange=BROKER.events_exchange,
        kind="topic",
        address="{site}.{event}",
        description="What becomes of jobs, at least once each. Bind a queue of your own, with "
        "`#` for everything, `vaughan.*` for one site, `*.failed` for failures.",
        messages=("event",),
        sends=False,
        summary="Hear what becomes of jobs.",
        parameters={"site": SITE, "event": {"description": "What happened, in one word."}},
    ),
    Channel(
        name="questions",
        exchange=BROKER.questions_exchange,
        kind="direct",
        address="{site}",
        description="Questions to a site's bridge, answered while it runs. With `reply_to` and "
        f"`correlation_id`; with `{EVERYBODY}` for the site, every bridge is asked.",
        messages=tuple(f"{verb}Question" for verb in QUESTIONS),
        sends=True,
        summary="Ask a site's bridge.",
        reply="answers",
    ),
    Channel(
        name="answers",
        exchange=BROKER.answers_exchange,
        kind="direct",
        address="{reply_to}",
        description="Answers, with the question's `correlation_id`. Bind an exclusive queue under "
        "the word that your questions bear as `reply_to`.",
        messages=("answer",),
        sends=False,
        summary="Hear the answers.",
        parameters={"reply_to": {"description": "What the question bore as `reply_to`."}},
    ),
    Channel(
        name="logs",
        exchange=BROKER.logs_exchange,
        kind="topic",
        address="{site}.{job_id}",
        description="What followed jobs write, as they write it; nobody keeps it.",
        messages=("log",),
        sends=False,
        summary="Hear what a job writes.",
        parameters={"site": SITE, "job_id": {"description": "The job's id."}},
    ),
    Channel(
        name="presence",
        exchange=BROKER.presence_exchange,
        kind="topic",
        address="{site}.presence",
        description="Each bridge says again and again that it is there.",
        messages=("presence",),
        sends=False,
        summary="Hear which bridges are there.",
    ),
)

MODELS: Mapping[str, type[Any]] = {
    "job": JobMessage,
    "cancel": CancelMessage,
    "event": CloudEvent,
    **{f"{verb}Question": model for verb, model in QUESTIONS.items()},
    "answer": Answer,
    "log": LogMessage,
    "presence": Presence,
}
READ = {"job", "cancel", *(f"{verb}Question" for verb in QUESTIONS)}
"""Messages of which the schema is what the bridge accepts; of the others, what it writes."""
CONTENT_TYPES = {"event": CONTENT_TYPE}
EXAMPLES: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "job": (SMALLEST, LARGE),
    "cancel": ({"version": 1, "verb": "cancel", "job_id": JOB_ID},),
    "event": (example_event().model_dump(mode="json"),),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the document, or with `--check` returns 1 when it is not what would be written."""
    return write_or_check(
        PAGE, page(), program="scripts/asyncapi-page", does=__doc__, arguments=arguments
    )


def page() -> str:
    """The whole document as YAML."""
    plain = json.loads(json.dumps(document()))
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)


def document() -> Node:
    """The AsyncAPI document, version 3.1.0."""
    schemas = _schemas()
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "hpc-batch-bridge, for front ends",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "BSD-3-Clause"},
        },
        "defaultContentType": "application/json",
        "channels": {it.name: _channel(it) for it in CHANNELS},
        "operations": {_operation_name(it): _operation(it) for it in CHANNELS},
        "components": {
            "messages": {name: _message(name) for name in MODELS},
            "schemas": schemas,
        },
    }


def _channel(channel: Channel) -> Node:
    return {
        "address": channel.address,
        "description": channel.description,
        "parameters": dict(channel.parameters),
        "messages": {it: {"$ref": f"#/components/messages/{it}"} for it in channel.messages},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {
                    "name": channel.exchange,
                    "type": channel.kind,
                    "durable": True,
                    "autoDelete": False,
                },
                "bindingVersion": "0.3.0",
            }
        },
    }


def _operation_name(channel: Channel) -> str:
    verb = "send" if channel.sends else "receive"
    return f"{verb}{channel.name[0].upper()}{channel.name[1:]}"


def _operation(channel: Channel) -> Node:
    operation: Node = {
        "action": "send" if channel.sends else "receive",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.summary,
    }
    if channel.sends:
        amqp = {"deliveryMode": 1 if channel.reply else 2, "mandatory": True}
        operation["bindings"] = {"amqp": {**amqp, "bindingVersion": "0.3.0"}}
    if channel.reply:
        operation["reply"] = {"channel": {"$ref": f"#/channels/{channel.reply}"}}
    return operation


def _message(name: str) -> Node:
    message: Node = {
        "name": name,
        "summary": _first_line(MODELS[name]),
        "contentType": CONTENT_TYPES.get(name, "application/json"),
        "payload": {"$ref": f"#/components/schemas/{MODELS[name].__name__}"},
    }
    if name in EXAMPLES:
        message["examples"] = [{"payload": dict(it)} for it in EXAMPLES[name]]
    return message


def _first_line(model: type[Any]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _schemas() -> Node:
    wanted: list[Any] = [
        (model, "validation" if name in READ else "serialization") for name, model in MODELS.items()
    ]
    _, schema = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    found: Node = schema["$defs"]
    return found


class _Dumper(yaml.SafeDumper):
    """No anchors: what is the same twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


if __name__ == "__main__":
    sys.exit(main())
