"""The jobs that a job message waits for."""

import pytest
from unit.job_messages import ID, accepted, message, problem, problems

from bridge.core.job import Condition, Dependency, JobId

OTHER = "00000000-0000-4000-8000-000000000001"
ANOTHER = "00000000-0000-4000-8000-000000000002"


def test_a_job_waits_for_none_unless_it_says_so() -> None:
    assert accepted().depends_on == accepted(depends_on=[]).depends_on == ()


def test_each_is_named_by_its_id_alone_or_with_how_it_must_end() -> None:
    spec = accepted(
        depends_on=[OTHER.upper(), {"job_id": ANOTHER, "condition": "afterany"}],
    )

    assert spec.depends_on == (
        Dependency(job_id=JobId(OTHER), condition=Condition.AFTER_OK),
        Dependency(job_id=JobId(ANOTHER), condition=Condition.AFTER_ANY),
    )


@pytest.mark.parametrize(
    ("depends_on", "where"),
    [
        (OTHER, "depends_on"),
        (["not a uuid"], "depends_on.0.job_id"),
        ([OTHER, 7], "depends_on.1"),
        ([{"condition": "afterok"}], "depends_on.0.job_id"),
        ([{"job_id": OTHER, "condition": "singleton"}], "depends_on.0.condition"),
        ([{"job_id": OTHER, "after": "success"}], "depends_on.0.after"),
        ([f"00000000-0000-4000-8000-{it:012}" for it in range(101)], "depends_on"),
    ],
)
def test_what_names_no_job_is_refused(depends_on: object, where: str) -> None:
    [told] = problems(message(depends_on=depends_on))
    assert told.startswith(f"{where}: ")


def test_no_job_waits_for_itself() -> None:
    assert problem(depends_on=[OTHER, ID]) == (
        "depends_on.1.job_id: the job itself; no job can wait for its own end"
    )


def test_no_job_is_named_twice() -> None:
    twice = [OTHER, {"job_id": OTHER, "condition": "afterany"}]
    assert problem(depends_on=twice) == f"depends_on.1.job_id: {OTHER} stands twice in this list"
