"""What a site's Slurm has: commands that change nothing, and their answers. Pure functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bridge.core.quantity import read_walltime
from bridge.ports import Completed

_COLUMNS = 3
_VERSION_WORDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition, as far as jobs may be refused by it."""

    name: str
    is_up: bool
    is_default: bool
    longest: timedelta | None
    """None is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """What the user may charge."""

    account: str
    partition: str
    """Empty for all of them."""
    qos: frozenset[str]


def version_argv(command: str) -> tuple[str, ...]:
    """All of Slurm's commands know it; sbatch(1), --version."""
    return (command, "--version")


def read_version(answer: Completed) -> str | None:
    """Such as 22.05.8; None when it is no answer."""
    words = answer.stdout.split()
    is_one = answer.return_code == 0 and len(words) == _VERSION_WORDS
    return words[1] if is_one and words[0].startswith("slurm") else None


def seconds_of(value: str | None) -> timedelta | None:
    """A time of the configuration, as in `300 sec`; None when it is none."""
    match = re.fullmatch(r"([0-9]{1,9}) sec", value or "")
    return timedelta(seconds=int(match[1])) if match else None


def partitions_argv() -> tuple[str, ...]:
    """All partitions that the user may see; scontrol(1), show partition."""
    return ("scontrol", "show", "partition", "--oneliner")


def read_partitions(text: str) -> Mapping[str, Partition]:
    """By name."""
    found = {}
    for line in text.splitlines():
        fields = dict(it.partition("=")[::2] for it in line.split())
        if name := fields.get("PartitionName"):
            found[name] = Partition(
                name=name,
                is_up=fields.get("State") == "UP",
                is_default=fields.get("Default") == "YES",
                longest=_longest(fields.get("MaxTime", "")),
            )
    return found


def _longest(text: str) -> timedelta | None:
    try:
        return read_walltime(text)
    except ValueError:
        return None


def associations_argv(user: str) -> tuple[str, ...]:
    """What the user may charge; sacctmgr(1), show association."""
    columns = "format=account,partition,qos"
    return ("sacctmgr", "--noheader", "--parsable2", "show", "assoc", f"user={user}", columns)


def read_associations(text: str) -> tuple[Association, ...]:
    """One a line."""
    rows = (line.split("|") for line in text.splitlines())
    return tuple(
        Association(account=account, partition=partition, qos=frozenset(filter(None, qos)))
        for account, partition, qos in (
            (row[0], row[1], row[2].split(",")) for row in rows if len(row) >= _COLUMNS
        )
        if account
    )


def qos_argv() -> tuple[str, ...]:
    """The names of all QOS; sacctmgr(1), show qos."""
    return ("sacctmgr", "--noheader", "--parsable2", "show", "qos", "format=name")


def read_names(text: str) -> frozenset[str]:
    """One a line."""
    return frozenset(filter(None, map(str.strip, text.splitlines())))


def features_argv() -> tuple[str, ...]:
    """The features that nodes have; sinfo(1), %f."""
    return ("sinfo", "--noheader", "--format", "%f")


def read_features(text: str) -> frozenset[str]:
    """Of all nodes together."""
    words = re.split(r"[,\s]+", text)
    return frozenset(it for it in words if it not in ("", "(null)"))


def features_in(constraint: str) -> frozenset[str]:
    """The features that a constraint names, without counts and operators (sbatch(1))."""
    return frozenset(filter(None, re.split(r"\*[0-9]+|[&|*\[\]()]", constraint)))
