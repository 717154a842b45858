"""Words that a program other than bash takes apart: what cannot be said to it is refused."""

import re
from collections.abc import Iterable

from bridge.core.job import Mount

LONGEST_WORD_BYTES = 128 * 1024 - 1
"""Linux passes no longer argument or environment string (execve(2), MAX_ARG_STRLEN)."""

_LONGEST_ECHO = 80
_DIRECTIVE = re.compile(r"""[ -~]*""", re.ASCII)
_NOT_IN_DIRECTIVES = "'\"\\%"
_NOT_IN_BINDS = ':,\\"'
_NOT_IN_CHARLIECLOUD = ":"
_NOT_IN_VOLUMES = ":;,'\"\\%"
_GPU_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def directive(value: object) -> str:
    """The value of a `#SBATCH` option. Raises ValueError.

    sbatch splits these lines like a shell, so quotes and backslashes are refused; what is left it
    reads as it stands, quoted. `%` starts a replacement in file names (sbatch(1), "filename
    pattern").
    """
    text = str(value)
    if not text or not _DIRECTIVE.fullmatch(text) or any(it in text for it in _NOT_IN_DIRECTIVES):
        raise ValueError(
            f"{_echo(text)} cannot stand in an #SBATCH line: one line of printable ASCII "
            "characters without quotes, backslashes and % is wanted"
        )
    return text


def gpu_type(text: str) -> str:
    """A type in --gpus-per-node, whose value is split at colons and commas. Raises ValueError."""
    if not _GPU_TYPE.fullmatch(text):
        raise ValueError(f"{_echo(text)} is no type of GPU: letters, digits, _, . and - are wanted")
    return text


def comment(text: str) -> str:
    """Text for people, with what a `#SBATCH` line cannot hold replaced; never empty."""
    return re.sub(r"[^A-Za-z0-9 .,:+@()/=-]", "_", text[:200]) or "_"


def bind(mount: Mount) -> str:
    """A value of --bind for Apptainer and Singularity: `src:dst[:ro]`. Raises ValueError.

    Both take the value for a list with commas, read as CSV, and split its parts at colons. So do
    the parts of podman-run(1), --volume, with colons.
    """
    for path in (mount.source, mount.target):
        _refuse(path, _NOT_IN_BINDS, "Apptainer, Singularity and podman-hpc")
    return f"{mount.source}:{mount.target}{':ro' if mount.read_only else ''}"


def charliecloud_bind(mount: Mount) -> str:
    """A value of --bind for Charliecloud: `src:dst` (ch-run(1)). Raises ValueError.

    It has no way to mount for reading only.
    """
    if mount.read_only:
        raise ValueError(
            f"{_echo(mount.source)} cannot be mounted with read_only: true: Charliecloud mounts "
            "for reading and writing"
        )
    for path in (mount.source, mount.target):
        _refuse(path, _NOT_IN_CHARLIECLOUD, "Charliecloud")
    return f"{mount.source}:{mount.target}"


def no_mount(mount: Mount) -> str:
    """For runtimes that mount nothing: raises ValueError."""
    raise ValueError(
        f"{_echo(mount.source)} cannot be mounted: jobs run without a container here and see "
        "the site's folders as they are"
    )


def volume(mount: Mount) -> str:
    """A part of --volume for Shifter: `src:dst[:ro]`. Raises ValueError.

    Shifter knows no way to escape its separators.
    """
    for path in (mount.source, mount.target):
        _refuse(path, _NOT_IN_VOLUMES, "Shifter")
        directive(path)
    return f"{mount.source}:{mount.target}{':ro' if mount.read_only else ''}"


def volumes(mounts: Iterable[Mount]) -> str:
    """The whole value of Shifter's --volume. Raises ValueError."""
    return ";".join(map(volume, mounts))


def program_word(text: str) -> str:
    """A word of a command or the value of a variable, as execve(2) can pass it. Raises ValueError.

    Bash quoting holds every other string.
    """
    if "\0" in text:
        raise ValueError("a NUL character cannot be passed to a program")
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair is no character") from None
    if size > LONGEST_WORD_BYTES:
        raise ValueError(
            f"{size} bytes are too many: Linux passes at most {LONGEST_WORD_BYTES} in one string; "
            "put it into params, which become a file"
        )
    return text


def _refuse(path: str, characters: str, whose: str) -> None:
    found = _CONTROL.search(path) or next((it for it in characters if it in path), None)
    if found or not path.startswith("/"):
        raise ValueError(
            f"{_echo(path)} cannot be mounted: {whose} cannot be given a path with "
            f"control characters or any of {' '.join(characters)}"
        )


def _echo(text: str) -> str:
    return repr(text) if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]!r}..."
