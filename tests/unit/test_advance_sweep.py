"""Sweeps in the core: divided once, and over when all of their tasks are."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.builders import (
    JOB_ID,
    NOON,
    SLURM_ID,
    Story,
    absent,
    at,
    begun,
    cancel,
    dependency,
    not_submitted,
    seen,
    start_mark,
    submitted,
)

from bridge.core.advance import accept, advance
from bridge.core.facts import DependencyEnded, Divided, Ending, Fact, TaskStarted
from bridge.core.job import (
    JobId,
    SlurmId,
    SubmissionTag,
    array_id,
    array_index,
    bearer,
    runs_attempt,
    task_id,
    task_slurm_id,
)
from bridge.core.lifecycle import Job
from bridge.core.sweep import tasks_of

ARRAY = SubmissionTag(f"bridge-{JOB_ID}-1")


def sweep(*facts: Fact, tasks: int = 3) -> Story:
    return Story(*facts, tasks=tasks)


def in_slurm(*facts: Fact, tasks: int = 3) -> Story:
    return sweep(begun(), submitted(), *facts, tasks=tasks)


def over(index: int, how: str, minute: float = 9) -> DependencyEnded:
    return DependencyEnded(at=at(minute), job_id=task_id(JOB_ID, index), ending=Ending(how))


def task(sweep: Job, index: int) -> Story:
    """A task of the sweep, as it begins."""
    step = list(tasks_of(sweep, at(2)))[index]
    story = Story()
    story.job, story.events = step.job, list(step.events)
    return story


def test_the_ids_of_tasks_are_name_based_uuids_of_their_numbers() -> None:
    assert task_id(JobId("6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b"), 3) == (
        "2379543c-a9be-5372-984a-ac4c4d0c0160"
    )
    assert len({task_id(JOB_ID, it) for it in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("slurm_id", "array", "index"),
    [("123", "123", None), ("123_4", "123", 4), ("123;c", "123;c", None), ("123_4;c", "123;c", 4)],
)
def test_slurms_ids_of_tasks_are_taken_apart_and_put_together(
    slurm_id: str, array: str, index: int | None
) -> None:
    assert array_id(SlurmId(slurm_id)) == array
    assert array_index(SlurmId(slurm_id)) == index
    if index is not None:
        assert task_slurm_id(SlurmId(array), index) == slurm_id


def test_tasks_that_wait_together_have_no_number_of_their_own() -> None:
    assert array_index(SlurmId("123_[4-9%2]")) is None


def test_a_task_of_an_array_runs_the_first_attempt_of_its_own_job() -> None:
    third = task_id(JOB_ID, 3)
    assert bearer(ARRAY, SlurmId("9"), "bridge") == (JOB_ID, 1)
    assert bearer(ARRAY, SlurmId("9_3"), "bridge") == (third, 1)
    assert bearer(ARRAY, SlurmId("9_3"), "another") is None
    assert runs_attempt(ARRAY, SlurmId("9"), JOB_ID, 1)
    assert runs_attempt(ARRAY, SlurmId("9_3"), third, 1)
    assert not runs_attempt(ARRAY, SlurmId("9_3"), JOB_ID, 1)
    assert not runs_attempt(ARRAY, SlurmId("9_4"), third, 1)
    assert not runs_attempt(ARRAY, SlurmId("9_3"), third, 2)
    assert not runs_attempt(SubmissionTag("somebody's own"), SlurmId("9_3"), third, 1)
    assert runs_attempt(SubmissionTag(f"bridge-{third}-2"), SlurmId("10"), third, 2)


def test_a_sweep_that_slurm_takes_waits_for_its_tasks() -> None:
    story = in_slurm()

    assert story.job.phase == "array"
    assert story.job.slurm_id == SLURM_ID
    assert story.last.kind == "queued"
    assert [it.job_id for it in story.job.waits_for] == [task_id(JOB_ID, it) for it in range(3)]


def test_its_tasks_are_jobs_in_the_queue() -> None:
    whole = in_slurm().job

    steps = list(tasks_of(whole, at(2)))

    assert [it.job.job_id for it in steps] == [task_id(JOB_ID, it) for it in range(3)]
    assert [it.job.slurm_id for it in steps] == [f"{SLURM_ID}_{it}" for it in range(3)]
    assert [(it.job.sweep, it.job.task_index) for it in steps] == [(JOB_ID, it) for it in range(3)]
    for step in steps:
        assert step.job.phase == "queued"
        assert [it.kind for it in step.events] == ["accepted", "queued"]
        assert [it.job.sequence for it in step.events] == [1, 2]
        assert step.job.revision == 1


def test_without_arrays_its_tasks_are_to_be_submitted_one_by_one() -> None:
    story = sweep(begun(), Divided(at=at(2)))
    assert story.job.phase == "array"
    assert story.job.slurm_id is None

    (first, *_) = tasks_of(story.job, at(2))

    assert first.job.phase == "accepted"
    assert [it.kind for it in first.events] == ["accepted"]


def test_a_sweep_is_submitted_again_like_any_job_that_slurm_does_not_have() -> None:
    assert sweep(begun(), not_submitted()).job.phase == "accepted"
    assert sweep(cancel(1)).job.phase == "cancelled"


def test_what_is_no_sweep_cannot_be_divided() -> None:
    story = Story(begun(), Divided(at=at(2)))
    assert story.job.phase == "submitting"
    assert story.anomalies == ["submitting -> divided, and it has no tasks"]


def test_a_sweep_is_divided_once() -> None:
    story = in_slurm()
    before = story.job

    story.hears(submitted(3), Divided(at=at(3)), begun(4))

    assert story.job == before
    assert story.anomalies == ["array -> submitted", "array -> divided", "array -> submitting"]


def test_the_first_start_is_told_once() -> None:
    story = in_slurm(TaskStarted(at=at(4)), TaskStarted(at=at(5)))

    assert story.tells == ["accepted", "queued", "started"]
    assert story.job.started_at == at(4)
    assert Story(TaskStarted(at=at(4))).tells == ["accepted"]


@pytest.mark.parametrize(
    ("ends", "told", "words"),
    [
        (["finished"] * 3, "finished", "of 3 tasks 3 finished"),
        (["finished", "failed", "finished"], "failed", "of 3 tasks 2 finished, 1 failed"),
        (["failed", "cancelled", "finished"], "failed", "of 3 tasks 1 finished, 1 failed, 1 can"),
        (["finished", "cancelled", "finished"], "cancelled", "of 3 tasks 2 finished, 1 cancelled"),
    ],
)
def test_the_last_task_ends_it(ends: list[str], told: str, words: str) -> None:
    story = in_slurm(TaskStarted(at=at(4)))
    for index, how in enumerate(ends):
        assert not story.job.is_over
        story.hears(over(index, how))

    assert story.tells == ["accepted", "queued", "started", told]
    assert str(story.last.detail).startswith(words)
    assert story.last.reason == ("tasks" if told == "failed" else None)
    assert story.job.waits_for == ()


def test_a_sweep_that_somebody_cancelled_is_cancelled_whatever_else_failed() -> None:
    story = in_slurm(cancel(4), over(0, "failed"), over(1, "cancelled"), over(2, "finished"))
    assert story.tells[-1] == "cancelled"

    came_too_late = in_slurm(cancel(4), *(over(it, "finished") for it in range(3)))
    assert came_too_late.tells[-1] == "finished"


def test_a_task_that_finished_has_started() -> None:
    assert in_slurm(over(0, "finished")).tells == ["accepted", "queued", "started"]
    assert in_slurm(over(0, "failed")).tells == ["accepted", "queued"]


def test_the_same_end_twice_counts_once() -> None:
    story = in_slurm(over(0, "failed"), over(0, "failed"), over(9, "failed"))
    assert (story.job.tasks_failed, len(story.job.waits_for)) == (1, 2)


def test_a_wish_to_cancel_that_came_while_it_was_submitted_is_that_of_its_tasks() -> None:
    story = sweep(begun(), cancel(2), submitted(3))

    assert story.job.phase == "array"
    assert all(it.job.cancel_requested_at == at(2) for it in tasks_of(story.job, at(3)))


def test_a_task_lives_like_any_job() -> None:
    story = task(in_slurm().job, 1)
    story.hears(start_mark(3), seen("COMPLETED", 9, start=3, end=9, nodes="n1", code=0))
    assert story.tells == ["accepted", "queued", "started", "finished"]


def test_a_task_that_was_cancelled_while_it_waited_is_not_lost() -> None:
    story = task(in_slurm().job, 1).hears(cancel(3), absent(4, missing=0.1))
    assert story.tells == ["accepted", "queued"]

    story.hears(absent(5, missing=1))

    assert story.tells == ["accepted", "queued", "cancelled"]
    assert story.last.detail == "cancelled before it started"


def test_a_task_that_has_left_its_array_and_never_started_was_cancelled_by_somebody() -> None:
    story = task(in_slurm().job, 1).hears(absent(4, missing=0.1, array_listed=True))
    assert story.tells == ["accepted", "queued"]

    story.hears(absent(5, missing=1, array_listed=True))

    assert story.tells == ["accepted", "queued", "cancelled"]
    assert story.last.detail == "cancelled before it started"
    assert story.job.cancel_requested_at is None


@pytest.mark.parametrize(("accounting", "array_listed"), [(True, False), (False, True)])
def test_without_accounting_or_its_array_nobody_knows_what_became_of_a_task(
    *, accounting: bool, array_listed: bool
) -> None:
    story = task(in_slurm().job, 1)
    story.hears(absent(5, missing=1, accounting=accounting, array_listed=array_listed))
    assert not story.job.is_over

    story.hears(absent(9, missing=6, accounting=accounting, array_listed=array_listed))

    assert story.last.reason == "lost"


def test_a_task_that_nobody_cancelled_or_that_ran_is_missed_as_long_as_any_job() -> None:
    waits = task(in_slurm().job, 1).hears(absent(5, missing=1))
    ran = task(in_slurm().job, 1).hears(start_mark(3), cancel(4), absent(5, missing=1))
    single = Story(begun(), submitted(), cancel(3), absent(5, missing=1))

    assert [it.job.is_over for it in (waits, ran, single)] == [False] * 3


def test_the_next_attempt_of_a_task_is_still_one_of_its_sweep() -> None:
    whole = in_slurm().job
    story = task(whole, 1)
    story.policy = replace(story.policy, attempts=2)
    story.hears(seen("PREEMPTED", 5), seen("PREEMPTED", 6))

    assert story.tells[-1] == "retrying"
    assert (story.job.sweep, story.job.task_index) == (JOB_ID, 1)


endings = st.sampled_from(["finished", "failed", "cancelled", "unknown"])


@given(st.lists(endings, min_size=1, max_size=8), st.data())
@settings(max_examples=200, deadline=None)
def test_whatever_becomes_of_its_tasks_in_any_order_it_ends_once_with_all_of_them_counted(
    ends: list[str], data: st.DataObject
) -> None:
    told: list[Fact] = [over(index, how) for index, how in enumerate(ends)]
    noise: list[Fact] = data.draw(
        st.lists(st.sampled_from([*told, cancel(5), TaskStarted(at=at(5))]))
    )
    facts = data.draw(st.permutations([*told, *noise]))
    story = in_slurm(*facts, tasks=len(ends))

    job = story.job
    assert job.is_over
    assert sum(it in ("finished", "failed", "cancelled") for it in story.tells) == 1
    assert story.tells[-1] == job.phase
    assert story.tells.count("started") <= 1
    assert job.tasks_finished == ends.count("finished")
    assert job.tasks_cancelled == ends.count("cancelled")
    assert job.tasks_finished + job.tasks_cancelled + job.tasks_failed == len(ends)
    assert (job.phase == "finished") is (set(ends) == {"finished"})


def test_a_sweep_may_wait_for_others_first() -> None:
    step = accept(JOB_ID, NOON, [dependency(1)], tasks=2)
    assert step.job.phase == "blocked"
    told = DependencyEnded(at=at(1), job_id=dependency(1).job_id, ending=Ending.FINISHED)
    freed = advance(step.job, told, absence_grace=at(5) - at(0))
    assert freed.job.phase == "accepted"
