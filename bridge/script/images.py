"""Images that a job's script fetches before it starts the container."""

import hashlib
import re
from dataclasses import dataclass

from bridge.core.site import KEPT_IN_FILES, PullPolicy, Site

_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """How an image is fetched once, whatever the number of jobs that want it."""

    folder: str
    lock: str
    """The file that is locked meanwhile."""
    file: str
    """Where the image is then, for runtimes that keep images in files."""
    in_job: bool
    """Whether the job's script fetches it; else it only looks whether it is there."""


def pull_of(image: str, site: Site) -> Pull | None:
    """How the site's scripts fetch the image; None where it has to be there already.

    Equal names are one image: what a tag means later is not asked again, while a digest
    (`name@sha256:...`) is exact.
    """
    containers = site.containers
    if containers.pull_folder is None or not is_pulled(image, site):
        return None
    words = re.sub(r"[^A-Za-z0-9_.-]+", "_", image)[-_LONGEST_NAME:]
    digest = hashlib.sha256(image.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    stem = f"{containers.pull_folder}/{words}-{digest}"
    return Pull(
        folder=containers.pull_folder,
        lock=f"{stem}.lock",
        file=f"{stem}.sif",
        in_job=containers.pull is PullPolicy.IN_JOB,
    )


def is_pulled(image: str, site: Site) -> bool:
    """Whether the site fetches this image when it does not have it."""
    containers = site.containers
    return containers.pull is not PullPolicy.NEVER and not is_a_path(image, site)


def is_a_path(image: str, site: Site) -> bool:
    """Whether the image is a file or a folder of the site."""
    return site.containers.runtime in KEPT_IN_FILES and image.startswith("/")
