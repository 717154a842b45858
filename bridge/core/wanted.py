"""What a value has to be, in words: for job messages and for a site's file alike."""

from collections.abc import Mapping
from types import MappingProxyType

SLURM_WORD = r"^[A-Za-z0-9][A-Za-z0-9_.&|:*-]*$"
PROFILE_NAME = r"^[a-z0-9][a-z0-9_-]*$"
ENVIRONMENT_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
REFERENCE = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
GPU_TYPE = r"^[A-Za-z][A-Za-z0-9_.-]*$"
# What a site's file names, job messages have to be able to ask for.

_LONGEST_ECHO = 80
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "string_type": "text is wanted",
        "int_type": "a whole number is wanted",
        "int_parsing": "a whole number is wanted",
        "float_type": "a number is wanted",
        "float_parsing": "a number is wanted",
        "bool_type": "true or false is wanted",
        "bool_parsing": "true or false is wanted",
        "enum": "accepted: {expected}",
        "literal_error": "accepted: {expected}",
        "greater_than": "more than {gt} is wanted",
        "greater_than_equal": "at least {ge} is wanted",
        "less_than_equal": "at most {le} is accepted",
        "string_too_short": "at least {min_length} character wanted",
        "string_too_long": "at most {max_length} characters are accepted",
        "too_short": "at least {min_length} wanted",
        "too_long": "at most {max_length} accepted",
    }
)


def in_words(kind: str, said: Mapping[str, object], own: Mapping[str, str]) -> str | None:
    """What is wanted, where a value does not fit in a way of this kind; None for another kind.

    Kinds are called as pydantic calls them, and `said` has the bounds that were passed. `own` has
    words that stand before these.
    """
    words = own.get(kind) or _WORDS.get(kind)
    return None if words is None else words.format_map({it: _shown(said[it]) for it in said})


def echo(value: object) -> str:
    """What was found, as JSON and YAML write it but for its quotes, and cut where it is long."""
    if value is None:
        return "null"
    return cut(str(value).lower() if isinstance(value, bool) else repr(value))


def cut(text: str, longest: int = _LONGEST_ECHO) -> str:
    """The text, or as much of it as a message shows."""
    return text if len(text) <= longest else f"{text[:longest]}..."


def _shown(bound: object) -> object:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound
