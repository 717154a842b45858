"""Random life stories: what holds of every job, whatever it is told.

BRIDGE_TEST_EXAMPLES sets how many stories each test tries.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.builders import (
    GRACE,
    JOB_ID,
    NOON,
    absent,
    at,
    begun,
    cancel,
    claimed,
    dependency,
    end_mark,
    ended,
    hindrance_mark,
    image_awaited,
    image_there,
    not_submitted,
    pull_begun,
    pull_failed,
    pull_mark,
    refused,
    seen,
    start_mark,
    submitted,
)

from bridge.core.advance import accept, advance
from bridge.core.facts import Claimed, DependencyEnded, Ending, EndMark, Fact, Seen, SubmissionBegun
from bridge.core.failure import FailureReason, Hindrance
from bridge.core.job import Condition, Dependency
from bridge.core.lifecycle import Event, Job
from bridge.core.retry import RetryPolicy, relaunch

EXAMPLES = int(os.environ.get("BRIDGE_TEST_EXAMPLES", "400"))
STORIES = settings(max_examples=EXAMPLES, deadline=None)
SOAK = settings(max_examples=max(EXAMPLES, 20_000), deadline=None)

SOME_END = {"finished", "failed", "cancelled"}
NO_RETRY = RetryPolicy()

WAITING = ["PENDING", "CONFIGURING", "REQUEUE_FED", "EXPEDITING", "REQUEUED"]
HELD = ["REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"]
RUNNING = ["RUNNING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING"]
SILENT = ["COMPLETING", "STAGE_OUT", "REVOKED", "LAUNCH_FAILED", "UPDATE_DB", "POWER_UP_NODE"]
LAST = ["COMPLETED", "FAILED", "OUT_OF_MEMORY", "TIMEOUT", "DEADLINE", "CANCELLED"]
INTERRUPTED = ["PREEMPTED", "NODE_FAIL", "BOOT_FAIL"]
UNKNOWN = ["TELEPORTED", "", "PENDING,HELD", "completed"]
REASONS = [None, "None", "Priority", "Resources", "JobHeldUser", "JobHeldAdmin", "BeginTime"]

# The grammar of a job's events, by their letters: accepted, Queued, Pending, Held, puLling,
# Started, eXited, Requeued, Tried again, and the ends Finished, faileD, Cancelled.
LETTERS = {
    "accepted": "A",
    "queued": "Q",
    "pending": "P",
    "held": "H",
    "pulling": "L",
    "started": "S",
    "exited": "X",
    "requeued": "R",
    "retrying": "T",
    "finished": "F",
    "failed": "D",
    "cancelled": "C",
}
WAIT = "(P|L|HL*Q)*(HL*)?"
RUN = "SL?X?"
ATTEMPT = f"Q{WAIT}({RUN}R{WAIT})*"
# Before each attempt the bridge may pull its image, and an attempt may end there.
GRAMMAR = re.compile(f"AP?L?(({ATTEMPT}({RUN})?)?TL?)*([DC]|{ATTEMPT}([DC]|{RUN}[FDC]?)?)?")


@dataclass(frozen=True)
class Told:
    """A story that was told to its end."""

    facts: list[Fact]
    jobs: list[Job]
    events: list[list[Event]]
    """The first of `jobs` and `events` belongs to the acceptance, the others to the facts."""

    @property
    def all_events(self) -> list[Event]:
        return [event for events in self.events for event in events]


def tell(
    facts: list[Fact], policy: RetryPolicy = NO_RETRY, waits_for: Sequence[Dependency] = ()
) -> Told:
    step = accept(JOB_ID, NOON, waits_for)
    jobs, events = [step.job], [list(step.events)]
    for fact in facts:
        step = relaunch(jobs[-1], advance(jobs[-1], fact, absence_grace=GRACE), policy)
        jobs.append(step.job)
        events.append(list(step.events))
        assert not (step.anomaly and step.events)
    return Told(facts=facts, jobs=jobs, events=events)


minutes = st.none() | st.integers(0, 6)
codes = st.sampled_from([None, 0, 1, 7, 137])
signals = st.sampled_from([None, 0, 9, 15, 125])
nodes = st.sampled_from([None, "n1", "n[1-2]"])
restarts = st.integers(0, 3)


def sightings(words: list[str]) -> st.SearchStrategy[Fact]:
    return st.builds(
        seen,
        st.sampled_from(words),
        st.just(0),
        reason=st.sampled_from(REASONS),
        code=codes,
        signal=signals,
        start=minutes,
        end=minutes,
        nodes=nodes,
    )


any_fact: st.SearchStrategy[Fact] = st.one_of(
    sightings(WAITING + HELD + RUNNING),
    sightings(WAITING + HELD + RUNNING),
    sightings(SILENT + INTERRUPTED + UNKNOWN),
    sightings(LAST),
    st.builds(absent, st.just(0), missing=st.sampled_from([0, 2, 5, 9]), accounting=st.booleans()),
    st.builds(start_mark, st.just(0), restart=restarts, start=st.integers(0, 6)),
    st.builds(end_mark, st.just(0), st.sampled_from([0, 0, 1, 7]), restart=restarts),
    st.sampled_from([begun(), submitted(), refused(), not_submitted(), cancel(0), claimed(0)]),
    st.sampled_from([image_awaited(), pull_begun(0), image_there(0), pull_failed(0)]),
    st.builds(pull_mark, st.just(0), restart=restarts),
    st.builds(hindrance_mark, st.just(0), st.sampled_from(list(Hindrance)), restart=restarts),
    st.builds(ended, st.integers(1, 3), st.sampled_from(list(Ending))),
)
some_facts = any_fact.map(lambda it: [it]) | st.just([begun(), submitted()])
"""Mostly one; now and then the two that begin another attempt where one is due."""
gaps = st.sampled_from([0.25, 0.25, 1, 2, 6, 0, -3])
"""Minutes between two facts; clocks are set back now and then."""


def spread(first: list[Fact], later: list[tuple[float, list[Fact]]]) -> list[Fact]:
    """The facts, each group of `later` so many minutes after the one before."""
    minute, facts = 3.0, list(first)
    for gap, group in later:
        minute += gap
        facts += [replace(fact, at=at(minute)) for fact in group]
    return facts


beginnings: st.SearchStrategy[list[Fact]] = st.sampled_from(
    [[begun(), submitted()]] * 4 + [[], [begun()]]
)
histories = st.builds(spread, beginnings, st.lists(st.tuples(gaps, some_facts), max_size=14))
"""Any facts in any order; mostly of a job that Slurm has, or little would happen to it."""

policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 4),
    reasons=st.frozensets(st.sampled_from(list(FailureReason)), min_size=3),
    exit_codes=st.sampled_from([frozenset(), frozenset(), frozenset({7})]),
)


def check_what_always_holds(told: Told) -> None:
    kinds = [str(it.kind) for it in told.all_events]
    assert GRAMMAR.fullmatch("".join(LETTERS[it] for it in kinds)), kinds

    ends = [it for it in kinds if it in ("finished", "failed", "cancelled")]
    assert len(ends) <= 1
    assert not ends or kinds[-1] == ends[0]
    assert told.jobs[-1].is_over is bool(ends)

    numbers = [it.job.sequence for it in told.all_events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert told.jobs[-1].sequence == len(numbers)

    for kind in ("pulling", "started"):
        runs = Counter(
            (it.job.attempt, it.job.restart) for it in told.all_events if it.kind == kind
        )
        assert all(times == 1 for times in runs.values()), runs


def check_each_step(told: Told) -> None:
    assert told.jobs[0].revision == 1
    steps = zip(told.facts, told.jobs, told.jobs[1:], told.events[1:], strict=False)
    for fact, before, after, events in steps:
        assert after.revision == before.revision + (after != before)
        assert all(it.at == fact.at for it in events)
        assert after != before or not events
        if after.attempt == before.attempt:
            assert after.restart >= before.restart
            assert before.slurm_id in (None, after.slurm_id) or isinstance(fact, Claimed)
        if before.is_over:
            assert after == before


def check_the_attempts(told: Told, policy: RetryPolicy) -> None:
    """One after the other, never more than allowed, and none once somebody wants an end."""
    assert told.jobs[-1].attempt <= policy.attempts
    attempts = [it.job.attempt for it in told.all_events]
    retries = [it.kind == "retrying" for it in told.all_events]
    assert attempts == [1 + sum(retries[:index]) for index in range(len(retries))]
    for before, after, events in zip(told.jobs, told.jobs[1:], told.events[1:], strict=False):
        retried = [it for it in events if it.kind == "retrying"]
        assert after.attempt == before.attempt + len(retried)
        if before.cancel_requested_at is not None:
            assert not retried
            assert after.cancel_requested_at == before.cancel_requested_at
        for event in retried:
            assert event is events[-1]
            assert event.reason not in (None, "refused", "lost", "deadline")
            assert event.job.slurm_id == before.slurm_id
            assert after.not_before is not None
            assert after.not_before > event.at
            assert (after.slurm_id, after.restart, after.exit_code) == (None, 0, None)


def check_the_evidence(told: Told) -> None:
    """A success needs somebody who said so, and nobody who said the contrary of the same run."""
    last = told.all_events[-1]
    if last.kind != "finished":
        return
    assert last.job.exit_code == 0
    assert last.job.signal is None
    assert last.job.container_exit_code in (None, 0)
    deciding = next(
        fact for fact, job in zip(told.facts, told.jobs[1:], strict=True) if job.is_over
    )
    slurm_said_so = (
        isinstance(deciding, Seen)
        and deciding.sighting.word == "COMPLETED"
        and not deciding.sighting.exit_code
        and not deciding.sighting.signal
    )
    script_said_so = any(isinstance(it, EndMark) and it.exit_code == 0 for it in told.facts)
    assert slurm_said_so or (script_said_so and not isinstance(deciding, Seen))


def check_all(facts: list[Fact], policy: RetryPolicy) -> None:
    told = tell(facts, policy)
    check_what_always_holds(told)
    check_each_step(told)
    check_the_attempts(told, policy)
    check_the_evidence(told)
    assert tell(facts, policy) == told


@given(histories, policies)
@STORIES
def test_what_holds_of_every_story(facts: list[Fact], policy: RetryPolicy) -> None:
    check_all(facts, policy)


others = st.lists(
    st.builds(dependency, st.integers(1, 3), st.sampled_from(list(Condition))),
    min_size=1,
    unique_by=lambda it: it.job_id,
)
endings: st.SearchStrategy[list[Fact]] = st.lists(
    st.builds(
        ended,
        st.integers(1, 3),
        st.sampled_from([Ending.FINISHED, Ending.FINISHED, Ending.FINISHED, *Ending]),
        st.just(0.5),
    ),
    max_size=5,
)


@given(others, endings, histories)
@STORIES
def test_no_job_is_submitted_before_all_that_it_waits_for_have_ended_so(
    waits_for: list[Dependency], first: list[Fact], later: list[Fact]
) -> None:
    told = tell([*first, *later], waits_for=waits_for)
    check_what_always_holds(told)
    check_each_step(told)
    wanted = {it.job_id: it.condition for it in waits_for}
    for fact, before, after in zip(told.facts, told.jobs, told.jobs[1:], strict=False):
        if isinstance(fact, DependencyEnded) and before.phase == "blocked":
            well = {"finished"} if wanted.get(fact.job_id) == "afterok" else SOME_END
            if fact.job_id in wanted and fact.ending in well:
                del wanted[fact.job_id]
            else:
                assert fact.job_id not in wanted or after.phase == "failed"
        assert (after.phase == "blocked") is bool(after.waits_for)
        if isinstance(fact, SubmissionBegun) and after.phase == "submitting":
            assert not wanted


@pytest.mark.soak
@given(histories, policies)
@SOAK
def test_what_holds_of_very_many_stories(facts: list[Fact], policy: RetryPolicy) -> None:
    check_all(facts, policy)


starts: st.SearchStrategy[list[Fact]] = st.sampled_from(
    [[], [seen("RUNNING", 0, start=3, nodes="n1")], [start_mark(0)]]
)
failures: st.SearchStrategy[Fact] = st.sampled_from(
    [
        seen("TIMEOUT", 0, start=3, end=4, nodes="n1"),
        seen("FAILED", 0, code=1, signal=0, start=3, end=4, nodes="n1"),
        seen("OUT_OF_MEMORY", 0, start=3, end=4, nodes="n1"),
    ]
)
failed_attempts: st.SearchStrategy[list[Fact]] = st.builds(
    lambda start, failure: [begun(), submitted(), *start, failure], starts, failures
)


@given(st.lists(failed_attempts, min_size=1, max_size=5), st.integers(1, 6), st.integers(0, 30))
@STORIES
def test_a_job_that_always_fails_is_tried_as_often_as_its_policy_says(
    attempts: list[list[Fact]], most: int, cancelled_at: int
) -> None:
    facts = spread([], [(1, it) for it in attempts])
    policy = RetryPolicy(
        attempts=most,
        reasons=frozenset(
            {FailureReason.TIMEOUT, FailureReason.EXIT_CODE, FailureReason.OUT_OF_MEMORY}
        ),
    )
    told = tell(facts, policy)
    kinds = [str(it.kind) for it in told.all_events]
    assert kinds.count("retrying") == min(len(attempts), most - 1)
    assert kinds.count("failed") == (len(attempts) >= most)
    assert kinds.count("queued") == min(len(attempts), most)
    facts.insert(cancelled_at, cancel(99))
    check_all(facts, policy)


@given(histories, st.lists(st.sampled_from(range(20)), max_size=6))
@STORIES
def test_facts_that_are_told_twice_end_no_job_twice(facts: list[Fact], repeated: list[int]) -> None:
    for index in repeated:
        if index < len(facts):
            facts.insert(index, facts[index])
    check_what_always_holds(tell(facts))


absences: st.SearchStrategy[list[tuple[float, list[Fact]]]] = st.integers(0, 5).map(
    lambda times: [(1.0, [absent(0, missing=missing)]) for missing in range(times)]
)
shows: st.SearchStrategy[tuple[float, list[Fact]]] = st.tuples(
    st.sampled_from([0.5, 3, 60]),
    sightings(WAITING + HELD + RUNNING + SILENT + UNKNOWN).map(lambda it: [it]),
)
ignorance = st.lists(st.tuples(absences, shows), min_size=1, max_size=8).map(
    lambda spells: spread(
        [begun(), submitted()], [it for missing, shown in spells for it in [*missing, shown]]
    )
)
"""Facts that say nothing of an end: no absence lasts as long as the grace."""


@given(ignorance)
@STORIES
def test_ignorance_never_ends_a_job(facts: list[Fact]) -> None:
    told = tell(facts)
    assert not told.jobs[-1].is_over
    check_what_always_holds(told)


doubtful_interruption: st.SearchStrategy[list[Fact]] = st.builds(
    lambda taken, back: [taken, back], sightings(INTERRUPTED), sightings(WAITING + HELD + RUNNING)
)
doubtful_interruptions = st.lists(doubtful_interruption, min_size=1, max_size=8).map(
    lambda pairs: spread([begun(), submitted()], [(1, [it]) for pair in pairs for it in pair])
)
"""Interruptions that are each taken back before they are seen a second time."""


@given(doubtful_interruptions)
@STORIES
def test_an_interruption_that_is_taken_back_never_ends_a_job(facts: list[Fact]) -> None:
    assert not tell(facts).jobs[-1].is_over


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.sampled_from(["F", "D", "C"]))
@STORIES
def test_a_job_that_is_always_seen_tells_the_whole_of_its_life(runs: list[int], end: str) -> None:
    word = {"F": "COMPLETED", "D": "FAILED", "C": "CANCELLED"}[end]
    facts: list[Fact] = [begun(), submitted()]
    minute = 3
    for restart, looks in enumerate(runs):
        facts.append(start_mark(minute, restart=restart))
        facts += [seen("RUNNING", minute + it, start=minute) for it in range(looks)]
        minute += 10
        facts.append(seen("PENDING", minute - 1))
    facts[-1] = seen(word, minute - 1, code=1 if end == "D" else 0, end=minute - 1)
    letters = "".join(LETTERS[str(it.kind)] for it in tell(facts).all_events)
    assert letters == "AQ" + "SR" * (len(runs) - 1) + "S" + end


def test_the_grammar_itself_refuses_what_must_not_be() -> None:
    wrong = [
        "ALL",
        "AQTLL",
        "AQFT",
        "AQTS",
        "AQSXTX",
        "AQTF",
        "AQCQ",
        "Q",
        "AA",
        "AS",
        "AQSS",
        "AQX",
        "AQSXX",
        "AQF",
        "AQSFD",
        "AQHH",
        "AQHP",
        "AQRS",
        "AQQ",
    ]
    right = [
        "AC",
        "AQT",
        "ALTTLQSXF",
        "AQSXTQSF",
        "AQTQPSRSTD",
        "AQTC",
        "AQSTQD",
        "A",
        "AD",
        "AQ",
        "AQC",
        "AQPHQSXF",
        "AQSRHQSXRSD",
        "AQPPHC",
    ]
    assert [it for it in wrong if GRAMMAR.fullmatch(it)] == []
    assert [it for it in right if not GRAMMAR.fullmatch(it)] == []
