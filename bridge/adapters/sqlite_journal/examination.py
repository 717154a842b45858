"""Looks whether a journal can be had where a site's file says, and changes nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

from bridge.adapters.sqlite_journal.disk import is_network
from bridge.adapters.sqlite_journal.lock_file import LockFile, lock_of
from bridge.core.finding import Finding, note, ok, skipped, wrong
from bridge.core.settings import JournalSettings

_SUBJECT = "journal"


def examine_journal(settings: JournalSettings) -> Iterator[Finding]:
    """The folder, the kind of disk, and whether a daemon has the journal."""
    path = Path(settings.path)
    folder = path.parent
    if not folder.is_dir():
        yield wrong(_SUBJECT, f"there is no folder {folder}", f"mkdir -p {folder}")
        return
    present = [it for it in (path, lock_of(path)) if it.exists()]
    barred = [it for it in present or [folder] if not os.access(it, os.R_OK | os.W_OK)]
    if barred or not os.access(folder, os.W_OK | os.X_OK):
        where = barred[0] if barred else folder
        yield wrong(_SUBJECT, f"{where} may not be written", "give it to who runs the bridge")
        return
    yield ok(_SUBJECT, f"{path}, {'there' if path.exists() else 'to be made'}")
    if is_network(path, settings.disk):
        yield note(
            "journal disk",
            f"{folder} is on a network file system, or counts as one: slower, and never WAL",
            "a local disk is better; `journal.disk: local` where this errs",
        )
    else:
        yield ok("journal disk", f"{folder} is on a local disk")
    yield _lock(path)


def _lock(path: Path) -> Finding:
    subject, lock = "journal lock", lock_of(path)
    if not lock.exists():
        return ok(subject, "no daemon has it")
    try:
        file = LockFile(lock)
    except OSError as error:
        return skipped(subject, f"{lock}: {error.strerror}")
    try:
        holder = file.holder()
    finally:
        file.close()
    if holder is None:
        return ok(subject, "no daemon has it")
    return note(subject, f"{holder} has it, or had it and did not end in good order")
