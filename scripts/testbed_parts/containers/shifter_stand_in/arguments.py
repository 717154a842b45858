"""The command line of ``shifter``: options first, then the command, as getopt_long(3) reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .refusal import Refused

_TAKE_VALUE = frozenset({"image", "volume", "env", "env-file", "workdir", "module"})
_TAKE_NONE = frozenset({"clearenv", "verbose", "help"})
_MAY_TAKE_VALUE = frozenset({"entrypoint"})
_SHORT = {
    "-i": "image",
    "-V": "volume",
    "-e": "env",
    "-w": "workdir",
    "-m": "module",
    "-v": "verbose",
    "-h": "help",
}
USAGE = """\
usage: shifter [OPTIONS] COMMAND [ARGUMENT...]      (a stand-in for tests, not Shifter)
  -i, --image=[TYPE:]NAME:TAG    the image; else what the job's --image chose
  -V, --volume=SRC:DST[:ro][;..] a host folder in the container; may be repeated
  -e, --env=NAME=VALUE           may be repeated
      --env-file=FILE            lines NAME=VALUE, quotes are kept
      --clearenv                 start from an empty environment
  -w, --workdir=DIR              else the current folder, where the container has it
      --entrypoint=PROGRAM       run PROGRAM with the command as its arguments
  -m, --module=NAME[,..]         accepted; there are no modules here"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What ``shifter`` was asked on its command line."""

    image: str = ""
    volumes: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    clear_env: bool = False
    workdir: str = ""
    entrypoint: str | None = None
    help: bool = False
    command: tuple[str, ...] = ()


def parse(words: Sequence[str]) -> Request:
    """Read the command line without the program's name; Refused names the option that is wrong."""
    given: dict[str, list[str]] = {}
    left = list(words)
    while left and left[0].startswith("-") and left[0] != "-":
        word = left.pop(0)
        if word == "--":
            break
        name, value = _split(word)
        if name in _TAKE_VALUE and value is None:
            if not left:
                raise Refused(f"option {word} needs a value")
            value = left.pop(0)
        if name in _TAKE_NONE and value is not None:
            raise Refused(f"option --{name} takes no value")
        given.setdefault(name, []).append(value or "")
    return _request(given, tuple(left))


def _split(word: str) -> tuple[str, str | None]:
    if word.startswith("--"):
        name, equals, rest = word[2:].partition("=")
        value = rest if equals else None
    else:
        name, value = _SHORT.get(word[:2], ""), word[2:] or None
    if name not in _TAKE_VALUE | _TAKE_NONE | _MAY_TAKE_VALUE:
        raise Refused(f"unknown option {word}; see shifter --help")
    return name, value


def _request(given: Mapping[str, Sequence[str]], command: tuple[str, ...]) -> Request:
    return Request(
        image=given.get("image", [""])[-1],
        volumes=tuple(given.get("volume", ())),
        env=tuple(given.get("env", ())),
        env_files=tuple(given.get("env-file", ())),
        clear_env="clearenv" in given,
        workdir=given.get("workdir", [""])[-1],
        entrypoint=given["entrypoint"][-1] if "entrypoint" in given else None,
        help="help" in given,
        command=command,
    )
