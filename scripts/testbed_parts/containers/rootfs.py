"""The root folders of the testbed's images: one of busybox, one of Debian with scikit-learn."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from . import debian_archive, long_command
from .debian_packages import NETWORK_HINT

_BUSYBOX = Path("/bin/busybox")
# Shifter and Charliecloud bind onto folders that the image has, and onto no other.
_MOUNT_POINTS = (
    "app/work/config",
    "app/work/data",
    "app/work/output",
    "data",
    "dev",
    "home",
    "mnt",
    "proc",
    "root",
    "run",
    "sys",
    "work",
)
_FOR_EVERYBODY = ("tmp", "var/tmp")
_SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/resolv.conf": "",
}

_PYTHON_PACKAGES = ("python3", "python3-numpy", "python3-sklearn", "python3-yaml")
# Documentation, and what compiles: SciPy's package brings a whole tool chain along for Pythran.
_NOT_UNPACKED = (
    "/usr/include/*",
    "/usr/lib/*.a",
    "/usr/lib/gcc/*",
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
)
_NETWORK_SETTINGS = (
    "Acquire::http",
    "Acquire::https",
    "Acquire::Retries",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
)
# What would be in the way of unpacking or installing if it were left out from the start.
_REMOVED = (
    "boot",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/*",
    "etc/shadow*",
    "etc/gshadow*",
    "dev/*",
    "usr/bin/*-linux-gnu-*",
    "usr/lib/*-linux-gnu/lib[alt]san.so*",
    "usr/lib/*-linux-gnu/libubsan.so*",
    "usr/lib/*-linux-gnu/openblas-*/*.a",
    "usr/lib/*-linux-gnu/perl",
    "usr/lib/python3/dist-packages/scipy/**/tests",
    "usr/lib/python3/dist-packages/sklearn/**/tests",
    "usr/lib/python3/dist-packages/pythran",
    "usr/share/bash-completion",
    "usr/share/javascript",
    "usr/share/perl",
    "var/cache/*",
    "var/lib/apt/lists/*",
    "var/log/*",
)


def busybox(root: Path, _progress: Callable[[str], None]) -> None:
    """Fill ``root`` with the machine's static busybox under all of its names."""
    (root / "bin").mkdir()
    shutil.copy(_BUSYBOX, root / "bin" / "busybox")
    listed = subprocess.run(
        [_BUSYBOX, "--list-full"], capture_output=True, text=True, check=True
    ).stdout
    for name in listed.split():
        link = root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to("/bin/busybox")
    _finish(root, {"PATH": _SEARCH_PATH, "TESTBED_IMAGE": "busybox"})


def sklearn(root: Path, progress: Callable[[str], None]) -> None:
    """Fill ``root`` with the machine's Debian release, Python, NumPy, scikit-learn and YAML.

    Raises SetupFailed with mmdebstrap's own words when it does not succeed.
    """
    sources = debian_archive.machine_sources(progress)
    long_command.run(
        [
            "mmdebstrap",
            "--mode=root",
            "--variant=minbase",
            f"--include={','.join(_PYTHON_PACKAGES)}",
            "--dpkgopt=force-unsafe-io",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _NOT_UNPACKED),
            *(f"--aptopt={setting}" for setting in _network_settings()),
            sources[0].suite,
            str(root),
            *(source.line() for source in sources),
        ],
        progress,
        doing="making the scikit-learn image",
        hint=NETWORK_HINT,
    )
    for pattern in _REMOVED:
        for path in list(root.glob(pattern)):
            _remove(path)
    (root / "usr" / "bin" / "python").symlink_to("python3")
    _drop_setuid(root)
    _finish(root, {"PATH": _SEARCH_PATH, "LANG": "C.UTF-8", "TESTBED_IMAGE": "sklearn"})


def _network_settings() -> list[str]:
    """How the machine reaches its mirror and what it accepts from it: mmdebstrap does not ask."""
    shown = subprocess.run(
        ["apt-config", "dump", "--no-empty", "--format", '%f "%v";%n', *_NETWORK_SETTINGS],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    credentials = 'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";'
    return [credentials, *(line for line in shown.splitlines() if line.startswith("Acquire::"))]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _drop_setuid(root: Path) -> None:
    """The folder stays on this machine: nobody keeps its programs up to date."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                path.chmod(stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))


def _finish(root: Path, environment: Mapping[str, str]) -> None:
    """Add mount points, the few files every runtime asks for, and the image's environment."""
    for name in (*_MOUNT_POINTS, *_FOR_EVERYBODY):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in _FOR_EVERYBODY:
        (root / name).chmod(0o1777)
    (root / "etc").mkdir(exist_ok=True)
    for name, text in _FILES.items():
        if not (root / name).exists():
            (root / name).write_text(text)
    # Where Charliecloud keeps an image's ENV (ch-run(1), --set-env).
    (root / "ch").mkdir()
    lines = "".join(f"{name}={value}\n" for name, value in environment.items())
    (root / "ch" / "environment").write_text(lines)
    root.chmod(0o755)
