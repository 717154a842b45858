"""The daemon over the shipped fakes: its threads are real, its world is moved by hand."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from rabbitmq_management import until
from structlog.testing import capture_logs
from unit.beside import ImpatientQueue, run_beside
from unit.house import House, job_id, message

from bridge.core.errors import SupersededError
from bridge.core.job import SlurmId
from bridge.core.policy import LookPolicy
from bridge.core.settings import PollingSettings
from bridge.daemon import Daemon, Verbs
from bridge.flows.reach import Reachability
from bridge.flows.relay import Relay
from bridge.testing.broker import FakeStatusExchange
from bridge.testing.cluster import FakeCluster
from bridge.testing.slurm import FakeSlurm
from bridge.testing.slurm import Submission as Outcome
from bridge.wire.control import cancel_message

LONGEST_LOOK = timedelta(minutes=1)
PATIENCE_WITH_SLURM = timedelta(minutes=5)


class FakeConnection:
    """Notes when it is started and closed."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self._name = name
        self._notes = notes

    def start(self) -> None:
        self._notes.append(f"start {self._name}")

    def close(self, timeout: timedelta) -> None:
        assert timeout > timedelta(0)
        self._notes.append(f"close {self._name}")


class HangingSlurm(FakeSlurm):
    """sbatch answers only once `answers` is set."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(cluster)
        self.asked = threading.Event()
        self.answers = threading.Event()

    def submit(self, script: str) -> SlurmId:
        self.asked.set()
        self.answers.wait()
        return super().submit(script)


class Bridge(House):
    """A house with a broker and a daemon."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = ImpatientQueue()
        self.control = ImpatientQueue()
        self.front_end = ImpatientQueue()
        self.exchange = FakeStatusExchange()
        self.connections: list[str] = []
        self.lock_is_lost = False
        self.housekeeping = 0
        self._daemon = self._new_daemon()

    def run(self, story: Callable[[], None], *, grace: timedelta = timedelta(seconds=20)) -> bool:
        """Run a daemon while `story` is told beside it."""
        self._daemon = self._new_daemon()
        return run_beside(self._daemon, story, grace=grace)

    def wake_submission(self) -> None:
        """As if the time until the next attempt were over."""
        self._daemon._submit.wake()

    def let_pass(self, time: timedelta) -> bool:
        """Move the clock; always true, to stand in a condition that is tried again."""
        self.clock.move(time)
        return True

    def published(self, number: int = 1) -> list[str]:
        """The events of a job that went out, as words."""
        return [
            it.routing_key.removeprefix("testbed.")
            for it in self.exchange.published
            if it.event_id.startswith(f"{job_id(number)}/")
        ]

    @property
    def tells_of_site(self) -> list[str]:
        """The events of the site itself that went out."""
        keys = [it.routing_key.removeprefix("testbed.") for it in self.exchange.published]
        return [it for it in keys if it in {"unreachable", "recovered"}]

    def tells(self, *words: str, number: int = 1) -> None:
        """Wait until these events of a job went out."""
        assert until(lambda: self.published(number) == list(words)), self.published(number)

    def hold_lock(self) -> None:
        if self.lock_is_lost:
            raise SupersededError("another daemon has the journal")

    def keep_house(self) -> None:
        self.housekeeping += 1

    def _new_daemon(self) -> Daemon:
        return Daemon(
            site=self.site.name,
            verbs=Verbs(
                recorder=self.recorder,
                front_end_intake=self.intake,
                intake=self.intake,
                release=self.release,
                submission=self.submission,
                watch=self.watch,
                sweep=self.sweep,
                cancellation=self.cancellation,
                reachability=Reachability(
                    site=self.site.name,
                    notices=self.journal,
                    clock=self.clock,
                    patience=PATIENCE_WITH_SLURM,
                ),
                relay=Relay(outbox=self.journal, sink=self.exchange),
                keep_house=self.keep_house,
                hold_lock=self.hold_lock,
            ),
            source=self.queue,
            control=self.control,
            front_ends=[self.front_end],
            connections=[
                FakeConnection("publisher", self.connections),
                FakeConnection("consumer", self.connections),
            ],
            clock=self.clock,
            polling=PollingSettings(
                looks=LookPolicy(
                    shortest=timedelta(milliseconds=20),
                    longest=LONGEST_LOOK,
                    min_job_age=timedelta(minutes=5),
                ),
                marks=timedelta(milliseconds=20),
            ),
        )


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


