"""How a command is put to the login node's shell, and its answer cut out of all else. Pure."""

import re
import shlex
from collections.abc import Sequence

from bridge.core.environment import SCRUBBED

_PATTERNS = "|".join(f"{it}*" for it in SCRUBBED)
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)

# Constant text, run by sh(1) whatever the login shell is, and of nothing but what sh(1) has built
# in: it costs a few milliseconds of every command. It tells that it is ready, and runs the
# command only when it is told to: what is lost before that was certainly not run, and what the
# shell's startup files read from stdin is nothing of ours. The mark of the end comes on stdin,
# since other users of the machine see our arguments. No line feed and no exclamation mark, which
# csh(1) would take for its own.
_SCRIPT = (
    'printf "%s ready\\n" "$1"; '
    "set -f; for bridge_word in $(export -p); do "
    f'case $bridge_word in {_PATTERNS}) command unset "${{bridge_word%%=*}}";; esac; '
    "done 2>/dev/null; set +f; "
    'IFS= read -r bridge_end && [ -n "$bridge_end" ] && bridge_variables=$2 && shift 2 && { '
    'while [ "$bridge_variables" -gt 0 ]; do '
    'command export "$1"; shift; bridge_variables=$((bridge_variables-1)); done; '
    'printf "%s ready\\n" "$bridge_end" >&2; '
    '"$@"; bridge_code=$?; '
    'printf "%s %d\\n" "$bridge_end" "$bridge_code" >&2; '
    'printf "%s %d\\n" "$bridge_end" "$bridge_code"; }'
)

LAST_EXIT_CODE = 128
LAST_SIGNAL = 64


def remote_command(token: str, argv: Sequence[str]) -> str:
    """The text that runs `argv` once it has read a line: the one place that makes a shell's text.

    Exact for every login shell that quotes as sh(1) does; csh(1) and fish(1) do for words without
    line feeds, exclamation marks and backslashes. Raises ValueError for a NUL byte, which no
    argument can hold.
    """
    if any("\0" in it for it in argv):
        raise ValueError("a NUL byte in an argument")
    variables, command = _split(argv)
    words = (token, str(len(variables)), *variables, *command)
    return "exec " + shlex.join(("/bin/sh", "-c", _SCRIPT, "bridge", *words))


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Leave the work of `env NAME=VALUE COMMAND` to sh(1): that is one program less to start."""
    first = next((at for at, it in enumerate(argv[1:], 1) if not _ASSIGNMENT.match(it)), None)
    if argv[0] != "env" or first is None or argv[first].startswith("-") or "=" in argv[first]:
        return (), argv
    return argv[1:first], argv[first:]


def exit_code(told: int) -> int:
    """sh(1)'s `$?`; a command that a signal ended is told by that signal's negative."""
    ended = LAST_EXIT_CODE < told <= LAST_EXIT_CODE + LAST_SIGNAL
    return LAST_EXIT_CODE - told if ended else told


class Frame:
    """One of a command's two outputs, between what came before it and what came after."""

    def __init__(self, opening: str, end: str) -> None:
        """It begins after the line `<opening> ready`; it ends where `<end> <code>` stands."""
        self._opening = f"{opening} ready\n".encode()
        self._ending = re.compile(re.escape(end.encode()) + rb" ([0-9]{1,3})\n")
        self._longest_ending = len(end) + len(" 255\n")
        self._before = bytearray()
        self._text = bytearray()
        self.is_open = False
        """Whether it has begun."""
        self.code: int | None = None
        """What sh(1) told of the command's end; None while that has not come."""

    def hear(self, said: bytes) -> None:
        """Take up the next piece of what the channel says."""
        if self.code is not None:
            return
        if not self.is_open:
            seen = max(len(self._before) - len(self._opening), 0)
            self._before += said
            at = self._before.find(self._opening, seen)
            if at < 0:
                return
            self.is_open = True
            said = bytes(self._before[at + len(self._opening) :])
            del self._before[at:]
        seen = max(len(self._text) - self._longest_ending, 0)
        self._text += said
        if ending := self._ending.search(self._text, seen):
            self.code = int(ending[1])
            del self._text[ending.start() :]

    @property
    def heard(self) -> int:
        """How many bytes came so far, before it or in it."""
        return len(self._before) + len(self._text)

    def text(self, most: int) -> str:
        """At most so many bytes of it, read as UTF-8; what is none is replaced."""
        return self._text[:most].decode(errors="replace")

    def before(self, most: int) -> str:
        """The last so many bytes of what came before it."""
        return self._before[-most:].decode(errors="replace")
