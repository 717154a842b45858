"""A cluster that lives by its own rules, and a bridge that sees of it only what it happens to see.

Whatever is missed, late, repeated or unknown on the way: in the end the bridge tells what really
became of the job, once, and never before it is so.
"""

import os
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from unit.builders import Story, absent, begun, end_mark, seen, start_mark, submitted

from bridge.core.facts import EndMark, Fact, StartMark

EXAMPLES = int(os.environ.get("BRIDGE_TEST_EXAMPLES", "200"))
ENDS = {
    "COMPLETED": "finished",
    "FAILED": "failed",
    "TIMEOUT": "failed",
    "OUT_OF_MEMORY": "failed",
    "CANCELLED": "cancelled",
    "NODE_FAIL": "failed",
}
REASONS = {
    "COMPLETED": None,
    "FAILED": "exit-code",
    "TIMEOUT": "timeout",
    "OUT_OF_MEMORY": "out-of-memory",
    "CANCELLED": None,
    "NODE_FAIL": "node-failure",
}


@dataclass
class Truth:
    """What is so in the cluster, whether anybody looks or not."""

    word: str = "PENDING"
    held: bool = False
    restart: int = 0
    start: float | None = None
    end: float | None = None
    code: int = 0
    container_code: int | None = None

    @property
    def ended(self) -> bool:
        return self.word in ENDS