def test_a_message_becomes_a_job_and_its_events_go_out(bridge: Bridge) -> None:
    def story() -> None:
        bridge.queue.put(message())
        bridge.tells("accepted", "queued")
        bridge.folders.drop_start(job_id(1))
        bridge.tells("accepted", "queued", "started")
        bridge.folders.drop_end(job_id(1))
        bridge.tells("accepted", "queued", "started", "exited")
        bridge.cluster.start(SlurmId("1"))
        bridge.cluster.end(SlurmId("1"))
        bridge.clock.move(LONGEST_LOOK)
        bridge.tells("accepted", "queued", "started", "exited", "finished")

    assert bridge.run(story)
    assert [it.body for it in bridge.queue.acked] == [message()]


def test_what_cannot_be_accepted_is_told_and_dead_lettered_and_the_next_is_taken(
    bridge: Bridge,
) -> None:
    def story() -> None:
        bridge.queue.put(b"garbage")
        bridge.queue.put(message())
        bridge.tells("accepted", "queued")

    assert bridge.run(story)
    assert [it.body for it in bridge.queue.dead_letters] == [b"garbage"]
    assert bridge.exchange.published[0].routing_key == "testbed.rejected"


def test_what_comes_to_the_queue_of_a_front_end_is_a_job_too(bridge: Bridge) -> None:
    def story() -> None:
        bridge.front_end.put(message(1))
        bridge.queue.put(message(2))
        bridge.tells("accepted", "queued", number=1)
        bridge.tells("accepted", "queued", number=2)
        assert until(lambda: len(bridge.front_end.acked) == len(bridge.queue.acked) == 1)

    assert bridge.run(story)


def test_a_job_that_is_to_end_is_cancelled_in_slurm_and_tells_so(bridge: Bridge) -> None:
    def story() -> None:
        bridge.queue.put(message())
        bridge.tells("accepted", "queued")
        bridge.control.put(cancel_message(job_id(1)))
        assert until(lambda: "cancel" in bridge.slurm.calls)
        bridge.clock.move(LONGEST_LOOK)
        bridge.tells("accepted", "queued", "cancelled")

    assert bridge.run(story)
    assert len(bridge.control.acked) == 1


def test_a_silent_slurm_is_told_once_and_so_is_its_return(bridge: Bridge) -> None:
    def story() -> None:
        bridge.queue.put(message())
        bridge.tells("accepted", "queued")
        bridge.slurm.controller_answers = False
        assert until(lambda: bridge.let_pass(PATIENCE_WITH_SLURM) and bridge.tells_of_site)
        bridge.slurm.controller_answers = True
        assert until(lambda: bridge.let_pass(LONGEST_LOOK) and len(bridge.tells_of_site) > 1)

    assert bridge.run(story)
    assert bridge.tells_of_site == ["unreachable", "recovered"]


def test_the_return_of_a_silent_slurm_is_told_also_when_no_job_is_left(bridge: Bridge) -> None:
    def story() -> None:
        bridge.slurm.controller_answers = False
        bridge.queue.put(message())
        assert until(lambda: "submit" in bridge.slurm.calls)
        bridge.control.put(cancel_message(job_id(1)))
        assert until(lambda: bridge.let_pass(PATIENCE_WITH_SLURM) and bridge.tells_of_site)
        bridge.tells("accepted", "cancelled")
        bridge.slurm.controller_answers = True
        assert until(lambda: bridge.let_pass(LONGEST_LOOK) and len(bridge.tells_of_site) > 1)

    assert bridge.run(story)
    assert bridge.tells_of_site == ["unreachable", "recovered"]


def test_the_next_daemon_goes_on_where_the_last_one_was(bridge: Bridge) -> None:
    def first() -> None:
        bridge.queue.put(message())
        bridge.tells("accepted", "queued")

    def second() -> None:
        bridge.cluster.start(SlurmId("1"))
        bridge.clock.move(LONGEST_LOOK)
        bridge.tells("accepted", "queued", "started")

    assert bridge.run(first)
    bridge.restart()
    assert bridge.run(second)
    assert len(bridge.cluster.scripts) == 1


def test_while_slurm_hangs_messages_are_taken_and_events_go_out(bridge: Bridge) -> None:
    bridge.slurm = slurm = HangingSlurm(bridge.cluster)
    bridge.restart()

    def story() -> None:
        try:
            bridge.queue.put(message(1))
            assert slurm.asked.wait(20)
            bridge.queue.put(message(2))
            bridge.tells("accepted", number=2)
            assert until(lambda: len(bridge.queue.acked) == 2)
        finally:
            slurm.answers.set()
        bridge.tells("accepted", "queued", number=2)

    assert bridge.run(story)
    assert bridge.published(1) == ["accepted", "queued"]


def test_a_daemon_that_is_stopped_while_slurm_hangs_says_that_it_did_not_end_cleanly(
    bridge: Bridge,
) -> None:
    bridge.slurm = slurm = HangingSlurm(bridge.cluster)
    bridge.restart()

    def story() -> None:
        bridge.queue.put(message())
        assert slurm.asked.wait(20)

    try:
        with capture_logs() as logs:
            assert not bridge.run(story, grace=timedelta(milliseconds=300))
    finally:
        slurm.answers.set()
    (late,) = [it for it in logs if it["event"] == "stopped_before_the_end"]
    assert "submit" in late["workers"]
    assert bridge.connections[-2:] == ["close consumer", "close publisher"]


