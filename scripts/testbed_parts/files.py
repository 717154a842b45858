"""Folders, configuration files and secrets with the owner and mode they need."""

import os
import pwd
import secrets
from pathlib import Path


def folder(path: Path, *, owner: str = "root", mode: int = 0o755) -> Path:
    """Make ``path`` a folder of ``owner`` with ``mode``."""
    path.mkdir(parents=True, exist_ok=True)
    _settle(path, owner=owner, mode=mode)
    return path


def write(path: Path, text: str, *, owner: str = "root", mode: int = 0o644) -> Path:
    """Replace ``path`` by ``text`` in one step; never readable by more than ``mode`` allows."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    _settle(new, owner=owner, mode=mode)
    new.replace(path)
    return path


def link(path: Path, target: Path) -> None:
    """Make ``path`` a symbolic link to ``target``, in place of any link or file."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


def password(path: Path, *, owner: str = "root") -> str:
    """The password kept in ``path``, made up when there is none."""
    if not path.exists():
        write(path, secrets.token_urlsafe(24) + "\n", owner=owner, mode=0o600)
    return path.read_text().strip()


def log_tail(path: Path, *, lines: int = 12) -> list[str]:
    """The last lines of a log; empty when there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 64 * 1024))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:]


def _settle(path: Path, *, owner: str, mode: int) -> None:
    account = pwd.getpwnam(owner)
    status = path.stat()
    if (status.st_uid, status.st_gid) != (account.pw_uid, account.pw_gid):
        os.chown(path, account.pw_uid, account.pw_gid)
    if status.st_mode & 0o7777 != mode:
        path.chmod(mode)
