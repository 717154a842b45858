"""Gives a site what Shifter scripts need: the options for sbatch, ``shifter`` and ``shifterimg``.

All of it is a stand-in for tests, and says so.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import long_command
from .images import DEFAULT_CACHE
from .shifter_stand_in import catalogue
from .shifter_stand_in.site import Site

_HERE = Path(__file__).parent
_PLUGIN_SOURCE = _HERE / "spank_shifter.c"
_COMPILER_OPTIONS = (
    *("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fPIC", "-shared"),
    *("-Wall", "-Wextra", "-Werror"),
)
_PACKAGE = "shifter_stand_in"
_IMAGES = {"testbed/busybox:1": "busybox", "testbed/sklearn:1": "sklearn"}
# -E and -s keep the job's Python settings out of the site's own commands.
_COMMAND = """\
#!/usr/bin/python3 -BEs
# A STAND-IN for tests, not Shifter: it runs commands with Charliecloud, from images that lie on
# this machine. See {package}/__init__.py in {folder}.
import sys
from pathlib import Path

sys.path.insert(0, {folder!r})
from {package}.{module} import main
from {package}.site import Site

sys.exit(main(Site.read(Path({site!r})), sys.argv[1:]))
"""


def build(bin_dir: Path, lib_dir: Path, state: Path, progress: Callable[[str], None]) -> str:
    """Install the stand-in for one site; returns the line for its plugstack.conf.

    The commands go into ``bin_dir``, the plugin and the package into ``lib_dir``, the catalogue of
    images into ``state``. Containers see /home and the site's ``state/work`` as the host has them.
    Needs ``install_runtimes`` and ``build_images`` into the default cache before. Quick when the
    plugin is there. Raises SetupFailed when it does not compile.
    """
    folders = (Path("/home"), state / "work")
    _write_catalogue(state, folders)
    site = _install_package(lib_dir, state, folders)
    for name in ("shifter", "shifterimg"):
        _install_command(bin_dir / name, name, lib_dir, site)
    plugin = _compile(lib_dir, progress)
    return f"required {plugin} check={bin_dir / 'shifterimg'}"


def _write_catalogue(state: Path, folders: tuple[Path, ...]) -> None:
    images = []
    for name, folder in _IMAGES.items():
        root = (DEFAULT_CACHE / folder).resolve(strict=True)
        for shown in folders:
            # As Shifter adds a site's mount points to an image when it prepares it.
            (root / str(shown).lstrip("/")).mkdir(parents=True, exist_ok=True)
        images.append(catalogue.entry(name, root))
    catalogue.write(images, _catalogue(state))


def _catalogue(state: Path) -> Path:
    return state / "shifter-images.json"


def _install_package(lib_dir: Path, state: Path, folders: tuple[Path, ...]) -> Path:
    package = lib_dir / _PACKAGE
    package.mkdir(parents=True, exist_ok=True)
    for source in sorted((_HERE / _PACKAGE).glob("*.py")):
        new = package / f"{source.name}.new"
        shutil.copyfile(source, new)
        new.replace(package / source.name)
    root = lib_dir / "shifter-root"
    root.mkdir(exist_ok=True)
    site = lib_dir / "shifter-site.json"
    Site(
        catalogue=str(_catalogue(state)),
        folders=tuple(str(folder) for folder in folders),
        root=str(root),
    ).write(site)
    return site


def _install_command(path: Path, module: str, lib_dir: Path, site: Path) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(
        _COMMAND.format(package=_PACKAGE, module=module, folder=str(lib_dir), site=str(site))
    )
    new.chmod(0o755)
    new.replace(path)


def _compile(lib_dir: Path, progress: Callable[[str], None]) -> Path:
    """Compile the plugin for the installed Slurm, unless that is done: it fits one version only."""
    plugin = lib_dir / "spank_shifter.so"
    made_from = plugin.with_suffix(".made-from")
    wanted = f"{_slurm_version()}\n{_PLUGIN_SOURCE.read_text()}"
    if plugin.exists() and made_from.exists() and made_from.read_text() == wanted:
        return plugin
    new = plugin.with_suffix(".new")
    long_command.run(
        ["gcc", *_COMPILER_OPTIONS, "-o", str(new), str(_PLUGIN_SOURCE)],
        progress,
        doing="compiling the Shifter stand-in's SPANK plugin",
        hint="the packages gcc, libc6-dev and libslurm-dev must be there",
    )
    new.replace(plugin)
    made_from.write_text(wanted)
    return plugin


def _slurm_version() -> str:
    return subprocess.run(
        ["dpkg-query", "-W", "-f=${Version}", "libslurm-dev"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
