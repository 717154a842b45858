"""Which jobs' events are wanted."""

import pytest
from unit.board_events import progress, told
from unit.builders import running
from unit.house import job_id

from bridge.client.choice import Choice, Chooser
from bridge.wire.event import CloudEvent

ADA = told(running(), 1, name="digits", user="ada", labels={"study": "a", "round": "1"})
BOB = told(running(), 2, name="other", user="bob", labels={"study": "a"})


def jobs(choice: Choice, *events: CloudEvent, before: list[CloudEvent] | None = None) -> set[str]:
    """The jobs of which events are let through."""
    chooser = Chooser(choice)
    chooser.learn(before or [])
    return {str(it.data.job_id) for it in chooser.chosen(events)}


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [
        (Choice(), {1, 2}),
        (Choice(users=["ada"]), {1}),
        (Choice(users=["ada", "bob"]), {1, 2}),
        (Choice(kinds=["training"]), {1, 2}),
        (Choice(kinds=["deployment"]), set()),
        (Choice(labels={"study": "a"}), {1, 2}),
        (Choice(labels={"study": "a", "round": "1"}), {1}),
        (Choice(text="DIGIT"), {1}),
        (Choice(text=job_id(2)[-12:]), {2}),
        (Choice(users=["ada"], text="other"), set()),
    ],
)
def test_jobs_are_chosen_that_fit_every_condition(choice: Choice, numbers: set[int]) -> None:
    assert jobs(choice, *ADA, *BOB) == {job_id(it) for it in numbers}


def test_a_job_that_was_accepted_before_is_known_by_what_was_told_then() -> None:
    accepted, *later = ADA
    assert jobs(Choice(users=["ada"]), *later, progress(1, 25)) == set()
    assert jobs(Choice(users=["ada"]), *later, progress(1, 25), before=[accepted]) == {job_id(1)}


def test_events_of_no_job_are_told_only_where_there_is_no_condition() -> None:
    of_no_job = ADA[0].model_copy(
        update={"data": ADA[0].data.model_copy(update={"job_id": None, "job": None})}
    )
    assert jobs(Choice(), of_no_job) == {"None"}
    assert jobs(Choice(text=""), of_no_job) == {"None"}
    assert jobs(Choice(text="n"), of_no_job) == set()
