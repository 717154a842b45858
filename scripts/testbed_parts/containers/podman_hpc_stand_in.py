"""A STAND-IN for tests, not podman-hpc: it checks the options and runs the command with Apptainer.

It takes the options of `podman-hpc run` that job scripts use and refuses all others, as podman does
with exit code 125. Its registry is a file; what was pulled from it is remembered in a folder.
"""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

REFUSED = 125
"""What podman-run(1) exits with when it is podman itself that fails."""
_TAKE_VALUE = frozenset({"--pull", "--entrypoint", "--workdir", "--env", "--volume"})
_TAKE_NONE = frozenset({"--rm", "--gpu", "--mpi", "--cuda-mpi", "--nccl"})
_REPEATED = frozenset({"--env", "--volume"})
_USAGE = """\
usage: podman-hpc run [OPTION...] IMAGE COMMAND [ARGUMENT...] | pull IMAGE | rmi IMAGE | images
       podman-hpc image exists IMAGE
(a stand-in for tests, not podman-hpc; options: {options})"""
_NOT_FROM_APPTAINER = re.compile(r"HOME|LD_LIBRARY_PATH|(APPTAINER|SINGULARITY)_.*|E?UID|GID")


class RefusedError(Exception):
    """The request is wrong, or names something that is not there; the text says what and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The images: name to SIF file, and the folder that remembers which were pulled."""

    registry: Mapping[str, str]
    pulled: Path

    @staticmethod
    def read(path: Path) -> "Store":
        """The store as `write` left it."""
        content = json.loads(path.read_text())
        return Store(registry=content["registry"], pulled=Path(content["pulled"]))

    def write(self, path: Path) -> None:
        """Keep the store for the command."""
        content = {"registry": dict(self.registry), "pulled": str(self.pulled)}
        path.write_text(json.dumps(content, indent=2) + "\n")

    def pull(self, name: str) -> None:
        """Remember the image. RefusedError: the registry does not have it."""
        if name not in self.registry:
            raise RefusedError(f"{name}: manifest unknown (there is {', '.join(self.registry)})")
        self._mark(name).touch()

    def forget(self, name: str) -> None:
        """Undo `pull`."""
        self._mark(name).unlink(missing_ok=True)

    def image(self, name: str) -> str:
        """The SIF of an image that was pulled. RefusedError: it was not."""
        if name not in self.registry or not self._mark(name).exists():
            raise RefusedError(f"{name}: image not known")
        return self.registry[name]

    def names(self) -> list[str]:
        """The images that were pulled."""
        return [it for it in self.registry if self._mark(it).exists()]

    def _mark(self, name: str) -> Path:
        return self.pulled / quote(name, safe="")


def main(store: Store, words: Sequence[str]) -> int:
    """Run one verb; returns only when no container was started."""
    try:
        match words:
            case ["run", *rest]:
                _run(store, rest)
            case ["pull", name]:
                store.pull(name)
            case ["rmi", name]:
                store.forget(name)
            case ["image", "exists", name]:
                return 0 if name in store.names() else 1
            case ["images"]:
                print("\n".join(store.names()))
            case _:
                options = " ".join(sorted(_TAKE_VALUE | _TAKE_NONE))
                print(_USAGE.format(options=options), file=sys.stderr)
                return REFUSED
    except (RefusedError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return REFUSED
    return 0


def _run(store: Store, words: Sequence[str]) -> None:
    given, rest = _options(words)
    if not rest:
        raise RefusedError("requires at least 1 arg(s), only received 0")
    if given.get("--pull", ["missing"]) != ["never"]:
        raise RefusedError("this stand-in fetches nothing by itself: give --pull=never")
    name, *command = rest
    entrypoint = [it for it in given.get("--entrypoint", ()) if it]
    if not entrypoint and not command:
        raise RefusedError("no command or entrypoint provided, and no CMD or ENTRYPOINT from image")
    binds = [word for it in given.get("--volume", ()) for word in ("--bind", _volume(it))]
    workdir = given.get("--workdir", ["/"])[-1]
    environment = {it: value for it, value in os.environ.items() if not it.startswith("APPTAINER")}
    environment |= dict(_variable(it) for it in given.get("--env", ()))
    options = ["--containall", "--no-eval", "--writable-tmpfs", "--pwd", workdir]
    argv = ["apptainer", "exec", *options, *binds, store.image(name), *entrypoint, *command]
    os.execvpe(argv[0], argv, environment)  # noqa: S606  (signals must reach the command itself)


def _options(words: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Options come before the image, as podman's own parser wants them."""
    given: dict[str, list[str]] = {}
    left = list(words)
    while left and left[0].startswith("-"):
        name, equals, value = left.pop(0).partition("=")
        if name in _TAKE_VALUE and not equals:
            if not left:
                raise RefusedError(f"flag needs an argument: {name}")
            value = left.pop(0)
        elif name not in _TAKE_VALUE | _TAKE_NONE or (name in _TAKE_NONE and equals):
            raise RefusedError(f"unknown flag: {name}")
        if name in given and name not in _REPEATED:
            raise RefusedError(f"given twice: {name}")
        given.setdefault(name, []).append(value)
    return given, left


def _volume(text: str) -> str:
    source, *rest = text.split(":")
    if (
        not source.startswith("/")
        or not rest
        or not rest[0].startswith("/")
        or rest[1:] not in ([], ["ro"])
    ):
        raise RefusedError(f"incorrect volume format, should be host-dir:ctr-dir[:ro]: {text!r}")
    if not Path(source).exists():
        raise RefusedError(f"statfs {source}: no such file or directory")
    return text


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals and name in os.environ:
        # podman-run(1), --env: without a value it is that of the host.
        equals, value = "=", os.environ[name]
    if not name or not equals or _NOT_FROM_APPTAINER.fullmatch(name):
        raise RefusedError(f"this stand-in cannot set {text!r}")
    return f"APPTAINERENV_{name}", value
