"""What a batch script asks for in its `#SBATCH` lines, as far as one machine can give it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bridge.core.batch_options import read_options
from bridge.core.errors import SubmissionRefusedError

_NEED_SLURM = ("array", "begin", "dependency")
_NO_LIMIT = ("", "0", "INFINITE", "UNLIMITED")
_SIGNAL = re.compile(r"B:(?:SIG)?(USR1|USR2|TERM|INT|HUP)(?:@([0-9]{1,5}))?")
_SIGNAL_SECONDS = 60
_MOST_PARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A signal to the batch script before its time is up."""

    signal: str
    """Its name, without SIG."""
    before: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The options that count here; partitions, accounts, CPUs, memory and GPUs do not."""

    name: str
    output: str
    """A pattern with %j and %x, as in sbatch(1), "filename pattern"; so is `error`."""
    error: str | None = None
    """None: where the output goes."""
    chdir: str | None = None
    append: bool = False
    limit: timedelta | None = None
    notice: Notice | None = None
    held: bool = False


def read_wishes(script: str) -> Wishes:
    """Read the options of a script; those that stand twice count as they stand last.

    Raises SubmissionRefusedError for what is no batch script, and for what needs Slurm.
    """
    if not script.startswith("#!"):
        raise SubmissionRefusedError("this does not look like a batch script: no #! at its start")
    try:
        options = {it.name: it.value or "" for it in read_options(script)}
    except ValueError as error:
        raise SubmissionRefusedError(f"an #SBATCH line cannot be read: {error}") from error
    for option in _NEED_SLURM:
        if option in options:
            raise SubmissionRefusedError(f"--{option} needs Slurm; this site runs local processes")
    for option in ("nodes", "ntasks"):
        if options.get(option, "1").partition("-")[0] != "1":
            raise SubmissionRefusedError(
                f"--{option}={options[option]} needs Slurm's srun; this site runs local processes, "
                "one a job"
            )
    return Wishes(
        name=options.get("job-name", "sbatch"),
        output=options.get("output", "slurm-%j.out"),
        error=options.get("error"),
        chdir=options.get("chdir"),
        append=options.get("open-mode") == "append",
        limit=_limit(options.get("time", "")),
        notice=_notice(options),
        held="hold" in options,
    )


def file_name(pattern: str, *, number: int, name: str) -> str:
    """The file that a pattern stands for."""
    known = {"%": "%", "j": str(number), "x": name}
    return re.sub(r"%(.)", lambda it: known.get(it[1], it[0]), pattern)


def _limit(text: str) -> timedelta | None:
    """A time as in sbatch(1), --time: minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S."""
    if text.upper() in _NO_LIMIT:
        return None
    days, dash, rest = text.rpartition("-")
    parts = rest.split(":")
    if not all(map(str.isdecimal, parts + [days] * bool(dash))) or len(parts) > _MOST_PARTS:
        raise SubmissionRefusedError(f"--time={text} is no time")
    numbers = [int(it) for it in parts]
    if dash:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    elif len(numbers) == 1:
        hours, minutes, seconds = 0, numbers[0], 0
    else:
        hours, minutes, seconds = (0, *numbers)[-3:]
    return timedelta(days=int(days or 0), hours=hours, minutes=minutes, seconds=seconds)


def _notice(options: Mapping[str, str]) -> Notice | None:
    """Only for the batch script: without `B:`, sbatch(1) --signal is for steps of srun."""
    asked = _SIGNAL.fullmatch(options.get("signal", ""))
    if asked is None:
        return None
    seconds = int(asked[2] or _SIGNAL_SECONDS)
    return Notice(signal=asked[1], before=timedelta(seconds=seconds))
