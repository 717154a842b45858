"""What cannot be so in a journal, and the words for it."""

from dataclasses import replace

import pytest
from unit.builders import (
    JOB_ID,
    NOON,
    SLURM_ID,
    Story,
    dependency,
    other_job,
    queued,
    running,
    seen,
)

from bridge.core.audit import History, RecordedEvent, violations
from bridge.core.job import SlurmId
from bridge.core.lifecycle import EventKind, Phase


def event(number: int, kind: str, event_id: str | None = None) -> RecordedEvent:
    return RecordedEvent(
        position=number,
        event_id=event_id or f"{JOB_ID}/{number}",
        routing_key=f"testbed.{kind}",
        body=b"{}",
        recorded_at=NOON,
        sent_at=None,
    )


def history(story: Story) -> History:
    events = tuple(event(it.job.sequence, it.kind) for it in story.events)
    return History(job=story.job, request=b"{}", told_before=0, changed_at=NOON, events=events)


ACCEPTED = history(Story())
BLOCKED = history(Story(depends_on=[dependency(1)]))
QUEUED = history(queued())
RUNNING = history(running())
FINISHED = history(running(seen("COMPLETED", 9, start=3, end=9, nodes="n1", code=0)))
SUBMITTING = replace(ACCEPTED, job=replace(ACCEPTED.job, phase=Phase.SUBMITTING))


@pytest.mark.parametrize("sound", [BLOCKED, ACCEPTED, QUEUED, RUNNING, FINISHED])
def test_what_the_lifecycle_makes_is_sound(sound: History) -> None:
    assert list(violations(sound)) == []


def test_a_rebuilt_job_is_sound_with_and_without_events() -> None:
    waiting = replace(QUEUED.job, sequence=1000)
    fresh = replace(QUEUED, job=waiting, told_before=1000, events=())
    going_on = replace(fresh, job=replace(waiting, sequence=1001), events=(event(1001, "pending"),))
    over = replace(FINISHED, job=replace(FINISHED.job, sequence=5), told_before=5, events=())

    assert [list(violations(it)) for it in (fresh, going_on, over)] == [[], [], []]


@pytest.mark.parametrize("places", [(1,), (1, 3), (4,)])
def test_progress_may_stand_anywhere_and_with_gaps(places: tuple[int, ...]) -> None:
    events = list(FINISHED.events)
    for place in places:
        events.insert(place, event(9, "progress", f"{JOB_ID}/progress/{place * 7}"))
    assert list(violations(replace(FINISHED, events=tuple(events)))) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(QUEUED, job=replace(QUEUED.job, revision=0)), "revision is 0"),
        (replace(QUEUED, job=replace(QUEUED.job, attempt=0)), "attempt is 0"),
        (
            replace(BLOCKED, job=replace(BLOCKED.job, waits_for=())),
            "is blocked, and waits for no other job",
        ),
        (
            replace(ACCEPTED, job=replace(ACCEPTED.job, waits_for=(dependency(1),))),
            f"is accepted, and waits for the job {other_job(1)}",
        ),
        (
            replace(BLOCKED, job=replace(BLOCKED.job, slurm_id=SlurmId("7"))),
            "is blocked, and has the Slurm id 7",
        ),
        (replace(QUEUED, job=replace(QUEUED.job, restart=-1)), "restart is -1"),
        (replace(QUEUED, job=replace(QUEUED.job, slurm_id=None)), "is queued, and has no Slurm id"),
        (
            replace(ACCEPTED, job=replace(ACCEPTED.job, slurm_id=SlurmId("7"))),
            "is accepted, and has the Slurm id 7",
        ),
        (SUBMITTING, "since when is not known"),
        (replace(QUEUED, request=None), "the message it came with is missing"),
        (replace(QUEUED, events=QUEUED.events[:1]), f"the event {JOB_ID}/2 is missing"),
        (
            replace(RUNNING, events=(RUNNING.events[0], RUNNING.events[2])),
            f"where the event {JOB_ID}/2 should stand, there is {JOB_ID}/3",
        ),
        (
            replace(QUEUED, events=(*QUEUED.events, event(3, "started"))),
            f"the number 2, and {JOB_ID}/3 follows",
        ),
        (
            replace(QUEUED, events=(QUEUED.events[0], event(2, "queued", "another/2"))),
            "there is another/2",
        ),
        (
            replace(QUEUED, events=(QUEUED.events[0], event(2, "exploded"))),
            "has the routing key 'testbed.exploded'",
        ),
        (
            replace(QUEUED, events=(event(1, "started"), QUEUED.events[1])),
            "its first event is started",
        ),
        (
            replace(FINISHED, job=replace(FINISHED.job, phase=Phase.RUNNING)),
            "its last event is finished, and it is running",
        ),
        (
            replace(FINISHED, job=replace(FINISHED.job, phase=Phase.FAILED)),
            "its last event is finished, and it is failed",
        ),
        (
            replace(RUNNING, job=replace(RUNNING.job, phase=Phase.CANCELLED)),
            "it is cancelled, and that was never told",
        ),
        (
            replace(
                FINISHED, events=(FINISHED.events[0], event(2, "failed"), *FINISHED.events[2:])
            ),
            "the event 2 is failed, and others follow",
        ),
    ],
)
def test_what_cannot_be_so_is_told(wrong: History, words: str) -> None:
    (told,) = violations(wrong)

    assert words in told


def test_a_number_that_is_far_off_is_told_at_once() -> None:
    far = replace(QUEUED, job=replace(QUEUED.job, sequence=2**60))

    assert list(violations(far)) == [f"the event {JOB_ID}/3 is missing, and all after it"]


def test_everything_that_is_wrong_is_told() -> None:
    wrong = replace(RUNNING, request=None, job=replace(RUNNING.job, revision=0, slurm_id=None))

    assert len(list(violations(wrong))) == 3
    assert RUNNING.job.slurm_id == SLURM_ID
    assert RUNNING.events[0].routing_key == f"testbed.{EventKind.ACCEPTED}"
