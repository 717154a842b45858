"""Following what jobs write, over the fakes."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from unit.house import House, job_id, message

from bridge.core.errors import UnavailableError
from bridge.core.job import SlurmId
from bridge.flows.tail import BUDGET, LONGEST_MESSAGE, MOST_FOLLOWED, Tail
from bridge.testing.broker import FakeReturnChannel
from bridge.testing.files import FakeFiles
from bridge.wire.log import LogMessage, read_log

JOB = job_id(1)
MINUTE = timedelta(minutes=1)


@dataclass
class Followed:
    """A running job, and who follows it."""

    house: House
    files: FakeFiles
    channel: FakeReturnChannel
    tail: Tail

    def told(self) -> list[LogMessage]:
        messages, self.channel.logs = self.channel.logs, []
        assert {it.routing_key for it in messages} <= {f"testbed.{JOB}"}
        return [read_log(it.body) for it in messages]

    def end(self) -> None:
        self.house.cluster.end(SlurmId("1"))
        self.house.watch.look()
        self.house.clock.move(timedelta(seconds=30))
        self.house.watch.look()
        assert self.house.job().is_over


@pytest.fixture
def followed() -> Followed:
    house = House()
    house.receive(message())
    house.submission.submit_waiting()
    house.cluster.start(SlurmId("1"))
    house.watch.look()
    files, channel = FakeFiles(), FakeReturnChannel()
    tail = Tail(site="testbed", files=files, jobs=house.journal, channel=channel, clock=house.clock)
    return Followed(house=house, files=files, channel=channel, tail=tail)


def test_nobody_pays_for_jobs_that_nobody_follows(followed: Followed) -> None:
    followed.files.append(JOB, "stdout", b"words")
    followed.tail.tell_growth()
    assert (followed.files.looks, followed.files.reads, followed.told()) == (0, 0, [])


def test_what_comes_after_the_beginning_is_told_byte_by_byte(followed: Followed) -> None:
    followed.files.append(JOB, "stdout", b"before\n")
    assert followed.tail.follow(JOB, MINUTE) == (7, 0)
    followed.files.append(JOB, "stdout", b"caf\xc3")
    followed.files.append(JOB, "stderr", b"\xff\x00")
    followed.tail.tell_growth()
    followed.files.append(JOB, "stdout", b"\xa9")
    followed.tail.tell_growth()
    assert [(it.stream, it.offset, it.bytes, it.size) for it in followed.told()] == [
        ("stdout", 7, b"caf\xc3", 11),
        ("stderr", 0, b"\xff\x00", 2),
        ("stdout", 11, b"\xa9", 12),
    ]


def test_a_quiet_job_costs_a_look_and_no_read(followed: Followed) -> None:
    followed.tail.follow(JOB, MINUTE)
    reads = followed.files.reads
    followed.tail.tell_growth()
    assert followed.files.reads == reads
    assert followed.told() == []


def test_following_ends_with_its_lease_unless_somebody_asks_again(followed: Followed) -> None:
    followed.tail.follow(JOB, MINUTE)
    followed.house.clock.move(timedelta(seconds=50))
    followed.files.append(JOB, "stdout", b"one")
    followed.tail.tell_growth()
    assert followed.tail.follow(JOB, MINUTE) == (3, 0)
    followed.house.clock.move(timedelta(seconds=50))
    followed.files.append(JOB, "stdout", b"two")
    followed.tail.tell_growth()
    assert [it.bytes for it in followed.told()] == [b"one", b"two"]
    followed.house.clock.move(timedelta(seconds=11))
    followed.files.append(JOB, "stdout", b"three")
    followed.tail.tell_growth()
    assert followed.told() == []


def test_a_shorter_lease_takes_nothing_from_a_longer_one(followed: Followed) -> None:
    followed.tail.follow(JOB, MINUTE)
    followed.tail.follow(JOB, timedelta(seconds=1))
    followed.house.clock.move(timedelta(seconds=30))
    followed.files.append(JOB, "stdout", b"still")
    followed.tail.tell_growth()
    assert [it.bytes for it in followed.told()] == [b"still"]


def test_what_the_broker_did_not_take_is_told_later(followed: Followed) -> None:
    followed.tail.follow(JOB, MINUTE)
    followed.files.append(JOB, "stdout", b"words")
    followed.channel.is_available = False
    with pytest.raises(UnavailableError):
        followed.tail.tell_growth()
    followed.channel.is_available = True
    followed.tail.tell_growth()
    assert [(it.offset, it.bytes) for it in followed.told()] == [(0, b"words")]


def test_a_flood_is_told_in_pieces_and_whole(followed: Followed) -> None:
    followed.tail.follow(JOB, MINUTE)
    flood = bytes(range(256)) * 1000
    followed.files.append(JOB, "stdout", flood)
    got = b""
    while len(got) < len(flood):
        followed.tail.tell_growth()
        (piece,) = followed.told()
        assert len(piece.bytes) <= LONGEST_MESSAGE
        assert (piece.offset, piece.size) == (len(got), len(flood))
        got += piece.bytes
    assert got == flood


def test_all_jobs_together_keep_to_the_budget_and_none_is_forgotten(followed: Followed) -> None:
    jobs = [job_id(it) for it in range(1, 21)]
    for it in jobs:
        followed.tail.follow(it, MINUTE)
        followed.files.append(it, "stdout", b"x" * LONGEST_MESSAGE)
    followed.tail.tell_growth()
    told = [read_log(it.body) for it in followed.channel.logs]
    assert {it.job_id for it in told} == set(jobs)
    assert sum(len(it.bytes) for it in told) <= BUDGET


def test_only_so_many_jobs_are_followed_at_once(followed: Followed) -> None:
    for number in range(1, MOST_FOLLOWED + 1):
        assert followed.tail.follow(job_id(number), MINUTE) is not None
    assert followed.tail.follow(job_id(MOST_FOLLOWED + 1), MINUTE) is None
    assert followed.tail.follow(JOB, MINUTE) is not None


def test_the_end_of_a_job_is_told_once_of_each_stream_after_all_its_bytes(
    followed: Followed,
) -> None:
    followed.tail.follow(JOB, MINUTE)
    followed.end()
    followed.files.append(JOB, "stdout", b"last words")
    for _ in range(4):
        followed.tail.tell_growth()
    assert [(it.stream, it.bytes, it.is_last) for it in followed.told()] == [
        ("stdout", b"last words", False),
        ("stdout", b"", True),
        ("stderr", b"", True),
    ]


def test_a_file_that_was_cut_is_waited_for(followed: Followed) -> None:
    followed.files.append(JOB, "stdout", b"0123456789")
    followed.tail.follow(JOB, MINUTE)
    followed.files.contents[JOB, "stdout"] = b"0123"
    followed.tail.tell_growth()
    followed.files.append(JOB, "stdout", b"456789ab")
    followed.tail.tell_growth()
    assert [(it.offset, it.bytes) for it in followed.told()] == [(10, b"ab")]


def test_a_file_that_goes_between_two_looks_is_nothing_to_tell(followed: Followed) -> None:
    class Vanishing(FakeFiles):
        def sizes(self, files: object) -> tuple[int | None, ...]:
            del files
            return (5, None)

    tail = Tail(
        site="testbed",
        files=Vanishing(),
        jobs=followed.house.journal,
        channel=followed.channel,
        clock=followed.house.clock,
    )
    tail.follow(JOB, MINUTE)
    followed.files.contents.clear()
    tail.tell_growth()
    assert followed.told() == []


def test_who_looks_is_woken_when_a_job_is_followed(followed: Followed) -> None:
    woken: list[bool] = []
    followed.tail.notify(lambda: woken.append(True))
    followed.tail.follow(JOB, MINUTE)
    assert woken == [True]
