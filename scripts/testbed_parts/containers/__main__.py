"""For a look at one step: ``PYTHONPATH=scripts python3 -m testbed_parts.containers install``."""

import sys

from testbed_parts.console import SetupFailed, complain, progress

from .images import DEFAULT_CACHE, build_images
from .install import install_runtimes


def main(arguments: list[str]) -> int:
    """Run one step; the exit code is 1 when it fails, 2 when there is no such step."""
    try:
        match arguments:
            case ["install"]:
                install_runtimes(progress)
            case ["images"]:
                for name, path in build_images(DEFAULT_CACHE, progress).items():
                    print(f"{name}\t{path}")
            case _:
                print("steps: install, images", file=sys.stderr)
                return 2
    except SetupFailed as error:
        complain(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
