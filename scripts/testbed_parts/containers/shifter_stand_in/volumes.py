"""Shifter's volume specifications and its rules for where they may go."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from .refusal import Refused

_FORBIDDEN_BELOW = ("/etc", "/var", "/dev", "/proc", "/opt/udiImage")
_FORBIDDEN_EXACTLY = ("/", "/opt")
_ALLOWED_BELOW = "/var/tmp"
_FEWEST_FIELDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A host folder and where the container sees it."""

    source: str
    target: str
    read_only: bool


def parse(text: str) -> tuple[Volume, ...]:
    """The volumes of ``SRC:DST[:FLAG][;...]``; empty text gives none.

    The rules are those of NERSC's Shifter documentation: ``;`` separates, ``:`` cannot be escaped,
    some folders of the container are not to be covered. Raises Refused for what breaks them.
    """
    return tuple(_parse_one(part) for part in text.split(";")) if text else ()


def _parse_one(text: str) -> Volume:
    fields = text.split(":")
    if len(fields) < _FEWEST_FIELDS:
        raise Refused(f"invalid volume {text!r}: expected SRC:DST[:FLAG]")
    source, target, *flags = fields
    for path in (source, target):
        if not path.startswith("/") or ".." in PurePosixPath(path).parts:
            raise Refused(f"invalid volume {text!r}: {path!r} is not an absolute path without '..'")
    _check_target(text, PurePosixPath(target))
    for flag in flags:
        if flag.startswith("perNodeCache="):
            raise Refused(f"invalid volume {text!r}: this stand-in makes no perNodeCache")
        if flag != "ro":
            raise Refused(f"invalid volume {text!r}: unknown flag {flag!r}; there is 'ro'")
    return Volume(source=source, target=target, read_only="ro" in flags)


def _check_target(text: str, target: PurePosixPath) -> None:
    # PurePosixPath keeps a leading "//", which is a root of its own to POSIX alone.
    target = PurePosixPath("/", *target.parts[1:])
    forbidden = str(target) in _FORBIDDEN_EXACTLY or (
        any(target.is_relative_to(folder) for folder in _FORBIDDEN_BELOW)
        and not target.is_relative_to(_ALLOWED_BELOW)
    )
    if forbidden:
        raise Refused(f"invalid volume {text!r}: the destination {str(target)!r} is not allowed")
