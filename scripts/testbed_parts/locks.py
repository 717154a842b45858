"""Locks, so that several testbed commands at a time do not disturb each other."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .console import progress
from .layout import CACHE


def of_testbed(root: Path) -> Path:
    """The lock of the testbed in ``root``: beside it, since ``down --purge`` removes the folder."""
    return root.with_name(root.name + ".lock")


@contextmanager
def testbed_locked(root: Path) -> Iterator[None]:
    """One command at a time works on one testbed."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with _flock(of_testbed(root), waiting=f"another command works on {root}"):
        yield


@contextmanager
def machine_locked() -> Iterator[None]:
    """One command at a time changes what all testbeds of this machine share."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with _flock(CACHE / "lock", waiting="another testbed is being set up"):
        yield


@contextmanager
def _flock(path: Path, *, waiting: str) -> Iterator[None]:
    while True:
        with path.open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress(f"waiting: {waiting}")
                fcntl.flock(stream, fcntl.LOCK_EX)
            # `down --purge` removes the lock file: a lock on a removed file guards nothing.
            if path.exists() and os.fstat(stream.fileno()).st_ino == path.stat().st_ino:
                yield
                return