class World(RuleBasedStateMachine):
    """One job, from its submission on."""

    def __init__(self) -> None:
        super().__init__()
        self.minute = 2.0
        self.truth = Truth()
        self.spool: list[StartMark | EndMark] = []
        self.marked: set[tuple[int, type]] = set()
        self.story = Story()

    @initialize()
    def it_is_submitted(self) -> None:
        self.story.hears(begun(1), submitted(2))

    # What happens in the cluster.

    @rule(minutes=st.sampled_from([0.2, 1, 3]))
    def time_passes(self, minutes: float) -> None:
        self.minute += minutes

    @precondition(lambda self: self.truth.word == "PENDING")
    @rule(held=st.booleans())
    def somebody_holds_or_releases_it(self, held: bool) -> None:  # noqa: FBT001 (drawn)
        self.truth.held = held

    @precondition(lambda self: self.truth.word == "PENDING" and not self.truth.held)
    @rule()
    def slurm_starts_it(self) -> None:
        self.minute += 0.5
        self.truth.word, self.truth.start = "RUNNING", self.minute

    @precondition(lambda self: self.truth.word == "RUNNING" and not self.has_mark(StartMark))
    @rule()
    def its_script_starts_the_container(self) -> None:
        self.spool.append(start_mark(self.minute, restart=self.truth.restart))
        self.marked.add((self.truth.restart, StartMark))

    @precondition(
        lambda self: (
            self.truth.word == "RUNNING" and self.has_mark(StartMark) and not self.has_mark(EndMark)
        )
    )
    @rule(code=st.sampled_from([0, 7]))
    def its_container_ends(self, code: int) -> None:
        self.truth.container_code = code
        self.spool.append(end_mark(self.minute, code, restart=self.truth.restart))
        self.marked.add((self.truth.restart, EndMark))

    @precondition(lambda self: self.truth.container_code is not None and not self.truth.ended)
    @rule()
    def its_script_ends_with_the_containers_exit_code(self) -> None:
        self.truth.code = self.truth.container_code or 0
        self.ends("FAILED" if self.truth.code else "COMPLETED")

    @precondition(lambda self: self.truth.word == "RUNNING")
    @rule(word=st.sampled_from(["TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL"]))
    def slurm_ends_it(self, word: str) -> None:
        self.ends(word)

    @precondition(lambda self: not self.truth.ended)
    @rule()
    def somebody_cancels_it(self) -> None:
        # As Slurm does: a job that never started gets the time of its end as its start.
        self.ends("CANCELLED")

    @precondition(lambda self: self.truth.word == "RUNNING")
    @rule()
    def slurm_requeues_it(self) -> None:
        self.minute += 0.5
        self.truth = Truth(restart=self.truth.restart + 1)

    # What the bridge gets to see of it.

    @rule()
    def the_bridge_looks(self) -> None:
        self.hears(self.sighting(self.truth.word))

    @precondition(lambda self: not self.story.job.is_over)
    @rule(word=st.sampled_from(["COMPLETING", "TELEPORTED", "UPDATE_DB"]))
    def the_bridge_sees_a_word_that_says_nothing(self, word: str) -> None:
        self.hears(self.sighting(word))

    @precondition(lambda self: self.truth.word == "RUNNING")
    @rule(word=st.sampled_from(["NODE_FAIL", "PREEMPTED"]))
    def slurm_says_interrupted_and_takes_it_back(self, word: str) -> None:
        self.hears(self.sighting(word))
        self.hears(self.sighting("RUNNING"))

    @rule(times=st.integers(1, 4))
    def slurm_does_not_show_it_for_a_while(self, times: int) -> None:
        for _ in range(times):
            self.minute += 1
            self.hears(absent(self.minute))
        self.hears(self.sighting(self.truth.word))

    @precondition(lambda self: self.spool)
    @rule(keeps=st.booleans())
    def the_bridge_reads_the_markers(self, keeps: bool) -> None:  # noqa: FBT001 (drawn)
        self.hears(*self.spool)
        if not keeps:
            self.spool.clear()

    # What must hold.

    @invariant()
    def no_end_is_told_before_it_is_so_and_then_the_right_one(self) -> None:
        if self.story.job.is_over:
            assert self.truth.ended
            assert self.story.tells[-1] == ENDS[self.truth.word]

    @invariant()
    def no_more_starts_are_told_than_there_were(self) -> None:
        assert self.story.tells.count("started") <= self.starts
        assert self.story.job.restart <= self.truth.restart

    @invariant()
    def nothing_that_slurm_or_a_script_said_was_taken_for_impossible(self) -> None:
        assert all("TELEPORTED" in it for it in self.story.anomalies)

    def teardown(self) -> None:
        """The job comes to its end, and the bridge looks until it knows."""
        if not self.truth.ended:
            self.ends("CANCELLED")
        self.hears(*self.spool, self.sighting(self.truth.word), self.sighting(self.truth.word))
        last = self.story.last
        assert last.kind == ENDS[self.truth.word]
        assert last.reason == REASONS[self.truth.word]
        assert self.story.job.restart <= self.truth.restart
        if self.truth.word in ("COMPLETED", "FAILED"):
            assert last.job.exit_code == self.truth.code
        if self.starts == 0:
            assert "started" not in self.story.tells
            assert last.job.started_at is None
            assert last.detail == "cancelled before it started"
        if self.truth.start is not None:
            assert "started" in self.story.tells
        told = self.story.tells
        self.hears(self.sighting("RUNNING"), absent(self.minute + 99))
        assert self.story.tells == told

    # How it is done.

    def has_mark(self, kind: type) -> bool:
        return (self.truth.restart, kind) in self.marked

    @property
    def starts(self) -> int:
        return self.truth.restart + (self.truth.start is not None)

    def ends(self, word: str) -> None:
        self.minute += 0.5
        self.truth.word, self.truth.end = word, self.minute

    def hears(self, *facts: Fact) -> None:
        self.story.hears(*facts)

    def sighting(self, word: str) -> Fact:
        self.minute += 0.01
        truth = self.truth
        ran = truth.start is not None
        return seen(
            word,
            self.minute,
            reason="JobHeldUser" if truth.held and truth.word == "PENDING" else None,
            code=truth.code if truth.ended else None,
            signal=0 if truth.ended else None,
            start=truth.start if ran else truth.end,
            end=truth.end,
            nodes="n1" if ran else None,
        )


World.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=25, deadline=None)
TestWhatBecomesOfAJobIsTold = World.TestCase
