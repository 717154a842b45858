"""Whether a path lies on a local disk."""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Literal

Disk = Literal["detect", "local", "network"]

LOCAL = frozenset(
    {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "overlay", "ramfs"}
    | {"reiserfs", "tmpfs", "xfs", "zfs"}
)
"""File systems of one host alone. Every other one counts as a network file system (nfs4, cifs,
lustre, gpfs, beegfs, 9p, dvs, fuse.*, ...): what is not known to be local gets the safe mode."""

_OCTAL = re.compile(r"\\([0-7]{3})")


def file_system(mountinfo: str, path: str) -> str | None:
    """The type of the file system that holds the absolute, resolved `path`, as the kernel names it.

    `mountinfo` is the text of /proc/self/mountinfo (proc(5)). None when no line of it fits.
    """
    wanted = PurePosixPath(path)
    depth, found = -1, None
    for line in mountinfo.splitlines():
        mount_point, kind = _mount(line)
        # Of two mounts on one place the later one covers the earlier one.
        if mount_point and wanted.is_relative_to(mount_point):
            parts = len(PurePosixPath(mount_point).parts)
            if parts >= depth:
                depth, found = parts, kind
    return found


def is_network(path: Path, disk: Disk) -> bool:
    """Whether `path`, whose folder exists, is to be treated as on a network file system."""
    if disk != "detect":
        return disk == "network"
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", errors="surrogateescape")
    except OSError:
        return True
    return file_system(mountinfo, os.path.realpath(path.parent)) not in LOCAL


def _mount(line: str) -> tuple[str | None, str | None]:
    before, separator, after = line.partition(" - ")
    left, right = before.split(" "), after.split(" ")
    mount_point_field = 4
    if not separator or len(left) <= mount_point_field:
        return None, None
    mount_point = _OCTAL.sub(lambda it: chr(int(it[1], 8)), left[mount_point_field])
    return mount_point, right[0]
