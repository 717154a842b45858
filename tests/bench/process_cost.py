"""What a process costs, as the kernel counts it (proc(5))."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_OWN, _CHILDREN = slice(11, 13), slice(13, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Up to now."""

    cpu_s: float
    children_s: float
    """CPU time of the commands that it ran and that have ended."""
    rss_mb: float
    peak_mb: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """FileNotFoundError when there is no such process."""
        # What follows the name in parentheses, which may hold anything.
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        status = dict(
            line.split(":", 1)
            for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        )
        return cls(
            cpu_s=sum(map(int, stat[_OWN])) / _TICKS,
            children_s=sum(map(int, stat[_CHILDREN])) / _TICKS,
            rss_mb=_megabytes(status["VmRSS"]),
            peak_mb=_megabytes(status["VmHWM"]),
        )


def _megabytes(text: str) -> float:
    return int(text.split(maxsplit=1)[0]) * 1024 / 1e6
