"""A root folder with volumes in it, visible to this process and its children alone."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from .refusal import Refused
from .volumes import Volume

# linux/sched.h and sys/mount.h.
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_RDONLY = 1
_MS_REMOUNT = 32
_MS_BIND = 4096
_MS_REC = 16384
# What a mount has that an ordinary user may not take from it: statvfs(3) -> mount(2).
_KEPT_FLAGS = {
    os.ST_NOSUID: 2,
    os.ST_NODEV: 4,
    os.ST_NOEXEC: 8,
    os.ST_NOATIME: 1024,
    os.ST_NODIRATIME: 2048,
    os.ST_RELATIME: 1 << 21,
}

_libc = ctypes.CDLL(None, use_errno=True)


def enter(root: Path, image: Path, volumes: Sequence[Volume]) -> None:
    """Show ``image`` at ``root`` with ``volumes`` bound into it.

    This process goes into a user and a mount namespace of its own (user_namespaces(7)); it keeps
    its user id. Raises Refused when a volume's source or its mount point is not there.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _bind(image, root)
    for volume in volumes:
        _bind_volume(root, volume)


def _bind_volume(root: Path, volume: Volume) -> None:
    source = Path(volume.source)
    if not source.exists():
        raise Refused(f"FAILED to mount {source}: it does not exist on {os.uname().nodename}")
    target = root / volume.target.lstrip("/")
    if not target.exists():
        raise Refused(f"FAILED to mount {source}: the image has no {volume.target}")
    if target.resolve() != target:
        raise Refused(f"FAILED to mount {source}: {volume.target} is a symbolic link in the image")
    if source.is_dir() != target.is_dir():
        raise Refused(f"FAILED to mount {source}: it and {volume.target} must both be folders")
    _bind(source, target)
    if volume.read_only:
        _make_read_only(target)


def _bind(source: Path, target: Path) -> None:
    _mount(source, target, _MS_BIND | _MS_REC)


def _make_read_only(target: Path) -> None:
    present = os.statvfs(target).f_flag
    kept = sum(flag for shown, flag in _KEPT_FLAGS.items() if present & shown)
    _mount(target, target, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | kept)


def _mount(source: Path, target: Path, flags: int) -> None:
    _call("mount", os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
