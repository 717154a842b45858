"""What containers need on a machine: Apptainer, Charliecloud, FUSE, user namespaces."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

from testbed_parts.console import SetupFailed

from . import apptainer, debian_packages

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

_PACKAGES = (
    # What runs containers.
    "charliecloud",
    "squashfuse",
    "fuse3",
    "fuse-overlayfs",
    "fuse2fs",
    "gocryptfs",
    "squashfs-tools",
    "uidmap",
    # What makes images.
    "busybox-static",
    "mmdebstrap",
    "debian-archive-keyring",
    # What makes Apptainer run on an older Debian, and the plugin for sbatch.
    "ca-certificates",
    "patchelf",
    "gcc",
    "libc6-dev",
    "libslurm-dev",
)
_FUSE = Path("/dev/fuse")
# Linux' own numbers for the device (admin-guide/devices.txt).
_FUSE_DEVICE = os.makedev(10, 229)
_FOR_EVERYBODY = 0o666
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def install_runtimes(progress: Callable[[str], None]) -> None:
    """Install the container runtimes for the whole machine; quick when they are there.

    Needs root. Starts no service. Raises SetupFailed when a package cannot be had or when the
    machine does not let ordinary users make user namespaces.
    """
    debian_packages.ensure(_PACKAGES)
    if shutil.which("apptainer", path=_PATH) is None:
        if _has_candidate("apptainer"):
            debian_packages.ensure(("apptainer",))
        else:
            apptainer.install(progress)
    _open_fuse(progress)
    _try_user_namespace()


def _has_candidate(package: str) -> bool:
    shown = subprocess.run(
        ["apt-cache", "policy", package],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    ).stdout
    return "Candidate:" in shown and "Candidate: (none)" not in shown


def _open_fuse(progress: Callable[[str], None]) -> None:
    """Let ordinary users mount images: udev would do this, where it runs."""
    if not _FUSE.exists():
        try:
            os.mknod(_FUSE, _FOR_EVERYBODY | stat.S_IFCHR, _FUSE_DEVICE)
        except OSError as error:
            progress(f"no {_FUSE} ({error.strerror}): Apptainer unpacks images at each start")
            return
    # Also after mknod, whose mode the umask cuts.
    if _FUSE.stat().st_mode & _FOR_EVERYBODY != _FOR_EVERYBODY:
        _FUSE.chmod(_FOR_EVERYBODY)


def _try_user_namespace() -> None:
    tried = subprocess.run(
        [*AS_NOBODY, "unshare", "--user", "--map-root-user", "--mount", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode != 0:
        raise SetupFailed(
            "an ordinary user cannot make a user namespace here, and containers need one",
            log_lines=tried.stderr.splitlines(),
            hint="see user_namespaces(7): sysctl user.max_user_namespaces and "
            "kernel.unprivileged_userns_clone; in a container, its seccomp profile",
        )
