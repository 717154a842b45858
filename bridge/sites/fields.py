"""The forms that a value in a site's YAML file may have."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from bridge.core.failure import FailureReason
from bridge.core.quantity import (
    DURATION,
    LARGEST_NICE,
    read_duration,
    read_memory_mib,
    read_walltime,
)
from bridge.core.retry import RETRYABLE, read_retryable
from bridge.core.wanted import (
    ENVIRONMENT_NAME,
    GPU_TYPE,
    PROFILE_NAME,
    REFERENCE,
    SLURM_WORD,
)

_WALLTIME = r"([0-9]{1,3}-)?[0-9]{1,4}:[0-5][0-9]:[0-5][0-9]"
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
_PATH = re.compile(r"[A-Za-z0-9_./+@=-]+", re.ASCII)


def _read_duration(value: object) -> timedelta:
    return read_duration(value if isinstance(value, str) else "")


def _read_site_walltime(value: object) -> timedelta:
    return read_walltime(value if isinstance(value, str) else "")


def _read_memory(value: object) -> int:
    return read_memory_mib(value if isinstance(value, str) else "")


def _number_from_text(value: object) -> object:
    """A variable's value is text; where a number is wanted, its digits are as good as one."""
    return int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _factor_from_text(value: object) -> object:
    """As for numbers; a factor may also be written as a whole number."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", value, re.ASCII):
        return float(value)
    return float(value) if type(value) is int else value


def _switch_from_text(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _one_line(text: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("control characters and line breaks are not accepted here")
    return text


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character cannot be passed to a program")
    return text


def _absolute(text: str) -> str:
    path = PurePosixPath(_one_line(text))
    if not path.is_absolute() or ".." in path.parts or text.startswith("//"):
        raise ValueError("an absolute path without '..' is wanted")
    return str(path)


def _plain_path(text: str) -> str:
    path = _absolute(text)
    if not _PATH.fullmatch(path) or path == "/":
        raise ValueError(
            "an absolute path of letters, digits and _ . / + @ = - is wanted, "
            "since Slurm, Apptainer and Shifter give other characters meanings of their own"
        )
    return path


def _directive(text: str) -> str:
    if not re.fullmatch(r"--[a-z][a-z0-9-]*(=[^\s].*)?", _one_line(text)):
        raise ValueError("a long option of sbatch is wanted, such as --exclusive or --licenses=cfs")
    name = text[2:].partition("=")[0]
    if name in WRITTEN_BY_US:
        raise ValueError(f"--{name} is written by the bridge itself")
    if name in ELSEWHERE:
        raise ValueError(
            f"--{name} sends jobs where nobody looks for them; for another cluster, name its "
            "slurm.conf in scheduler.environment"
        )
    return text


WRITTEN_BY_US = frozenset(
    {
        "account", "array", "chdir", "comment", "constraint", "cpus-per-task", "error", "export",
        "get-user-env", "gpus-per-node", "image", "input", "job-name", "kill-on-invalid-dep", "mem",
        "module", "no-requeue", "nodes", "ntasks", "open-mode", "output", "parsable", "partition",
        "qos", "requeue", "signal", "test-only", "time", "volume", "wait", "wrap",
    }
)  # fmt: skip
"""Options that a site may not add as a directive: they have a place, or a value, of their own."""

ELSEWHERE = frozenset({"clusters", "cluster-constraint"})
"""Options by which Slurm runs a job on another cluster: squeue and sacct tell of their own."""

ELSEWHERE_VARIABLES = frozenset(
    {
        *("SLURM_CLUSTERS", "SBATCH_CLUSTERS", "SQUEUE_FEDERATION", "SACCT_FEDERATION"),
        "SCONTROL_FEDERATION",
    }
)
"""Variables that do the same, or have the commands tell of other clusters' jobs (sbatch(1),
squeue(1), sacct(1), scontrol(1), ENVIRONMENT)."""

Duration = Annotated[
    timedelta,
    PlainValidator(_read_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION}$", "format": "bridge-time"}),
]
"""A time such as 500ms, 30s, 5m, 12h or 30d."""

Walltime = Annotated[
    timedelta,
    PlainValidator(_read_site_walltime),
    WithJsonSchema({"type": "string", "pattern": f"^{_WALLTIME}$", "format": "slurm-time"}),
]
"""A time as HH:MM:SS or D-HH:MM:SS, as Slurm writes it."""

Memory = Annotated[
    int,
    PlainValidator(_read_memory),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}[MGT]$", "format": "slurm-size"}),
]
"""A size such as 512M, 16G or 1T; the value is in MiB."""

RetryableReason = Annotated[
    FailureReason,
    PlainValidator(read_retryable),
    WithJsonSchema({"type": "string", "enum": sorted(RETRYABLE)}),
]
Factor = Annotated[float, Field(ge=1, le=100), BeforeValidator(_factor_from_text)]
Attempts = Annotated[int, Field(ge=1, le=100), BeforeValidator(_number_from_text)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000), BeforeValidator(_number_from_text)]
SixteenBits = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_number_from_text)]
"""A port, or a number of messages as AMQP 0-9-1 counts them."""
Processes = Annotated[int, Field(ge=1, le=64), BeforeValidator(_number_from_text)]
GpuCount = Annotated[int, Field(ge=0, le=1_000), BeforeValidator(_number_from_text)]
LowPriority = Annotated[int, Field(ge=-LARGEST_NICE, le=0), BeforeValidator(_number_from_text)]
HighPriority = Annotated[int, Field(ge=0, le=LARGEST_NICE), BeforeValidator(_number_from_text)]
Switch = Annotated[bool, BeforeValidator(_switch_from_text)]
Text = Annotated[str, AfterValidator(_without_nul)]
Line = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_one_line)]
AbsolutePath = Annotated[
    str,
    Field(min_length=1, max_length=4096, json_schema_extra={"format": "absolute-path"}),
    AfterValidator(_absolute),
]
PlainPath = Annotated[
    str,
    Field(min_length=1, max_length=4096, json_schema_extra={"format": "plain-path"}),
    AfterValidator(_plain_path),
]
_SITE_NAME = r"^[a-z0-9][a-z0-9-]*$"
_TAG_PREFIX = r"^[A-Za-z][A-Za-z0-9_-]*$"
_NAMESPACE = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
_QUEUE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.:-]*$"

ACCEPTED: Mapping[str, str] = {
    _SITE_NAME: "lower case letters, digits and hyphens are wanted, a letter or a digit first",
    _TAG_PREFIX: "letters, digits, _ and - are wanted, a letter first",
    _NAMESPACE: "letters, digits, _ and - are wanted, a letter or a digit first",
    SLURM_WORD: "one word of letters, digits and _ . & | : * - is wanted, a letter or a digit "
    "first",
    ENVIRONMENT_NAME: "the name of a variable is wanted: letters, digits and _, no digit first",
    PROFILE_NAME: "lower case letters, digits, _ and - are wanted, a letter or a digit first",
    GPU_TYPE: "letters, digits and _ . - are wanted, a letter first",
    REFERENCE: "letters, digits and _ . - are wanted, a letter or a digit first",
    _QUEUE_NAME: "letters, digits and _ . : - are wanted, no punctuation but _ first",
}
"""What a regular expression accepts, in words."""

SiteName = Annotated[str, Field(pattern=_SITE_NAME, max_length=60)]
TagPrefix = Annotated[str, Field(pattern=_TAG_PREFIX, max_length=60)]
NamespaceName = Annotated[str, Field(pattern=_NAMESPACE, max_length=60)]
SlurmWord = Annotated[str, Field(pattern=SLURM_WORD, max_length=100)]
EnvironmentName = Annotated[str, Field(pattern=ENVIRONMENT_NAME, max_length=200)]
ProfileName = Annotated[str, Field(pattern=PROFILE_NAME, max_length=60)]
GpuType = Annotated[str, Field(pattern=GPU_TYPE, max_length=100)]
SecretReference = Annotated[str, Field(pattern=REFERENCE, max_length=100)]
ModuleName = Annotated[str, Field(pattern=REFERENCE, max_length=100)]
QueueName = Annotated[str, Field(pattern=_QUEUE_NAME, max_length=200)]
Directive = Annotated[str, Field(max_length=1000), AfterValidator(_directive)]
