"""The `#SBATCH` lines of a batch script, read as sbatch reads them."""

import re
import shlex
from dataclasses import dataclass

_MARK = "#SBATCH"
_SPECIAL = re.compile(r"""['"\\#]""")
_MOST_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOption:
    """One long option of sbatch, as a `#SBATCH` line has it."""

    name: str
    value: str | None
    """None where there is no `=`."""

    def __str__(self) -> str:
        text = f"--{self.name}" if self.value is None else f"--{self.name}={self.value}"
        return text[:_MOST_SHOWN]


def read_options(script: str) -> tuple[BatchOption, ...]:
    """The options of a batch script, in order. Raises ValueError for what is not understood.

    As sbatch has it, they end at the first line that is neither blank nor a comment, and a line is
    split like a shell's. Short options are not written by our templates, and not read.
    """
    found: list[BatchOption] = []
    for line in script.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        if line.startswith(_MARK):
            found += map(read_option, _split(line.removeprefix(_MARK)))
    return tuple(found)


def _split(text: str) -> list[str]:
    # shlex takes a hundred times as long, which would be felt at hundreds of jobs a second.
    return shlex.split(text, comments=True) if _SPECIAL.search(text) else text.split()


def read_option(word: str) -> BatchOption:
    """One word such as `--nodes=2`. Raises ValueError."""
    if not word.startswith("--") or word == "--":
        raise ValueError(
            f"{word[:_MOST_SHOWN]!r} in an #SBATCH line is not understood: "
            "a long option is wanted, with its value after '='"
        )
    name, equals, value = word[2:].partition("=")
    return BatchOption(name=name, value=value if equals else None)
