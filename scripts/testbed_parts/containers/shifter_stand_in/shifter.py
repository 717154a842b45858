"""The stand-in ``shifter``: builds the container's view and becomes the command in it."""

import os
import pwd
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import arguments, catalogue, environment, namespace, volumes
from .arguments import Request
from .refusal import Refused
from .site import Site
from .volumes import Volume

_CH_RUN = "/usr/bin/ch-run"
# ch-run binds the host's own /tmp over whatever the image has there (ch-run(1)).
_HOST_TMP = Path("/tmp")


def main(site: Site, words: Sequence[str]) -> int:
    """Run the command; returns (with 1) only when it cannot be started."""
    try:
        request = arguments.parse(words)
        if request.help:
            print(arguments.USAGE)
            return 0
        _run(site, request, os.environ)
    except (Refused, OSError) as error:
        print(f"shifter: {error}", file=sys.stderr)
    return 1


def _run(site: Site, request: Request, host: Mapping[str, str]) -> None:
    image = catalogue.look_up(_image(request, host), catalogue.read(Path(site.catalogue)))
    command = _command(request, host)
    asked = ";".join(request.volumes) or host.get("SLURM_SPANK_SHIFTER_VOLUME", "")
    asked = asked or host.get("SHIFTER_VOLUME", "")
    bound = (*_site_volumes(site), *volumes.parse(asked))
    inside = environment.build(
        host=host,
        image=_lines(Path(image.folder, "ch", "environment")),
        files=[line for file in request.env_files for line in _lines(Path(file))],
        options=request.env,
        clear=request.clear_env,
    )
    # Asked before the namespace changes what the path means.
    here = Path.cwd()
    root = Path(site.root)
    namespace.enter(root, Path(image.folder), bound)
    workdir = _workdir(request, root, here)
    # ch-run reads or changes these itself: it gets them as options, not as its own environment.
    options = [f"--set-env={name}={inside.pop(name)}" for name in list(inside) if _is_special(name)]
    inside.setdefault("USER", pwd.getpwuid(os.geteuid()).pw_name)
    argv = ["ch-run", "--env-no-expand", *options, f"--cd={workdir}", str(root), "--", *command]
    os.chdir("/")
    os.execve(_CH_RUN, argv, inside)  # noqa: S606  (signals must reach the command itself)


def _image(request: Request, host: Mapping[str, str]) -> str:
    """The option, else what sbatch's --image pinned, else Shifter's own variables."""
    if request.image:
        return request.image
    for prefix in ("SLURM_SPANK_SHIFTER", "SHIFTER"):
        if image := host.get(f"{prefix}_IMAGE"):
            return f"{host.get(f'{prefix}_IMAGETYPE', 'docker')}:{image}"
    if image := host.get("SHIFTER"):
        return image
    raise Refused("no image: give --image here or to sbatch")


def _command(request: Request, host: Mapping[str, str]) -> tuple[str, ...]:
    entrypoint = request.entrypoint
    if entrypoint is None:
        entrypoint = host.get("SLURM_SPANK_SHIFTER_ENTRYPOINT")
    if entrypoint == "":
        raise Refused("the images of this stand-in have no entry point: give --entrypoint=PROGRAM")
    command = (entrypoint, *request.command) if entrypoint else request.command
    if not command:
        raise Refused("no command")
    return command


def _site_volumes(site: Site) -> list[Volume]:
    """The host folders that the site shows in every container; /tmp is there anyway."""
    return [
        Volume(source=folder, target=folder, read_only=False)
        for folder in site.folders
        if Path(folder).exists() and not Path(folder).is_relative_to(_HOST_TMP)
    ]


def _workdir(request: Request, root: Path, here: Path) -> str:
    if request.workdir:
        if not _exists_inside(root, Path(request.workdir)):
            raise Refused(f"the container has no folder {request.workdir} (--workdir)")
        return request.workdir
    return str(here) if _exists_inside(root, here) else "/"


def _exists_inside(root: Path, folder: Path) -> bool:
    if folder.is_relative_to(_HOST_TMP):
        return folder.is_dir()
    return (root / str(folder).lstrip("/")).is_dir()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from error


def _is_special(name: str) -> bool:
    return name in {"HOME", "TMPDIR"} or name.startswith("LD_")
