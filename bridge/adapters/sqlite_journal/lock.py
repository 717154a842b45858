"""One daemon at a time: a lock on the journal that a dead host does not keep."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bridge.adapters.sqlite_journal.lock_file import Holder, LockFile, lock_of, this_process
from bridge.core.errors import ConfigurationError, Problem, SupersededError, UnavailableError
from bridge.ports import Clock

RENEW_EVERY = timedelta(seconds=10)
_STALE_AFTER = timedelta(seconds=120)
_SETTLE = timedelta(seconds=1)


def _uptime() -> timedelta:
    # Goes on while the machine sleeps, and nobody can set it (clock_gettime(2)).
    return timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))


def _pause(duration: timedelta) -> None:
    time.sleep(duration.total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTerms:
    """What a lock is held by, and by which time."""

    clock: Clock
    stale_after: timedelta = _STALE_AFTER
    """The age of a sign of life at which its giver may be dead; more than the 90 s after which an
    NFSv4 server usually drops the locks of a client that is gone."""
    uptime: Callable[[], timedelta] = _uptime
    pause: Callable[[timedelta], None] = _pause

    @property
    def trusted_for(self) -> timedelta:
        """How long after a sign of life its giver may still write."""
        return self.stale_after / 2


class JournalLock:
    """The lock, held: `renew` it every RENEW_EVERY. Loss is noticed there, and stops writing.

    On a network file system writing also stops when it could not be renewed for so long that
    another host may soon take it over.
    """

    def __init__(
        self, file: LockFile, *, me: Holder, network: bool, terms: LockTerms, since: timedelta
    ) -> None:
        """Take over a file locked at the uptime `since`; `take_lock` is how to get one."""
        self._file: LockFile | None = file
        self._path = file.path
        self._me = me
        self._network = network
        self._terms = terms
        self._renewed = since
        self._loss: str | None = None

    def renew(self) -> None:
        """Give a sign of life.

        Raises SupersededError when the lock is lost, for good; UnavailableError when the file
        cannot be reached: call again.
        """
        self._refuse_if_lost()
        if self._file is None:
            return
        began = self._terms.uptime()
        try:
            found = self._file.holder()
            if found is None or found.token != self._me.token:
                self._loss = f"taken over by {found}" if found else "removed or cleared"
            self._refuse_if_lost()
            self._file.write(self._me, self._terms.clock.now())
        except OSError as error:
            raise _unavailable(self._path, error) from error
        self._renewed = began

    def check(self) -> None:
        """Raise SupersededError or UnavailableError when nothing may be written. Asks no disk."""
        self._refuse_if_lost()
        silent = self._terms.uptime() - self._renewed
        if self._network and silent > self._terms.trusted_for:
            raise UnavailableError(
                f"the lock {self._path} was not renewed for {silent.total_seconds():.0f} s: "
                f"another host may take the journal over"
            )

    def release(self) -> None:
        """Give it back, so that the next daemon need not wait; once released, do nothing."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            found = file.holder()
            if found and found.token == self._me.token:
                file.write(None, self._terms.clock.now())
        except OSError as error:
            raise _unavailable(self._path, error) from error
        finally:
            file.close()

    def _refuse_if_lost(self) -> None:
        if self._loss:
            raise SupersededError(f"the lock {self._path} was {self._loss}: this daemon must end")


def take_lock(
    journal: Path, *, network: bool, terms: LockTerms, me: Holder | None = None
) -> JournalLock:
    """Lock the journal, by the file beside it that ends in `.lock`.

    On a local disk the kernel's lock decides. On a network file system that may hold on this host
    only, or outlive a dead one, so there the record in the file decides: one that is older than
    `terms.stale_after` is taken over, after it was watched for as long as its holder would go on
    writing. Hosts' clocks are not trusted: the watch is the proof.

    Raises ConfigurationError, with the holder's host and process id, when it is taken.
    """
    path = lock_of(journal)
    me = me or this_process()
    try:
        file = LockFile(path)
    except OSError as error:
        what = f"{path} cannot be opened: {error.strerror}"
        raise ConfigurationError(Problem(where="journal.path", what=what)) from error
    try:
        claim = _claim_on_network if network else _claim_on_local_disk
        since = claim(file, me, terms)
    except OSError as error:
        file.close()
        raise _unavailable(path, error) from error
    except BaseException:
        file.close()
        raise
    return JournalLock(file, me=me, network=network, terms=terms, since=since)


def _claim_on_local_disk(file: LockFile, me: Holder, terms: LockTerms) -> timedelta:
    if not file.lock():
        raise _in_use(file, file.holder())
    since = terms.uptime()
    file.write(me, terms.clock.now())
    return since


def _claim_on_network(file: LockFile, me: Holder, terms: LockTerms) -> timedelta:
    try:
        locked = file.lock()
    except OSError:
        locked = False
    holder = file.holder()
    # The kernel's lock is good between processes of one boot; a host's name says nothing.
    if holder and not (locked and holder.boot_id == me.boot_id):
        _watch_until_dead(file, holder, terms)
    since = terms.uptime()
    file.write(me, terms.clock.now())
    # Two may have come at once, where flock says nothing of other hosts: the later one has it.
    terms.pause(_SETTLE)
    winner = file.holder()
    if winner is None or winner.token != me.token:
        raise _in_use(file, winner)
    return since


def _watch_until_dead(file: LockFile, holder: Holder, terms: LockTerms) -> None:
    age = terms.clock.now() - datetime.fromisoformat(holder.heartbeat)
    # A sign of life from the future is as odd as an old one.
    if abs(age) < terms.stale_after:
        raise _in_use(file, holder)
    terms.pause(terms.trusted_for)
    now = file.holder()
    if now not in (holder, None):
        raise _in_use(file, now)


def _in_use(file: LockFile, holder: Holder | None) -> ConfigurationError:
    journal = file.path.with_suffix("")
    who = str(holder) if holder else "another process"
    what = f"{journal} is in use by {who}: stop that daemon, or name another file"
    return ConfigurationError(Problem(where="journal.path", what=what))


def _unavailable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"the lock {path}: {error.strerror}")
