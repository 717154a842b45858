"""The phases, the legal moves and the public words, written down a second time by hand."""

from dataclasses import replace

import pytest
from unit.builders import (
    Story,
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
    queued,
    refused,
    running,
    seen,
    start_mark,
    submitted,
)

from bridge.core.facts import Fact, TaskStarted
from bridge.core.lifecycle import ENDS, MOVES, Event, EventKind, Phase, Step

LEGAL = {
    "blocked": {"accepted", "failed", "cancelled"},
    "accepted": {"pulling", "submitting", "failed", "cancelled"},
    "pulling": {"accepted", "failed", "cancelled"},
    "submitting": {"accepted", "array", "queued", "failed"},
    "array": {"finished", "failed", "cancelled"},
    "queued": {"accepted", "held", "running", "finished", "failed", "cancelled"},
    "held": {"accepted", "queued", "running", "finished", "failed", "cancelled"},
    "running": {"accepted", "queued", "held", "finished", "failed", "cancelled"},
    "finished": set(),
    "failed": set(),
    "cancelled": set(),
}

FACTS: dict[str, Fact] = {
    "begun": begun(10),
    "submitted": submitted(10),
    "refused": refused(10),
    "not submitted": not_submitted(10),
    "claimed": claimed(10),
    "cancel request": cancel(10),
    "image awaited": image_awaited(10),
    "pull begun": pull_begun(10),
    "image there": image_there(10),
    "pull failed": pull_failed(10),
    "good news": ended(1, "finished", 10),
    "bad news": ended(1, "failed", 10),
    "a start": TaskStarted(at=at(10)),
    "pending": seen("PENDING", 10),
    "on hold": seen("PENDING", 10, reason="JobHeldUser"),
    "runs": seen("RUNNING", 10, start=3),
    "completing": seen("COMPLETING", 10),
    "completed": seen("COMPLETED", 10, code=0),
    "failure": seen("FAILED", 10, code=1),
    "cancellation": seen("CANCELLED", 10),
    "node failure": seen("NODE_FAIL", 10),
    "word to come": seen("TELEPORTED", 10),
    "absent": absent(10),
    "start mark": start_mark(10),
    "end mark": end_mark(10, 0),
    "pull mark": pull_mark(10),
    "hindrance": hindrance_mark(10),
}

STORIES = {
    "array": Story(begun(), submitted(), tasks=2),
    "blocked": Story(depends_on=[dependency(1)]),
    "accepted": Story(),
    "pulling": Story(image_awaited()),
    "submitting": Story(begun()),
    "queued": queued(),
    "held": queued(seen("PENDING", 3, reason="JobHeldUser")),
    "running": running(),
    "finished": running(seen("COMPLETED", 4, code=0)),
    "failed": running(seen("FAILED", 4, code=1)),
    "cancelled": queued(seen("CANCELLED", 4)),
}

# What each fact makes of a job in each phase: the next phase, "same", or "odd" for an anomaly.
BECOMES = {
    #                  blocked   accepted   pulling   submitting array queued    held      running
    "begun":          "odd       submitting odd       odd        odd   odd       odd       odd",
    "submitted":      "odd       odd        odd       queued     odd   odd       odd       odd",
    "refused":        "odd       failed     odd       failed     odd   odd       odd       odd",
    "not submitted":  "odd       odd        odd       accepted   odd   odd       odd       odd",
    "claimed":        "odd       odd        odd       odd        odd   same      same      same",
    "cancel request": "cancelled cancelled  cancelled same       same  same      same      same",
    "good news":      "accepted  same       same      same       same  same      same      same",
    "bad news":       "failed    same       same      same       same  same      same      same",
    "a start":        "same      same       same      same       same  same      same      same",
    "image awaited":  "odd       pulling    odd       odd        odd   odd       odd       odd",
    "pull begun":     "odd       odd        same      odd        odd   odd       odd       odd",
    "image there":    "odd       odd        accepted  odd        odd   odd       odd       odd",
    "pull failed":    "odd       odd        failed    odd        odd   odd       odd       odd",
    "pending":        "odd       odd        odd       odd        odd   same      queued    queued",
    "on hold":        "odd       odd        odd       odd        odd   held      same      held",
    "runs":           "odd       odd        odd       odd        odd   running   running   same",
    "completing":     "odd       odd        odd       odd        odd   same      same      same",
    "completed":      "odd       odd        odd       odd        odd   finished  finished  finished",  # noqa: E501
    "failure":        "odd       odd        odd       odd        odd   failed    failed    failed",
    "cancellation":   "odd       odd        odd       odd        odd   cancelled cancelled cancelled",  # noqa: E501
    "node failure":   "odd       odd        odd       odd        odd   same      same      same",
    "word to come":   "odd       odd        odd       odd        odd   odd       odd       odd",
    "absent":         "odd       odd        odd       odd        odd   same      same      same",
    "start mark":     "same      same       same      same       odd   running   running   same",
    "end mark":       "same      same       same      same       odd   same      same      same",
    "pull mark":      "same      same       same      same       odd   same      same      same",
    "hindrance":      "same      same       same      same       odd   same      same      same",
}  # fmt: skip
LIVING = ("blocked", "accepted", "pulling", "submitting", "array", "queued", "held", "running")


