"""A cluster that lives by its own rules, and a bridge that sees of it only what it happens to see.

Whatever is missed, late, repeated or unknown on the way: in the end the bridge tells what really
became of the job, once, and never before it is so. A failed attempt is followed by another one as
often as the policy says, unless somebody wants the job to end.
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
from unit.builders import Story, absent, begun, cancel, end_mark, seen, start_mark, submitted

from bridge.core.facts import EndMark, Fact, ScriptMark, StartMark
from bridge.core.failure import FailureReason
from bridge.core.retry import RetryPolicy

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
MOST_ATTEMPTS = 3
TRIED_AGAIN = {"TIMEOUT", "NODE_FAIL", "FAILED"}
POLICY = RetryPolicy(
    attempts=MOST_ATTEMPTS,
    reasons=frozenset({FailureReason.TIMEOUT, FailureReason.NODE_FAILURE, FailureReason.EXIT_CODE}),
)


@dataclass
class Truth:
    """What is so in the cluster of one Slurm job, whether anybody looks or not."""

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
    """One job, from its first submission on."""

    def __init__(self) -> None:
        super().__init__()
        self.minute = 2.0
        self.truth = Truth()
        self.spool: list[ScriptMark] = []
        self.marked: set[tuple[int, type]] = set()
        self.story = Story(policy=POLICY)
        self.earlier: list[Truth] = []
        self.cancelled_at_attempt: int | None = None

    @initialize()
    def it_is_submitted(self) -> None:
        self.story.hears(begun(1), submitted(2))

    @precondition(lambda self: self.story.job.phase == "accepted")
    @rule()
    def the_next_attempt_is_submitted(self) -> None:
        self.minute += 1
        self.earlier.append(self.truth)
        self.truth = Truth()
        self.spool.clear()
        self.marked.clear()
        self.story.hears(begun(self.minute), submitted(self.minute))

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

    @rule()
    def somebody_sends_a_cancel(self) -> None:
        if self.cancelled_at_attempt is None and not self.story.job.is_over:
            self.cancelled_at_attempt = self.story.job.attempt
        self.hears(cancel(self.minute))

    @precondition(lambda self: self.cancelled_at_attempt and self.is_live and not self.truth.ended)
    @rule()
    def the_bridge_cancels_it_in_slurm(self) -> None:
        self.ends("CANCELLED")

    @precondition(lambda self: self.truth.word == "RUNNING")
    @rule()
    def slurm_requeues_it(self) -> None:
        self.minute += 0.5
        self.truth = Truth(restart=self.truth.restart + 1)

    # What the bridge gets to see of it.

    @precondition(lambda self: self.is_live)
    @rule()
    def the_bridge_looks(self) -> None:
        self.hears(self.sighting(self.truth.word))

    @precondition(lambda self: self.is_live)
    @rule(word=st.sampled_from(["COMPLETING", "TELEPORTED", "UPDATE_DB"]))
    def the_bridge_sees_a_word_that_says_nothing(self, word: str) -> None:
        self.hears(self.sighting(word))

    @precondition(lambda self: self.is_live and self.truth.word == "RUNNING")
    @rule(word=st.sampled_from(["NODE_FAIL", "PREEMPTED"]))
    def slurm_says_interrupted_and_takes_it_back(self, word: str) -> None:
        self.hears(self.sighting(word))
        self.hears(self.sighting("RUNNING"))

    @precondition(lambda self: self.is_live)
    @rule(times=st.integers(1, 5))
    def slurm_does_not_show_it_for_a_while(self, times: int) -> None:
        for missing in range(times):
            self.minute += 1
            self.hears(absent(self.minute, missing=missing))
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
        if self.story.job.is_over and not self.ended_between_two_attempts:
            assert self.truth.ended
            assert self.story.tells[-1] == ENDS[self.truth.word]

    @invariant()
    def a_next_attempt_follows_only_one_that_has_really_failed(self) -> None:
        failed = [it.word for it in self.earlier]
        if self.story.tells.count("retrying") > len(self.earlier):
            failed.append(self.truth.word)
        assert set(failed) <= TRIED_AGAIN
        assert self.story.tells.count("retrying") == len(failed) < MOST_ATTEMPTS
        assert self.story.job.attempt == len(failed) + 1

    @invariant()
    def no_attempt_begins_after_a_cancel(self) -> None:
        assert self.cancelled_at_attempt in (None, self.story.job.attempt)

    @invariant()
    def events_are_numbered_without_gaps_across_attempts(self) -> None:
        numbers = [it.job.sequence for it in self.story.events]
        assert numbers == list(range(1, len(numbers) + 1))

    @invariant()
    def at_most_one_end_is_told_and_it_is_the_last(self) -> None:
        ends = [it for it in self.story.tells if it in ("finished", "failed", "cancelled")]
        assert len(ends) == self.story.job.is_over
        assert not ends or self.story.tells[-1] == ends[0]

    @invariant()
    def no_more_starts_are_told_than_there_were(self) -> None:
        assert self.story.tells.count("started") <= self.starts
        assert self.story.job.restart <= self.truth.restart

    @invariant()
    def nothing_that_slurm_or_a_script_said_was_taken_for_impossible(self) -> None:
        assert all("TELEPORTED" in it for it in self.story.anomalies)

    def teardown(self) -> None:
        """The job comes to its end, and the bridge looks until it knows."""
        while not self.story.job.is_over:
            if self.story.job.phase == "accepted":
                self.the_next_attempt_is_submitted()
            if not self.truth.ended:
                self.ends("CANCELLED")
            self.hears(*self.spool, self.sighting(self.truth.word), self.sighting(self.truth.word))
        self.what_was_told_is_what_was()
        told = self.story.tells
        self.hears(self.sighting("RUNNING"), absent(self.minute + 99))
        assert self.story.tells == told

    def what_was_told_is_what_was(self) -> None:
        last = self.story.last
        if self.ended_between_two_attempts:
            assert last.kind == "cancelled"
            assert last.job.started_at is None
            return
        assert last.kind == ENDS[self.truth.word]
        assert last.reason == REASONS[self.truth.word]
        assert self.story.job.restart <= self.truth.restart
        if self.truth.word in ("COMPLETED", "FAILED"):
            assert last.job.exit_code == self.truth.code
        told = [it.kind for it in self.story.events if it.job.attempt == last.job.attempt]
        if self.truth.word == "CANCELLED":
            ran = self.truth.start is not None
            assert last.detail == ("stopped while it ran" if ran else "cancelled before it started")
            assert (last.job.started_at is not None) is ran
        if self.truth.restart == 0 and self.truth.start is None:
            assert "started" not in told
        if self.truth.start is not None:
            assert "started" in told

    # How it is done.

    @property
    def is_live(self) -> bool:
        """Whether the bridge asks Slurm about it."""
        return self.story.job.slurm_id is not None and not self.story.job.is_over

    @property
    def ended_between_two_attempts(self) -> bool:
        return self.story.job.is_over and self.story.job.slurm_id is None

    def has_mark(self, kind: type) -> bool:
        return (self.truth.restart, kind) in self.marked

    @property
    def starts(self) -> int:
        """How often it has really started, in all attempts."""
        return sum(it.restart + (it.start is not None) for it in (*self.earlier, self.truth))

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
