"""Times and sizes as Slurm writes them."""

import re
from datetime import timedelta

_WALLTIME = re.compile(r"(?:(\d{1,3})-)?(\d{1,4}):([0-5]\d):([0-5]\d)", re.ASCII)
DURATION = r"([0-9]{1,6})(ms|s|m|h|d)"
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_MEMORY = re.compile(r"(\d{1,9})([MGT])", re.ASCII)
_MIB = {"M": 1, "G": 1024, "T": 1024 * 1024}

LARGEST_NICE = 2_147_483_645
"""sbatch(1), --nice: the same below 0."""

LONGEST_WALLTIME = timedelta(days=999)
MOST_MEMORY_MIB = 999_999_999
"""Both are within what may be written in a message, and far above every machine."""


def read_walltime(text: str) -> timedelta:
    """The time in `HH:MM:SS` or `D-HH:MM:SS` (sbatch(1), --time). Raises ValueError.

    Slurm's shorter forms are not accepted: it reads 10:30 as minutes, people as hours.
    """
    match = _WALLTIME.fullmatch(text)
    if not match:
        raise ValueError("a time as HH:MM:SS or D-HH:MM:SS is wanted, such as 01:30:00")
    days, hours, minutes, seconds = (int(it or 0) for it in match.groups())
    found = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not found:
        raise ValueError("a time above zero is wanted")
    return found


def write_walltime(time: timedelta) -> str:
    """The time as sbatch(1) reads it; part of a second counts as a whole one."""
    seconds = time // timedelta(seconds=1) + bool(time % timedelta(seconds=1))
    hours, rest = divmod(seconds, 3600)
    days, hours = divmod(hours, 24)
    clock = f"{hours:02}:{rest // 60:02}:{rest % 60:02}"
    return f"{days}-{clock}" if days else clock


def read_duration(text: str) -> timedelta:
    """The time in a text such as `500ms`, `30s`, `5m`, `12h` or `30d`. Raises ValueError."""
    match = re.fullmatch(DURATION, text, re.ASCII)
    if not match or not int(match[1]):
        raise ValueError("a time such as 500ms, 30s, 5m, 12h or 30d is wanted")
    return int(match[1]) * _UNITS[match[2]]


def read_memory_mib(text: str) -> int:
    """The memory in MiB of a text such as `512M`, `16G` or `1T`. Raises ValueError."""
    match = _MEMORY.fullmatch(text)
    if not match or not int(match[1]):
        raise ValueError("a size such as 512M, 16G or 1T is wanted")
    return int(match[1]) * _MIB[match[2]]
