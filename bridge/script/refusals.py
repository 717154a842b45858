"""What a site's container runtime cannot be told, however well the script is quoted."""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import TypeVar

from bridge.core.errors import Problem
from bridge.core.job import JobSpec, Mount, ShellLine
from bridge.core.site import Runtime, Site, job_folder
from bridge.script.launcher import launcher
from bridge.script.words import bind, directive, program_word, volume

_T = TypeVar("_T")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_NOT_FROM_APPTAINER = re.compile(
    r"(APPTAINER|SINGULARITY)_.*|HOME|LD_LIBRARY_PATH|PROMPT_COMMAND|(PRE|AP)PEND_PATH|E?UID|GID"
)
# Apptainer 1.4.5 sets these itself, adds to them or, with (E)UID and GID, does not start (tried).
_NOT_FROM_SHIFTER = re.compile(r"LD_.*|TMPDIR|SHIFTER.*")
# Shifter takes LD_* and TMPDIR away and reads its own from the environment (shifter(1)).

_NEVER_MOUNTED_OVER = ("/proc", "/sys", "/dev")
_NOT_FOR_SHIFTER = ("/etc", "/var", "/dev", "/proc", "/opt/udiImage")


def refusals(spec: JobSpec, site: Site) -> Iterator[Problem]:
    """Every reason for which no script of this site can run the job as it is."""
    yield from _command_refusals(spec)
    if launcher(spec, site):
        yield from _lone_colons(spec)
    yield from _image_refusals(spec, site)
    yield from _environment_refusals(spec, site)
    yield from _mount_refusals(spec, site)
    for field in ("partition", "qos", "account", "constraint"):
        value = getattr(spec.resources, field)
        if value is not None:
            yield from _tried(f"resources.{field}", directive, value)


def _tried(where: str, check: Callable[[_T], object], value: _T) -> Iterator[Problem]:
    try:
        check(value)
    except ValueError as error:
        yield Problem(where=where, what=str(error))


def _command_refusals(spec: JobSpec) -> Iterator[Problem]:
    if isinstance(spec.command, ShellLine):
        yield from _tried("command", program_word, spec.command.text)
        return
    words = spec.command.arguments
    if not words or not words[0] or words[0].startswith("-"):
        yield Problem(
            where="command.0",
            what="the name of a program is wanted; it cannot be empty or begin with '-'",
        )
    for index, word in enumerate(words):
        yield from _tried(f"command.{index}", program_word, word)


def _lone_colons(spec: JobSpec) -> Iterator[Problem]:
    """After such a word srun starts another program, outside the container (srun(1), ":")."""
    if isinstance(spec.command, ShellLine):
        words = {"command": spec.command.text}
    else:
        words = {f"command.{index}": it for index, it in enumerate(spec.command.arguments)}
    for where, word in {**words, "image": spec.image}.items():
        if word == ":":
            yield Problem(
                where=where,
                what="srun takes a lone ':' for the end of the command; "
                "write the command as one line of shell",
            )


def _image_refusals(spec: JobSpec, site: Site) -> Iterator[Problem]:
    if not spec.image or spec.image.startswith("-"):
        yield Problem(where="image", what="the name of an image cannot be empty or begin with '-'")
    check = directive if site.containers.runtime is Runtime.SHIFTER else program_word
    yield from _tried("image", check, spec.image)


def _environment_refusals(spec: JobSpec, site: Site) -> Iterator[Problem]:
    runtime = site.containers.runtime
    taken = _NOT_FROM_SHIFTER if runtime is Runtime.SHIFTER else _NOT_FROM_APPTAINER
    for name, value in spec.environment:
        where = f"env.{name}"
        if not _NAME.fullmatch(name):
            yield Problem(where=where, what="a name of letters, digits and underscores is wanted")
        elif name.startswith("BRIDGE_"):
            yield Problem(where=where, what="names that begin with BRIDGE_ are the bridge's own")
        elif taken.fullmatch(name):
            yield Problem(
                where=where,
                what=f"{runtime} cannot be told this one; set it inside the command, "
                f"as in sh -c 'export {name}=...; ...'",
            )
        else:
            # The longest form it takes on the way is SINGULARITYENV_<name>=<value>.
            yield from _tried(
                where, lambda text: program_word(f"SINGULARITYENV_{text}"), f"{name}={value}"
            )


def _mount_refusals(spec: JobSpec, site: Site) -> Iterator[Problem]:
    check = volume if site.containers.runtime is Runtime.SHIFTER else bind
    folder = job_folder(site, spec.job_id)
    for index, mount in enumerate(spec.mounts):
        where = f"mounts.{index}"
        yield from _tried(where, check, mount)
        target = PurePosixPath(mount.target)
        if _is_hidden(mount, site):
            yield Problem(
                where=f"{where}.target",
                what=f"nothing can be mounted at {mount.target} with {site.containers.runtime}",
            )
        elif target.is_relative_to(folder):
            yield Problem(where=f"{where}.target", what="lies in the job's own folder")


def _is_hidden(mount: Mount, site: Site) -> bool:
    """Shifter's list is that of its manual, "Volume Mounts"."""
    target = PurePosixPath(mount.target)
    if str(target) == "/" or any(target.is_relative_to(it) for it in _NEVER_MOUNTED_OVER):
        return True
    if site.containers.runtime is not Runtime.SHIFTER or target.is_relative_to("/var/tmp"):  # noqa: S108
        return False
    return str(target) == "/opt" or any(target.is_relative_to(it) for it in _NOT_FOR_SHIFTER)