@pytest.mark.parametrize("was", list(Phase))
@pytest.mark.parametrize("becomes", list(Phase))
def test_a_move_is_legal_exactly_where_it_is_written_here(was: Phase, becomes: Phase) -> None:
    assert (becomes in MOVES[was]) is (becomes.value in LEGAL[was.value])


def test_the_ends_are_the_three_phases_that_lead_nowhere() -> None:
    assert {it.value for it in ENDS} == {"finished", "failed", "cancelled"}
    assert {it.value for it, following in MOVES.items() if not following} == {
        "finished",
        "failed",
        "cancelled",
    }


@pytest.mark.parametrize("phase", LIVING)
@pytest.mark.parametrize("fact", list(FACTS))
def test_every_fact_makes_of_a_living_job_what_is_written_here(phase: str, fact: str) -> None:
    before = STORIES[phase].job
    story = Story()
    story.job = before
    story.hears(FACTS[fact])
    expected = BECOMES[fact].split()[LIVING.index(phase)]
    assert bool(story.anomalies) is (expected == "odd")
    assert story.job.phase.value == (phase if expected in ("odd", "same") else expected)


@pytest.mark.parametrize("phase", ["finished", "failed", "cancelled"])
@pytest.mark.parametrize("fact", list(FACTS))
def test_nothing_changes_a_job_that_is_over(phase: str, fact: str) -> None:
    story = Story()
    story.job, told = STORIES[phase].job, len(story.events)
    story.hears(FACTS[fact])
    assert story.job is STORIES[phase].job
    assert len(story.events) == told
    assert not story.anomalies


@pytest.mark.parametrize(
    ("fact", "phase", "words"),
    [
        ("refused", "queued", "queued -> refused"),
        ("refused", "running", "running -> refused"),
        ("begun", "running", "running -> submitting"),
        ("submitted", "accepted", "accepted -> queued"),
        ("not submitted", "running", "running -> not submitted"),
        ("claimed", "submitting", "submitting -> claimed"),
        ("word to come", "queued", "unknown Slurm state 'TELEPORTED'"),
        ("runs", "accepted", "RUNNING seen of a job that has no Slurm id"),
        ("absent", "submitting", "absence told of a job that has no Slurm id"),
    ],
)
def test_an_anomaly_says_what_did_not_fit(fact: str, phase: str, words: str) -> None:
    story = Story()
    story.job = STORIES[phase].job
    assert story.hears(FACTS[fact]).anomalies == [words]
    assert story.job == STORIES[phase].job


def test_the_words_that_journals_and_routing_keys_hold_do_not_change() -> None:
    assert [it.value for it in Phase] == [
        "blocked",
        "accepted",
        "pulling",
        "submitting",
        "array",
        "queued",
        "held",
        "running",
        "finished",
        "failed",
        "cancelled",
    ]
    assert {it.value for it in EventKind} == {
        "accepted",
        "rejected",
        "queued",
        "pending",
        "held",
        "pulling",
        "started",
        "progress",
        "exited",
        "requeued",
        "retrying",
        "finished",
        "failed",
        "cancelled",
        "unreachable",
        "recovered",
    }


def test_steps_join_into_one_with_all_their_events_and_the_last_job() -> None:
    story = running()
    earlier = replace(story.job, sequence=7)
    first = Step(job=earlier, events=(Event(kind=EventKind.QUEUED, at=at(1), job=earlier),))
    second = Step(job=story.job, events=(Event(kind=EventKind.STARTED, at=at(2), job=story.job),))
    joined = first.then(lambda _: second)
    assert joined.job is story.job
    assert [it.kind.value for it in joined.events] == ["queued", "started"]


def test_nothing_follows_an_anomaly() -> None:
    odd = Step(job=running().job, anomaly="odd")
    assert odd.then(lambda job: Step(job=replace(job, revision=99))) is odd
