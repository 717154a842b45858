"""A site's silence: told once when it lasts, and once when it is over."""

import json
from datetime import timedelta

import pytest

from bridge.core.errors import UnavailableError
from bridge.core.reach import Reach, hear, miss
from bridge.flows.reach import Reachability
from bridge.testing.clock import FakeClock
from bridge.testing.memory_journal import MemoryJournal

PATIENCE = timedelta(minutes=2)
FIRST = timedelta(days=1)


class Site:
    """A site that answers or not, and all that is told of it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = MemoryJournal(self.clock)
        self.restart()

    def restart(self, name: str = "testbed") -> None:
        self.reachability = Reachability(
            site=name, notices=self.journal, clock=self.clock, patience=PATIENCE
        )

    def is_silent_for(self, *, minutes: int) -> None:
        for _ in range(minutes * 4):
            self.reachability.silent("Unable to contact slurm controller")
            self.clock.move(timedelta(seconds=15))

    @property
    def told(self) -> list[str]:
        return [it.message.routing_key for it in self.journal.unsent(100)]


@pytest.fixture
def site() -> Site:
    return Site()


# --- the decision


def test_a_silence_is_told_once_it_has_lasted() -> None:
    reach, told = miss(Reach(), at=FIRST, patience=PATIENCE)
    assert told is None
    reach, told = miss(reach, at=FIRST + timedelta(seconds=119), patience=PATIENCE)
    assert told is None
    reach, told = miss(reach, at=FIRST + timedelta(seconds=120), patience=PATIENCE)
    assert told == "unreachable"
    reach, told = miss(reach, at=FIRST + timedelta(days=1), patience=PATIENCE)
    assert told is None


def test_an_answer_is_told_only_after_a_silence_that_was_told() -> None:
    assert hear(Reach()) == (Reach(), None)
    silent, _ = miss(Reach(), at=FIRST, patience=PATIENCE)
    assert hear(silent) == (Reach(), None)
    silent, _ = miss(silent, at=FIRST + PATIENCE, patience=PATIENCE)
    assert hear(silent) == (Reach(), "recovered")


# --- the flow


def test_a_short_silence_is_not_told(site: Site) -> None:
    site.is_silent_for(minutes=2)
    assert not site.reachability.answered()
    assert site.told == []


def test_silences_that_are_interrupted_do_not_add_up(site: Site) -> None:
    for _ in range(10):
        site.is_silent_for(minutes=1)
        site.reachability.answered()
    assert site.told == []


def test_a_silence_that_lasts_is_told_once_and_its_end_too(site: Site) -> None:
    site.is_silent_for(minutes=60)
    assert site.told == ["testbed.unreachable"]
    assert site.reachability.answered()
    assert not site.reachability.answered()
    assert site.told == ["testbed.unreachable", "testbed.recovered"]


def test_who_tells_knows_that_it_was_told(site: Site) -> None:
    assert not site.reachability.silent("no route")
    site.clock.move(PATIENCE)
    assert site.reachability.silent("no route")
    assert not site.reachability.silent("no route")


def test_the_words_are_those_of_the_last_failure(site: Site) -> None:
    site.reachability.silent("first words")
    site.clock.move(PATIENCE)
    site.reachability.silent("Socket timed out on send/recv operation")
    (entry,) = site.journal.unsent(10)
    data = json.loads(entry.message.body)["data"]
    assert data["detail"] == "Socket timed out on send/recv operation"
    assert data["job_id"] is None


def test_each_silence_is_an_event_of_its_own(site: Site) -> None:
    for _ in range(3):
        site.is_silent_for(minutes=5)
        site.reachability.answered()
    assert site.told == ["testbed.unreachable", "testbed.recovered"] * 3


def test_a_clock_that_is_set_neither_makes_nor_hides_a_silence(site: Site) -> None:
    site.is_silent_for(minutes=1)
    site.clock.set(site.clock.now() + timedelta(days=1))
    site.reachability.silent("no route")
    assert site.told == []
    site.clock.set(site.clock.now() - timedelta(days=400))
    site.is_silent_for(minutes=5)
    assert site.told == ["testbed.unreachable"]


def test_a_daemon_that_starts_during_a_told_silence_tells_only_its_end(site: Site) -> None:
    site.is_silent_for(minutes=5)
    site.restart()
    site.is_silent_for(minutes=30)
    assert site.told == ["testbed.unreachable"]
    site.reachability.answered()
    site.restart()
    assert not site.reachability.answered()
    assert site.told == ["testbed.unreachable", "testbed.recovered"]


def test_a_daemon_that_starts_after_a_silence_ended_unseen_tells_its_end(site: Site) -> None:
    site.is_silent_for(minutes=5)
    site.restart()
    assert site.reachability.answered()
    assert site.told == ["testbed.unreachable", "testbed.recovered"]


def test_a_site_is_in_doubt_from_its_first_silence_to_its_next_answer(site: Site) -> None:
    doubts = [site.reachability.is_in_doubt]
    site.reachability.silent("no route")
    doubts.append(site.reachability.is_in_doubt)
    site.reachability.answered()
    doubts.append(site.reachability.is_in_doubt)
    assert doubts == [False, True, False]


def test_a_site_that_was_told_to_be_silent_is_in_doubt_also_for_the_next_daemon(
    site: Site,
) -> None:
    site.is_silent_for(minutes=5)
    site.restart()
    assert site.reachability.is_in_doubt


def test_what_was_told_of_another_site_says_nothing_of_this_one(site: Site) -> None:
    site.is_silent_for(minutes=5)
    site.restart("elsewhere")
    assert not site.reachability.answered()


def test_what_cannot_be_recorded_is_told_later(site: Site) -> None:
    site.is_silent_for(minutes=2)
    site.journal.failure = "database or disk is full"
    with pytest.raises(UnavailableError):
        site.reachability.silent("no route")
    site.journal.failure = None
    assert site.reachability.silent("no route")
    site.journal.failure = "database or disk is full"
    with pytest.raises(UnavailableError):
        site.reachability.answered()
    site.journal.failure = None
    assert site.reachability.answered()
    assert site.told == ["testbed.unreachable", "testbed.recovered"]
