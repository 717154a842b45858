"""One daemon at a time, also where hosts die and locks outlive them."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.sqlite_journal.lock import (
    RENEW_EVERY,
    JournalLock,
    LockTerms,
    take_lock,
)
from bridge.adapters.sqlite_journal.lock_file import Holder, LockFile, this_process
from bridge.core.errors import ConfigurationError, SupersededError, UnavailableError
from bridge.testing.clock import START, FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

STALE = timedelta(seconds=120)
HERE = Holder(host="login01", pid=11, boot_id="boot 1", token="here")
THERE = Holder(host="login02", pid=22, boot_id="boot 2", token="there")
HOLD_UNTIL_KILLED = """
import sys, time
from pathlib import Path
from bridge.adapters.sqlite_journal.lock import LockTerms, take_lock
from bridge.testing.clock import FakeClock
terms = LockTerms(clock=FakeClock(), pause=lambda _: None)
lock = take_lock(Path(sys.argv[1]), network=sys.argv[2] == "network", terms=terms)
print("held", flush=True)
time.sleep(60)
"""


class Time:
    """The clock on the wall, the time the host is up, and pauses that pass at once."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.up = timedelta(days=3)
        self.paused: list[timedelta] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def pass_by(self, duration: timedelta) -> None:
        self.up += duration
        self.clock.move(duration)

    def pause(self, duration: timedelta) -> None:
        self.paused.append(duration)
        self.pass_by(duration)
        self.meanwhile()

    @property
    def terms(self) -> LockTerms:
        return LockTerms(
            clock=self.clock, stale_after=STALE, uptime=lambda: self.up, pause=self.pause
        )


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def _record(journal: Path) -> Path:
    return journal.with_name("journal.sqlite.lock")


def _write_as(holder: Holder, journal: Path, time: Time) -> None:
    """A sign of life, as a daemon on another host would give it."""
    file = LockFile(_record(journal))
    file.write(holder, time.clock.now())
    file.close()


def _give_back(holder: Holder, journal: Path, time: Time) -> None:
    file = LockFile(_record(journal))
    if file.holder() == replace(holder, heartbeat=START.isoformat()):
        file.write(None, time.clock.now())
    file.close()


def _take(journal: Path, time: Time, *, me: Holder = HERE, network: bool = True) -> JournalLock:
    return take_lock(journal, network=network, terms=time.terms, me=me)


def _holder(journal: Path) -> object:
    text = _record(journal).read_text().strip()
    return json.loads(text)["token"] if text else None


@pytest.mark.parametrize("network", [False, True])
def test_a_second_daemon_is_told_host_and_process_of_the_first(
    journal: Path,
    time: Time,
    network: bool,  # noqa: FBT001
) -> None:
    lock = _take(journal, time, network=network)

    with pytest.raises(ConfigurationError, match="in use by process 11 on login01") as caught:
        _take(journal, time, me=THERE, network=network)

    assert caught.value.problems[0].where == "journal.path"
    assert str(journal) in str(caught.value)
    lock.renew()
    lock.check()
    lock.release()


@pytest.mark.parametrize("network", [False, True])
def test_a_lock_that_was_given_back_is_free_at_once(
    journal: Path,
    time: Time,
    network: bool,  # noqa: FBT001
) -> None:
    lock = _take(journal, time, network=network)
    lock.release()
    lock.release()
    lock.renew()

    other = _take(journal, time, me=THERE, network=network)

    assert _holder(journal) == "there"
    assert not time.paused or max(time.paused) < RENEW_EVERY
    other.release()
    assert _holder(journal) is None


@pytest.mark.parametrize("disk", ["local", "network"])
def test_a_killed_daemon_keeps_no_lock_from_its_own_host(journal: Path, disk: str) -> None:
    network = disk == "network"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_UNTIL_KILLED, journal, disk], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        terms = LockTerms(clock=FakeClock(), pause=lambda _: None)
        with pytest.raises(ConfigurationError, match=f"in use by process {process.pid} on"):
            take_lock(journal, network=network, terms=terms)
        process.send_signal(signal.SIGKILL)
        process.wait()

    take_lock(journal, network=network, terms=terms).release()


def test_a_fresh_sign_of_life_from_another_host_is_respected(journal: Path, time: Time) -> None:
    _write_as(THERE, journal, time)
    time.pass_by(STALE - timedelta(seconds=1))

    with pytest.raises(ConfigurationError, match="process 22 on login02"):
        _take(journal, time)

    assert _holder(journal) == "there"


def test_a_dead_hosts_lock_is_taken_over_once_it_was_watched(journal: Path, time: Time) -> None:
    _write_as(THERE, journal, time)
    time.pass_by(STALE)

    lock = _take(journal, time)

    assert _holder(journal) == "here"
    assert time.paused[0] >= STALE / 2
    lock.release()


