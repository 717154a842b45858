"""The shape of 2021: one job, straight over RabbitMQ."""

from pydantic import Field

from bridge.core.job import ShellLine
from bridge.wire.mlexchange.draft import (
    Draft,
    Drafts,
    Setting,
    TheirModel,
    command_field,
    kind_of,
    mounts_field,
    plain_name,
)


class BrokerTask(TheirModel):
    """A container, a command, and its arguments as one text."""

    docker_uri: str = Field(min_length=1)
    job_type: str = "training"
    docker_cmd: str = Field(min_length=1)
    gpu: bool = False
    kw_args: str = ""


def drafts_of_task(message: BrokerTask, setting: Setting) -> Drafts:
    """The job in the message."""
    # As it was put together then, for the shell in the container.
    line = f"{message.docker_cmd} {message.kw_args}".rstrip(" ")
    fields = {
        "name": plain_name(message.job_type, message.docker_uri.rpartition("/")[2]),
        "kind": kind_of(message.job_type),
        "image": setting.rules.image(message.docker_uri),
        "command": command_field(ShellLine(text=line), setting, setting.rules.start_in),
        "mounts": mounts_field((), setting),
        "resources": {"gpus": 1 if message.gpu else 0},
        "labels": {"job_type": message.job_type},
    }
    places = {
        "image": "docker_uri",
        "command": "docker_cmd",
        "resources.gpus": "gpu",
        "labels.job_type": "job_type",
    }
    return Drafts(jobs=[Draft(fields=fields, job_type=message.job_type, places=places)])
