"""A batch script's options in the words of Slurm's library, for those who do not run sbatch.

The words are the attributes of pyslurm's JobSubmitDescription, the same from 22.5.3 to 25.11
(https://pyslurm.github.io/25.11/reference/jobsubmitdescription/). Its own load_sbatch_options()
does not do: it splits values at spaces, `=` and `#`, and fails at --partition and --gpus-per-node.
"""

import re
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.core.batch_options import BatchOption

Value = str | int | bool | list[str] | dict[str, int]
Version = tuple[int, ...]

_SPANK = frozenset({"image", "module", "volume"})
_EXPORTS = ("NIL", "NONE")
_HANDS_ON_NOTHING_AT_ALL = (23, 2)
_APPLIES_SIGNALS = (23, 2, 3)
_FORGETS_SIGNALS_AGAIN = (23, 11, 0)
_ADDS_MORE = (24, 11)
_FOR_MPI = {
    "HYDRA_BOOTSTRAP": "slurm",
    "HYDRA_LAUNCHER_EXTRA_ARGS": "--external-launcher",
    "I_MPI_HYDRA_BOOTSTRAP": "slurm",
    "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS": "--external-launcher",
    "OMPI_MCA_plm_slurm_args": "--external-launcher",
    "PRTE_MCA_plm_slurm_args": "--external-launcher",
}
# With which an mpirun in the job starts its own launchers through srun (sbatch of 24.11).
_SIGNAL = re.compile(r"(?:(B):)?(?:SIG)?([A-Z0-9]+)(?:@([0-9]{1,5}))?", re.ASCII)
_SIZE = re.compile(r"[1-9][0-9]{0,11}[KMGT]?", re.ASCII)
_TIME = re.compile(r"(?:[0-9]+-)?[0-9]+:[0-9]{2}:[0-9]{2}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_GRES = re.compile(r"([a-z_]+(?::[A-Za-z][A-Za-z0-9_.-]*)?):([1-9][0-9]{0,5})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDescription:
    """What Slurm's library is told of a job."""

    attributes: Mapping[str, Value]
    """Of pyslurm's JobSubmitDescription: names to values that JSON can hold."""
    environment: Mapping[str, str]
    """What sbatch would add for the job to see (sbatch(1), OUTPUT ENVIRONMENT VARIABLES)."""
    login_environment: bool
    """Whether the node makes the environment of a login first (sbatch(1), --get-user-env)."""


def describe(options: Sequence[BatchOption], version: Version) -> JobDescription:
    """What to tell pyslurm of this version. Raises ValueError for what it cannot be told.

    Of an option that stands twice the last one counts, as with sbatch.
    """
    attributes: dict[str, Value] = {}
    environment: dict[str, str] = {}
    export = None
    for option in options:
        if option.name == "export":
            export = option.value
            continue
        told = _told(option)
        attributes[told.attribute] = _read(option, told)
        if told.variable is not None and option.value is not None:
            environment[told.variable] = option.value[0] if told.is_initial else option.value
    if export not in _EXPORTS:
        raise ValueError(f"--export={' or --export='.join(_EXPORTS)} is wanted by pyslurm")
    _refuse_both(options, "gres", "gpus-per-node")
    _refuse_guesses(attributes)
    if "signal" in attributes and not _applies_signals(version):
        raise ValueError("--signal is ignored by this version of pyslurm")
    return JobDescription(
        attributes=attributes,
        environment={
            **environment,
            "SLURM_EXPORT_ENV": export,
            **(_more(attributes) if version >= _ADDS_MORE else {}),
        },
        # Before 23.02 sbatch took NIL for the name of a variable, and got the rest from a login.
        login_environment=export == "NONE" or version < _HANDS_ON_NOTHING_AT_ALL,
    )


def never_told(options: Iterable[BatchOption]) -> tuple[tuple[BatchOption, str], ...]:
    """Those of a site's own options that no version of pyslurm can be told, each with why."""
    found: list[tuple[BatchOption, str]] = []
    for option in options:
        try:
            _read(option, _told(option))
        except ValueError as error:
            found.append((option, str(error)))
    return tuple(found)


def _more(attributes: Mapping[str, Value]) -> Mapping[str, str]:
    """What sbatch of 24.11 adds; srun takes the CPUs of a task from there."""
    return {**_FOR_MPI, "SLURM_TRES_PER_TASK": f"cpu={attributes['cpus_per_task']}"}


def _applies_signals(version: Version) -> bool:
    return version >= _APPLIES_SIGNALS and version[:3] != _FORGETS_SIGNALS_AGAIN


def _refuse_guesses(attributes: Mapping[str, Value]) -> None:
    """What pyslurm makes up by itself, or leaves as it is, and sbatch does not."""
    wanted = {"nodes": "nodes", "ntasks": "ntasks", "cpus-per-task": "cpus_per_task"}
    for name, attribute in wanted.items():
        if attribute not in attributes:
            raise ValueError(f"--{name} is missing: without it pyslurm and sbatch differ")
    nodes, tasks = attributes["nodes"], attributes["ntasks"]
    if isinstance(nodes, int) and isinstance(tasks, int) and tasks < nodes:
        raise ValueError(
            f"--ntasks={tasks} is less than --nodes={nodes}: pyslurm and sbatch differ there"
        )


def _refuse_both(options: Sequence[BatchOption], one: str, other: str) -> None:
    if {one, other} <= {it.name for it in options}:
        raise ValueError(f"--{one} and --{other} cannot both be told to pyslurm")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """How an option is told."""

    attribute: str
    read: Callable[[str | None], Value]
    """Raises ValueError with what is wanted."""
    variable: str | None = None
    """Of the job's environment, which gets the option's value."""
    is_initial: bool = False
    """Whether the variable gets its first letter alone."""


def _told(option: BatchOption) -> _Told:
    if option.name in _SPANK:
        raise ValueError(f"{option}: pyslurm hands on no options of SPANK plugins")
    if option.name not in _TOLD:
        raise ValueError(f"{option}: the bridge cannot tell pyslurm of this option")
    return _TOLD[option.name]


def _read(option: BatchOption, told: _Told) -> Value:
    try:
        return told.read(option.value)
    except ValueError as error:
        raise ValueError(f"{option}: {error} is wanted for pyslurm") from None


def _text(value: str | None) -> Value:
    if not value:
        raise ValueError("a value")
    return value


def _words(value: str | None) -> Value:
    words = (value or "").split(",")
    if not all(words):
        raise ValueError("a list with commas")
    return words


def _number(value: str | None) -> Value:
    return int(_whole(_NUMBER, value, "a number above 0").group())


def _size(value: str | None) -> Value:
    return _whole(_SIZE, value, "a size above 0").group()


def _time(value: str | None) -> Value:
    # Not minutes alone: TypeError in pyslurm 22.5.3.
    return _whole(_TIME, value, "[D-]HH:MM:SS").group()


def _gres(value: str | None) -> Value:
    words = (value or "").split(",")
    found = [_whole(_GRES, word, "NAME:NUMBER or NAME:TYPE:NUMBER") for word in words]
    return {it[1]: int(it[2]) for it in found}


def _gpus(value: str | None) -> Value:
    return _gres(f"gpu:{value}")


def _signal(value: str | None) -> Value:
    """As a number: not all versions know the names without SIG."""
    found = _whole(_SIGNAL, value, "[B:]SIGNAL[@SECONDS]")
    to_script, name, seconds = found.groups()
    number = int(name) if name.isdecimal() else getattr(signal, f"SIG{name}", None)
    if number is None:
        raise ValueError("the name of a signal")
    return {"signal": int(number), "time": int(seconds or 60), "batch_only": int(bool(to_script))}


def _whole(pattern: re.Pattern[str], value: str | None, wanted: str) -> re.Match[str]:
    found = pattern.fullmatch(value or "")
    if found is None:
        raise ValueError(wanted)
    return found


def _flag(meant: Value) -> Callable[[str | None], Value]:
    return _one_of({None: meant}, "no value")


def _one_of(words: Mapping[str | None, Value], wanted: str) -> Callable[[str | None], Value]:
    def read(value: str | None) -> Value:
        if value not in words:
            raise ValueError(wanted)
        return words[value]

    return read


_OPEN_MODE = _one_of({it: it for it in ("append", "truncate")}, "append or truncate")

_TOLD: Mapping[str, _Told] = {
    "account": _Told(attribute="account", read=_text),
    "array": _Told(attribute="array", read=_text),
    "begin": _Told(attribute="begin_time", read=_text),
    "chdir": _Told(attribute="working_directory", read=_text),
    "comment": _Told(attribute="comment", read=_text),
    "constraint": _Told(attribute="constraints", read=_text),
    "cpus-per-task": _Told(attribute="cpus_per_task", read=_number, variable="SLURM_CPUS_PER_TASK"),
    "dependency": _Told(attribute="dependencies", read=_text),
    "error": _Told(attribute="standard_error", read=_text),
    "exclude": _Told(attribute="excluded_nodes", read=_words),
    "exclusive": _Told(attribute="resource_sharing", read=_flag("no")),
    "gpus-per-node": _Told(attribute="gres_per_node", read=_gpus, variable="SLURM_GPUS_PER_NODE"),
    "gres": _Told(attribute="gres_per_node", read=_gres),
    "hold": _Told(attribute="priority", read=_flag(0)),
    "job-name": _Told(attribute="name", read=_text, variable="SLURM_JOB_NAME"),
    "kill-on-invalid-dep": _Told(
        attribute="kill_on_invalid_dependency", read=_one_of({"yes": True}, "yes")
    ),
    "mem": _Told(attribute="memory_per_node", read=_size),
    "mem-per-cpu": _Told(attribute="memory_per_cpu", read=_size),
    "nice": _Told(attribute="nice", read=_number),
    "no-requeue": _Told(attribute="is_requeueable", read=_flag(meant=False)),
    "nodelist": _Told(attribute="required_nodes", read=_words),
    "nodes": _Told(attribute="nodes", read=_number),
    "ntasks": _Told(attribute="ntasks", read=_number),
    "ntasks-per-node": _Told(
        attribute="ntasks_per_node", read=_number, variable="SLURM_NTASKS_PER_NODE"
    ),
    "open-mode": _Told(
        attribute="log_files_open_mode",
        read=_OPEN_MODE,
        variable="SLURM_OPEN_MODE",
        is_initial=True,
    ),
    "output": _Told(attribute="standard_output", read=_text),
    "partition": _Told(attribute="partitions", read=_words),
    "qos": _Told(attribute="qos", read=_text),
    "requeue": _Told(attribute="is_requeueable", read=_flag(meant=True)),
    "reservation": _Told(attribute="reservations", read=_words),
    "signal": _Told(attribute="signal", read=_signal),
    "time": _Told(attribute="time_limit", read=_time),
    "time-min": _Told(attribute="time_limit_min", read=_time),
    "wckey": _Told(attribute="wckey", read=_text),
}
"""Only what was seen to make the same job as sbatch makes of it."""