@pytest.mark.parametrize("skew", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_host_with_another_clock_is_not_robbed_while_it_lives(
    journal: Path, time: Time, skew: timedelta
) -> None:
    _write_as(THERE, journal, time)
    time.clock.move(skew)
    time.meanwhile = lambda: _write_as(THERE, journal, time)

    with pytest.raises(ConfigurationError, match="login02"):
        _take(journal, time)

    assert _holder(journal) == "there"


def test_a_dead_host_whose_clock_was_ahead_does_not_keep_the_lock(
    journal: Path, time: Time
) -> None:
    _write_as(THERE, journal, time)
    time.clock.move(timedelta(days=-1))

    _take(journal, time).release()


def test_a_lock_given_back_during_the_watch_is_taken(journal: Path, time: Time) -> None:
    _write_as(THERE, journal, time)
    time.pass_by(STALE)
    time.meanwhile = lambda: _give_back(THERE, journal, time)

    _take(journal, time).release()


def test_of_two_that_come_at_once_the_later_one_has_it(journal: Path, time: Time) -> None:
    time.meanwhile = lambda: _write_as(THERE, journal, time)

    with pytest.raises(ConfigurationError, match="login02"):
        _take(journal, time)

    assert _holder(journal) == "there"


@pytest.mark.parametrize("text", ["{", "[1]", '{"host": 1}', "\xff", json.dumps({"host": "x"})])
def test_a_record_that_cannot_be_read_is_somebodys_until_it_is_old(
    journal: Path, time: Time, text: str
) -> None:
    _record(journal).write_text(text)
    written = _record(journal).stat().st_mtime
    time.clock.move(timedelta(seconds=written - START.timestamp()))

    with pytest.raises(ConfigurationError, match="unknown host"):
        _take(journal, time)

    time.pass_by(STALE)
    _take(journal, time).release()


def test_on_a_local_disk_the_record_of_a_dead_daemon_is_ignored(journal: Path, time: Time) -> None:
    _write_as(THERE, journal, time)

    _take(journal, time, network=False).release()

    assert time.paused == []


@pytest.mark.parametrize("network", [False, True])
def test_a_lock_taken_over_is_noticed_and_stops_writing(
    journal: Path,
    time: Time,
    network: bool,  # noqa: FBT001
) -> None:
    lock = _take(journal, time, network=network)
    _write_as(THERE, journal, time)

    with pytest.raises(SupersededError, match="taken over by process 22 on login02"):
        lock.renew()

    with pytest.raises(SupersededError):
        lock.check()
    with pytest.raises(SupersededError):
        lock.renew()
    lock.release()
    assert _holder(journal) == "there", "it is not ours to give back"


def test_a_lock_file_that_was_removed_is_noticed(journal: Path, time: Time) -> None:
    lock = _take(journal, time, network=False)
    _record(journal).unlink()
    other = _take(journal, time, me=THERE, network=False)

    with pytest.raises(SupersededError):
        lock.renew()

    lock.release()
    other.renew()
    other.release()


def test_a_renewed_lock_stays_and_says_when_it_was_renewed(journal: Path, time: Time) -> None:
    lock = _take(journal, time)
    for _ in range(20):
        time.pass_by(RENEW_EVERY)
        lock.renew()
        lock.check()

    assert json.loads(_record(journal).read_text())["heartbeat"] == time.clock.now().isoformat()
    lock.release()


def test_on_a_network_disk_writing_stops_before_anybody_may_take_over(
    journal: Path, time: Time
) -> None:
    lock = _take(journal, time)
    time.pass_by(STALE / 2)

    with pytest.raises(UnavailableError, match="not renewed for 61 s"):
        lock.check()

    lock.renew()
    lock.check()
    lock.release()


def test_on_a_local_disk_the_kernels_lock_needs_no_renewal(journal: Path, time: Time) -> None:
    lock = _take(journal, time, network=False)
    time.pass_by(timedelta(days=9))

    lock.check()
    lock.release()


def test_a_lock_that_cannot_be_reached_is_neither_lost_nor_renewed(
    journal: Path, time: Time
) -> None:
    lock = _take(journal, time)
    aside = journal.with_name("aside")
    _record(journal).rename(aside)
    # Opening this fails, and not because it is missing.
    _record(journal).symlink_to(_record(journal))

    with pytest.raises(UnavailableError, match="the lock"):
        lock.renew()
    with pytest.raises(UnavailableError, match="the lock"):
        lock.release()

    assert json.loads(aside.read_text())["token"] == "here"


def test_a_folder_in_the_locks_place_is_named(journal: Path, time: Time) -> None:
    _record(journal).mkdir()

    with pytest.raises(ConfigurationError, match="lock cannot be opened: Is a directory"):
        _take(journal, time)


def test_each_process_is_a_holder_of_its_own() -> None:
    one, other = this_process(), this_process()

    assert one.token != other.token
    assert replace(one, token="") == replace(other, token="")
    assert one.host
    assert one.boot_id
