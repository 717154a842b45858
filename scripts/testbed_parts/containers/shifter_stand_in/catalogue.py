"""The images of the stand-in: a small JSON file instead of Shifter's image gateway."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .refusal import Refused

_TYPES = ("docker", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image: its name as ``NAME:TAG``, its id (hex) and the root folder that it is."""

    name: str
    identity: str
    folder: str


def entry(name: str, folder: Path) -> Image:
    """An image for the catalogue; another folder gives it another id."""
    identity = hashlib.sha256(f"{name}\n{folder}".encode()).hexdigest()
    return Image(name=name, identity=identity, folder=str(folder))


def write(images: Sequence[Image], path: Path) -> None:
    """Replace the catalogue in one step; everybody may read it."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps([asdict(image) for image in images], indent=2) + "\n")
    new.chmod(0o644)
    new.replace(path)


def read(path: Path) -> list[Image]:
    """The images of the catalogue."""
    return [Image(**image) for image in json.loads(path.read_text())]


def look_up(request: str, images: Sequence[Image]) -> Image:
    """The image for ``TYPE:NAME:TAG``, ``NAME:TAG`` (docker) or ``NAME`` (its tag ``latest``).

    Raises Refused when there is none.
    """
    kind, colon, rest = request.partition(":")
    if not colon or kind not in _TYPES:
        kind, rest = "docker", request
    if kind == "docker" and ":" not in rest.rpartition("/")[2]:
        rest = f"{rest}:latest"
    for image in images:
        if rest == (image.identity if kind == "id" else image.name):
            return image
    known = ", ".join(f"docker:{image.name}" for image in images)
    raise Refused(f"FAILED to look up image {kind}:{rest} (this stand-in has {known})")
