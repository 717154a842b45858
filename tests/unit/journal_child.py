"""A process that admits jobs for ever, and prints the number of each one that was confirmed."""

import sys
from itertools import count
from threading import Thread
from time import time_ns

from journal_entries import an_acceptance

from bridge.adapters.sqlite_journal import LockTerms, SqliteJournal, open_journal
from bridge.core.settings import JournalSettings
from bridge.testing.clock import FakeClock

WORKERS = 4


def _admit(journal: SqliteJournal, first: int) -> None:
    for number in count(first, WORKERS):
        journal.admit([an_acceptance(number)])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


def main() -> None:
    _, path, disk = sys.argv
    clock = FakeClock()
    journal = open_journal(
        JournalSettings(path=path, disk="network" if disk == "network" else "local"),
        clock=clock,
        lock_terms=LockTerms(clock=clock, pause=lambda _: None),
    )
    start = time_ns()
    for worker in range(WORKERS):
        Thread(target=_admit, args=(journal, start + worker)).start()


if __name__ == "__main__":
    main()
