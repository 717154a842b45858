"""The names of files in a job's folder, which come from outside."""

from pathlib import PurePosixPath

_LONGEST_NAME = 255
_LONGEST_PATH = 4096


def parts_of(name: str) -> tuple[str, ...] | None:
    """The folders and the file that a relative path names; None for one that may lead elsewhere.

    None also for what no file can be called: a name of more than 255 bytes (limits.h, NAME_MAX),
    one with a NUL, or an empty one.
    """
    parts = tuple(name.split("/"))
    if len(name.encode(errors="replace")) > _LONGEST_PATH or PurePosixPath(name).is_absolute():
        return None
    return parts if all(map(_is_name, parts)) else None


def _is_name(part: str) -> bool:
    try:
        length = len(part.encode())
    except UnicodeEncodeError:
        return False
    return part not in ("", ".", "..") and "\0" not in part and length <= _LONGEST_NAME
