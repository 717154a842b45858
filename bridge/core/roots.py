"""Which folders of the site a job's paths have to lie in, wherever links lead."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from bridge.core.job import JobSpec, Mount
from bridge.core.site import BindRoot, Runtime, Site

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confined:
    """A path of the site that a job uses."""

    where: str
    """The field of the job that names it."""
    path: str
    roots: tuple[str, ...]
    """It has to be one of these or lie below one, all links followed, theirs too."""
    mount: int | None = None
    """Which of the job's mounts it is, from 0; None for its image."""


def confined(spec: JobSpec, site: Site) -> Iterator[Confined]:
    """What the job mounts, and its image where that is a file or a folder."""
    if spec.image.startswith("/") and site.containers.runtime is not Runtime.COMMAND:
        yield Confined(where="image", path=spec.image, roots=_image_roots(spec.image, site))
    for index, mount in enumerate(spec.mounts):
        found = roots_above(mount, site)
        roots = tuple(it.path for it in found if mount.read_only or not it.read_only)
        where = f"mounts.{index}.source"
        yield Confined(where=where, path=mount.source, roots=roots, mount=index)


def roots_above(mount: Mount, site: Site) -> tuple[BindRoot, ...]:
    """The site's folders in which the mount's source lies, by its name."""
    path = PurePosixPath(mount.source)
    return tuple(it for it in site.containers.bind_roots if path.is_relative_to(it.path))


def fixed_part(pattern: str) -> str:
    """The file that the pattern names, or the folder in which its wild part is."""
    parts = PurePosixPath(pattern).parts
    fixed = next((index for index, it in enumerate(parts) if _WILD.search(it)), len(parts))
    return str(PurePosixPath(*parts[:fixed]))


def _image_roots(image: str, site: Site) -> tuple[str, ...]:
    patterns = (it for it in site.containers.images if fnmatchcase(image, it))
    return tuple(fixed_part(it) if it.startswith("/") else "/" for it in patterns)
