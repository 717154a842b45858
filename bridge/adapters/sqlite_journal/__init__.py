"""The journal: a SQLite file that only one daemon writes, durable when a call returns."""

from bridge.adapters.sqlite_journal.inspection import Inspection, inspect_journal
from bridge.adapters.sqlite_journal.journal import SqliteJournal, open_journal
from bridge.adapters.sqlite_journal.lock import (
    RENEW_EVERY,
    JournalLock,
    LockTerms,
)

__all__ = [
    "RENEW_EVERY",
    "Inspection",
    "JournalLock",
    "LockTerms",
    "SqliteJournal",
    "inspect_journal",
    "open_journal",
]