def test_a_daemon_that_is_stopped_records_what_is_being_submitted(bridge: Bridge) -> None:
    bridge.to_hang = 1

    def story() -> None:
        bridge.queue.put(message())
        assert until(lambda: bridge.hangs)

    def passes_are_over() -> bool:
        return bridge.hangs and all(it.name != "submit" for it in threading.enumerate())

    with ThreadPoolExecutor(1) as slurm:
        slurm.submit(lambda: bridge.go_on() if until(passes_are_over) else None)
        assert bridge.run(story)
        assert bridge.job().phase == "queued"


def test_a_submission_that_outlives_the_daemon_is_no_clean_end(bridge: Bridge) -> None:
    bridge.to_hang = 1

    def story() -> None:
        bridge.queue.put(message())
        assert until(lambda: bridge.hangs)

    with capture_logs() as logs:
        assert not bridge.run(story, grace=timedelta(milliseconds=300))
    (late,) = [it for it in logs if it["event"] == "stopped_before_the_end"]
    assert late["workers"] == ["submit"]


def test_a_message_is_kept_unsettled_until_the_journal_can_be_written(bridge: Bridge) -> None:
    def story() -> None:
        bridge.journal.failure = "database or disk is full"
        bridge.queue.put(message())
        assert until(lambda: bridge.queue.depth == 0)
        assert len(bridge.queue.unsettled) == 1
        bridge.journal.failure = None
        assert until(lambda: len(bridge.queue.acked) == 1)

    assert bridge.run(story)
    assert len(bridge.journal.jobs([job_id(1)])) == 1


def test_while_the_broker_is_away_events_wait_and_keep_their_order(bridge: Bridge) -> None:
    bridge.exchange.is_available = False

    def story() -> None:
        bridge.queue.put(message())
        assert until(lambda: bridge.told() == ["accepted", "queued"])
        assert bridge.exchange.published == []
        bridge.exchange.is_available = True
        bridge.tells("accepted", "queued")

    assert bridge.run(story)


def test_while_the_site_is_full_no_messages_are_taken(bridge: Bridge) -> None:
    bridge.slurm.submissions.append(Outcome.SITE_FULL)

    def story() -> None:
        bridge.queue.put(message(1))
        assert until(lambda: bridge.queue.is_paused and bridge.front_end.is_paused)
        bridge.clock.move(timedelta(minutes=5))
        bridge.wake_submission()
        assert until(lambda: not bridge.queue.is_paused and not bridge.front_end.is_paused)
        bridge.tells("accepted", "queued")

    with capture_logs() as logs:
        assert bridge.run(story)
    paused = [it["paused"] for it in logs if it["event"] == "consumption"]
    assert paused == [True, False]


def test_slurm_is_not_asked_again_before_the_shortest_time_is_over(bridge: Bridge) -> None:
    def story() -> None:
        for number in range(1, 11):
            bridge.queue.put(message(number))
            bridge.tells("accepted", "queued", number=number)

    assert bridge.run(story)
    assert bridge.slurm.calls.count("queue") <= 1


def test_connections_are_closed_in_reverse(bridge: Bridge) -> None:
    assert bridge.run(lambda: None)
    assert bridge.connections == [
        "start publisher",
        "start consumer",
        "close consumer",
        "close publisher",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_daemon_in_good_order(bridge: Bridge, number: signal.Signals) -> None:
    ended = threading.Event()

    def story() -> None:
        bridge.queue.put(message())
        bridge.tells("accepted", "queued")
        os.kill(os.getpid(), number)
        # Only the signal ends the run: the story is not over before.
        ended.wait(20)

    with capture_logs() as logs, ThreadPoolExecutor(1) as watcher:
        watcher.submit(lambda: ended.set() if until(lambda: bridge.connections[2:]) else None)
        assert bridge.run(story)
    assert ended.is_set()
    told = [it["event"] for it in logs]
    assert told.index("ready") < told.index("stopping") < told.index("stopped")


def test_a_daemon_whose_journal_was_taken_over_ends_and_says_so(bridge: Bridge) -> None:
    bridge.lock_is_lost = True
    with pytest.raises(SupersededError, match="another daemon has the journal"):
        bridge.run(lambda: None)
    assert bridge.connections[-1] == "close publisher"


def test_house_is_kept(bridge: Bridge) -> None:
    def story() -> None:
        assert until(lambda: bridge.housekeeping == 1)

    assert bridge.run(story)
