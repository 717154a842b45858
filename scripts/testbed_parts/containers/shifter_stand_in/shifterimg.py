"""The stand-in ``shifterimg``, and the check that the SPANK plugin runs at submission."""

import sys
from collections.abc import Sequence
from pathlib import Path

from . import catalogue, volumes
from .catalogue import Image
from .refusal import Refused
from .site import Site
from .volumes import Volume

_USAGE = """\
usage: shifterimg images | lookup IMAGE | pull IMAGE      (a stand-in for tests, not Shifter)
There is no registry behind it: pull succeeds for images that are there already."""
_WRONG_USAGE = 2


def main(site: Site, words: Sequence[str]) -> int:
    """Run one verb; the exit code is 1 when the image is not there, 2 for wrong usage."""
    images = catalogue.read(Path(site.catalogue))
    try:
        match words:
            case ["images"]:
                for image in images:
                    print(f"testbed    docker     READY    {image.identity[:10]}   {image.name}")
            case ["lookup", request]:
                print(catalogue.look_up(request, images).identity)
            case ["pull", request]:
                image = catalogue.look_up(request, images)
                print(f"Pulling Image: docker:{image.name}, status: READY")
            case ["check", image_option, volume_option]:
                return _check(images, image_option, volume_option)
            case ["--help" | "-h"]:
                print(_USAGE)
            case _:
                print(_USAGE, file=sys.stderr)
                return _WRONG_USAGE
    except Refused as error:
        print(f"shifterimg: {error}", file=sys.stderr)
        return 1
    return 0


def _check(images: Sequence[Image], image_option: str, volume_option: str) -> int:
    """Answer the SPANK plugin on standard output: the image's id, or what is wrong."""
    request = image_option.removeprefix("--image=")
    try:
        _check_sources(volumes.parse(volume_option.removeprefix("--volume=")))
        print(catalogue.look_up(request, images).identity if request else "")
    except Refused as error:
        print(error)
        return 1
    return 0


def _check_sources(asked: Sequence[Volume]) -> None:
    """Host folders must be there at submission, as Shifter's documentation asks."""
    for volume in asked:
        if not Path(volume.source).exists():
            raise Refused(f"invalid volume: {volume.source} does not exist")
