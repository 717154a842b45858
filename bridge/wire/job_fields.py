"""The forms that a value in a job message may have, and the words for them."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema
from pydantic.config import JsonDict

from bridge.core.failure import FailureReason
from bridge.core.quantity import LARGEST_NICE
from bridge.core.retry import RETRYABLE, read_retryable
from bridge.core.wanted import (
    ENVIRONMENT_NAME,
    GPU_TYPE,
    PROFILE_NAME,
    REFERENCE,
    SLURM_WORD,
)


def checked_by(read: Callable[[str], object]) -> AfterValidator:
    """Leaves text as it is, and refuses what `read` raises ValueError for."""

    def check(text: str) -> str:
        read(text)
        return text

    return AfterValidator(check)


def without_nul(text: str) -> str:
    """The text. Raises ValueError for one that no program can be passed."""
    if "\0" in text:
        raise ValueError("a NUL character cannot be passed to a program")
    return text


def short_string(text: str) -> str:
    """The text, as a property of a message may hold it (AMQP 0-9-1, shortstr). Or ValueError."""
    if len(text.encode()) > LONGEST_SHORT_STRING:
        raise ValueError(f"at most {LONGEST_SHORT_STRING} bytes are accepted")
    return text


def _absolute_path(text: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("control characters are not accepted in a path")
    if not text.startswith("/") or ".." in PurePosixPath(text).parts:
        raise ValueError("an absolute path without '..' is wanted")
    return str(PurePosixPath("/" + text.lstrip("/")))


LONGEST_SHORT_STRING = 255
"""In bytes."""
_NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._,:+@()/=-]*$"
IMAGE = r"^[A-Za-z0-9/][A-Za-z0-9_./:@+=-]*$"
ACCEPTED: Mapping[str, str] = {
    SLURM_WORD: "a letter or digit is wanted, then letters, digits and any of _.&|:*-",
    GPU_TYPE: "a letter is wanted, then letters, digits and any of _.-",
    PROFILE_NAME: "a small letter or digit is wanted, then small letters, digits, _ and -",
    ENVIRONMENT_NAME: "a variable's name is wanted: letters, digits and _, no digit first",
    REFERENCE: "a letter or digit is wanted, then letters, digits and any of _.-",
    _NAME: "a letter or digit is wanted, then letters, digits, spaces and any of ._,:+@()/=-"
    " (no accents)",
    IMAGE: "an image's name or path is wanted: a letter, digit or / first, then letters, digits"
    " and any of _./:@+=-",
}
NO_OTHER_NAMES: JsonDict = {"additionalProperties": False}
"""For the JSON schema of named values: what does not fit the pattern of their names is no name."""

Text = Annotated[str, AfterValidator(without_nul)]
ShortText = Annotated[Text, Field(max_length=LONGEST_SHORT_STRING), AfterValidator(short_string)]
AbsolutePath = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_absolute_path)]
SlurmWord = Annotated[str, Field(pattern=SLURM_WORD, max_length=100)]
ProfileName = Annotated[str, Field(pattern=PROFILE_NAME, max_length=60)]
GpuType = Annotated[str, Field(pattern=GPU_TYPE, max_length=100)]
Priority = Annotated[int, Field(ge=-LARGEST_NICE, le=LARGEST_NICE)]
SecretReference = Annotated[str, Field(pattern=REFERENCE, max_length=100)]
EnvironmentName = Annotated[str, Field(pattern=ENVIRONMENT_NAME, max_length=200)]
Name = Annotated[str, Field(pattern=_NAME, max_length=100)]
RetryableReason = Annotated[
    FailureReason,
    PlainValidator(read_retryable),
    WithJsonSchema({"type": "string", "enum": sorted(RETRYABLE)}),
]
