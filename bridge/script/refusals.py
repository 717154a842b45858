"""What a site's container runtime cannot be told, however well the script is quoted."""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import TypeVar

from bridge.core.errors import Problem
from bridge.core.job import JobSpec, Mount, ShellLine
from bridge.core.site import WITHOUT_CONTAINER, Runtime, Site, job_folder
from bridge.script.launcher import launcher
from bridge.script.parameters import parameters_mount
from bridge.script.runtimes import MANNERS
from bridge.script.secrets import unknown_secrets
from bridge.script.words import directive, gpu_type, program_word

_T = TypeVar("_T")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def refusals(spec: JobSpec, site: Site) -> Iterator[Problem]:
    """Every reason for which no script of this site can run the job as it is."""
    yield from _command_refusals(spec)
    if site.containers.runtime in WITHOUT_CONTAINER:
        yield from _equals_sign(spec)
    if launcher(spec, site):
        yield from _lone_colons(spec)
    yield from _image_refusals(spec, site)
    yield from _environment_refusals(spec, site)
    yield from _secret_refusals(spec, site)
    yield from _mount_refusals(spec, site)
    yield from _parameters_refusals(spec, site)
    if spec.resources.gpu_type is not None:
        yield from _tried("resources.gpu_type", gpu_type, spec.resources.gpu_type)
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


def _equals_sign(spec: JobSpec) -> Iterator[Problem]:
    """Before the command stands env, which takes such a word for a variable (env(1))."""
    words = () if isinstance(spec.command, ShellLine) else spec.command.arguments
    if words and "=" in words[0]:
        yield Problem(
            where="command.0",
            what="without a container, the name of a program cannot have an '='; "
            "write the command as one line of shell",
        )


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
    yield from _tried("image", MANNERS[site.containers.runtime].image, spec.image)


def _environment_refusals(spec: JobSpec, site: Site) -> Iterator[Problem]:
    for name, value in spec.environment:
        where = f"env.{name}"
        problems = list(_name_refusals(where, name, site))
        yield from problems
        if not problems:
            # The longest form it takes on the way is SINGULARITYENV_<name>=<value>.
            yield from _tried(
                where, lambda text: program_word(f"SINGULARITYENV_{text}"), f"{name}={value}"
            )


def _name_refusals(where: str, name: str, site: Site) -> Iterator[Problem]:
    runtime = site.containers.runtime
    taken = MANNERS[runtime].taken
    if not _NAME.fullmatch(name):
        yield Problem(where=where, what="a name of letters, digits and underscores is wanted")
    elif name.startswith("BRIDGE_"):
        yield Problem(where=where, what="names that begin with BRIDGE_ are the bridge's own")
    elif taken is not None and taken.fullmatch(name):
        yield Problem(
            where=where,
            what=f"{runtime} cannot be told this one; set it inside the command, "
            f"as in sh -c 'export {name}=...; ...'",
        )


def _secret_refusals(spec: JobSpec, site: Site) -> Iterator[Problem]:
    variables = dict(spec.environment)
    for name, _ in spec.secrets:
        yield from _name_refusals(f"secrets.{name}", name, site)
        if name in variables:
            yield Problem(where=f"secrets.{name}", what="env has a variable of this name too")
    yield from unknown_secrets(spec, site)


def _mount_refusals(spec: JobSpec, site: Site) -> Iterator[Problem]:
    manners = MANNERS[site.containers.runtime]
    folder = job_folder(site, spec.job_id)
    for index, mount in enumerate(spec.mounts):
        where = f"mounts.{index}"
        yield from _tried(where, manners.mount, mount)
        yield from _target_refusals(f"{where}.target", mount.target, site, folder)


def _target_refusals(where: str, target: str, site: Site, folder: str) -> Iterator[Problem]:
    runtime = site.containers.runtime
    if MANNERS[runtime].hides(target):
        yield Problem(where=where, what=f"nothing can be mounted at {target} with {runtime}")
    elif PurePosixPath(target).is_relative_to(folder):
        yield Problem(where=where, what="lies in the job's own folder")


def _parameters_refusals(spec: JobSpec, site: Site) -> Iterator[Problem]:
    folder, runtime = job_folder(site, spec.job_id), site.containers.runtime
    mount = parameters_mount(spec, site)
    if mount is None:
        return
    if runtime in WITHOUT_CONTAINER:
        yield Problem(
            where="params_path",
            what=f"{runtime} mounts nothing: leave it out, and the command finds the file at "
            "$BRIDGE_PARAMS or, with params_as_argument, in its last argument",
        )
        return
    yield from _tried("params_path", MANNERS[runtime].mount, mount)
    yield from _target_refusals("params_path", mount.target, site, folder)
    if not MANNERS[runtime].mounts_files:
        yield from _folder_refusals(spec, mount, runtime)


def _folder_refusals(spec: JobSpec, mount: Mount, runtime: Runtime) -> Iterator[Problem]:
    """Of parameters that are seen in a folder which shows the job's own."""
    parameters, shown = spec.parameters, PurePosixPath(mount.target)
    if parameters and PurePosixPath(parameters.path or "").name != parameters.file_name:
        yield Problem(
            where="params_path",
            what=f"{runtime} mounts no single files, but the folder that has it: "
            f"the path has to end in /{parameters.file_name}",
        )
    for index, other in enumerate(spec.mounts):
        target = PurePosixPath(other.target)
        if target.is_relative_to(shown) or shown.is_relative_to(target):
            yield Problem(
                where="params_path",
                what=f"{runtime} shows the job's folder at {shown}, and mounts.{index} is in its "
                f"way: {target}",
            )
