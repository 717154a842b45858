"""The testbed's container images, made on this machine without any registry and kept."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import debian_archive, long_command, rootfs
from .install import AS_NOBODY

DEFAULT_CACHE = Path("/var/cache/hpc-bridge-testbed")
_EXEC = ("apptainer", "exec", "--containall", "--no-home")
_SQUASHFS = "-comp zstd -Xcompression-level 3 -no-xattrs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to make one image; a new ``version`` makes every machine build it again."""

    name: str
    version: int
    fill: Callable[[Path, Callable[[str], None]], None]
    trial: tuple[str, ...]


_RECIPES = (
    Recipe(name="busybox", version=1, fill=rootfs.busybox, trial=("/bin/sh", "-c", "id -u")),
    Recipe(
        name="sklearn",
        version=2,
        fill=rootfs.sklearn,
        trial=("python", "-c", "import sklearn.datasets, yaml; sklearn.datasets.load_digits()"),
    ),
)


def build_images(cache: Path, progress: Callable[[str], None]) -> dict[str, Path]:
    """Make the images that ``cache`` does not have; quick when it has them all.

    Returns the SIF files (``busybox``, ``sklearn``) and the root folders (``busybox_dir``,
    ``sklearn_dir``), all with names in ``cache`` that stay the same between recipes. Needs root
    and ``install_runtimes``. Raises SetupFailed when an image cannot be made or does not run.
    """
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o755)
    found: dict[str, Path] = {}
    with _one_at_a_time(cache):
        for recipe in _RECIPES:
            home = cache / f"{recipe.name}-{debian_archive.release()}-{recipe.version}"
            if not home.exists():
                _build(recipe, home, progress)
            for key, name in (
                (recipe.name, f"{recipe.name}.sif"),
                (_folder_key(recipe), recipe.name),
            ):
                found[key] = cache / name
                _point(found[key], f"{home.name}/{name}")
    return found


def _folder_key(recipe: Recipe) -> str:
    return f"{recipe.name}_dir"


def _build(recipe: Recipe, home: Path, progress: Callable[[str], None]) -> None:
    """Make root folder and SIF aside and give them their place only when they run."""
    progress(f"making the {recipe.name} image")
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as scratch:
        new = Path(scratch) / "new"
        folder, image = new / recipe.name, new / f"{recipe.name}.sif"
        folder.mkdir(parents=True)
        recipe.fill(folder, progress)
        # The trial below runs as an ordinary user.
        Path(scratch).chmod(0o755)
        long_command.run(
            ["apptainer", "build", "--mksquashfs-args", _SQUASHFS, str(image), str(folder)],
            progress,
            doing=f"packing {image.name}",
            env={**os.environ, "APPTAINER_TMPDIR": scratch, "APPTAINER_CACHEDIR": scratch},
        )
        long_command.run(
            [*AS_NOBODY, *_EXEC, str(image), *recipe.trial],
            progress,
            doing=f"trying {image.name} as an ordinary user",
            env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/"},
            cwd=Path("/"),
        )
        new.rename(home)
    megabytes = (home / image.name).stat().st_size / 1e6
    progress(f"{image.name}: {megabytes:.0f} MB in {home}")


def _point(link: Path, target: str) -> None:
    if link.is_symlink() and link.readlink() == Path(target):
        return
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


@contextmanager
def _one_at_a_time(cache: Path) -> Iterator[None]:
    with (cache / "images.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in cache.glob(".*-*-*-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield
