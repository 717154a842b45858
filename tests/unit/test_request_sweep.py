"""The sweep of a job message, and the messages of its tasks."""

import json

import pytest
from unit.job_messages import ID, accepted, message, problem, problems

from bridge.core.job import JobId, Sweep, task_id
from bridge.wire.request import read_job
from bridge.wire.sweep import task_requests

OTHER = "00000000-0000-4000-8000-000000000001"


def tasks(**fields: object) -> list[dict[str, object]]:
    return [json.loads(it) for it in task_requests(message(**fields))]


def test_a_job_is_no_sweep_unless_it_says_so() -> None:
    assert accepted().sweep is None
    with pytest.raises(ValueError, match="is no sweep"):
        tasks()


def test_a_list_has_a_task_for_each_set() -> None:
    sweep = {"list": [{"lr": 0.1}, {"lr": 0.2, "n": 3}], "at_once": 1}

    assert accepted(sweep=sweep).sweep == Sweep(tasks=2, at_once=1)
    assert [it["params"] for it in tasks(sweep=sweep)] == [{"lr": 0.1}, {"lr": 0.2, "n": 3}]


def test_a_grid_has_a_task_for_each_combination_the_last_name_changing_fastest() -> None:
    sweep = {"grid": {"lr": [0.1, 0.2], "layers": [[8], [8, 8], None]}}

    assert accepted(sweep=sweep).sweep == Sweep(tasks=6)
    assert [it["params"] for it in tasks(sweep=sweep)] == [
        {"lr": 0.1, "layers": [8]},
        {"lr": 0.1, "layers": [8, 8]},
        {"lr": 0.1, "layers": None},
        {"lr": 0.2, "layers": [8]},
        {"lr": 0.2, "layers": [8, 8]},
        {"lr": 0.2, "layers": None},
    ]


def test_a_task_says_what_its_sweep_says_but_for_its_id_and_its_own_parameters() -> None:
    found = tasks(
        params={"lr": 1, "epochs": 5},
        labels={"experiment": "7"},
        depends_on=[OTHER],
        sweep={"list": [{"lr": 2}, {"n": 1}]},
    )

    assert [it["job_id"] for it in found] == [task_id(JobId(ID), 0), task_id(JobId(ID), 1)]
    assert [it["params"] for it in found] == [
        {"lr": 2, "epochs": 5},
        {"lr": 1, "epochs": 5, "n": 1},
    ]
    for it in found:
        assert it["labels"] == {"experiment": "7"}
        assert "sweep" not in it
        assert "depends_on" not in it
        assert read_job(json.dumps(it).encode(), site="testbed").sweep is None


def test_how_parameters_are_handed_on_may_be_said_though_only_the_tasks_have_any() -> None:
    assert accepted(params_format="json", sweep={"list": [{"a": 1}]}).sweep == Sweep(tasks=1)


@pytest.mark.parametrize(
    ("sweep", "where"),
    [
        ({}, "sweep"),
        ({"at_once": 2}, "sweep"),
        ({"grid": {"a": [1]}, "list": [{"a": 1}]}, "sweep"),
        ({"grid": {}}, "sweep.grid"),
        ({"grid": {"a": []}}, "sweep.grid.a"),
        ({"grid": {"a": 1}}, "sweep.grid.a"),
        ({"list": []}, "sweep.list"),
        ({"list": [1]}, "sweep.list.0"),
        ({"list": {"a": 1}}, "sweep.list"),
        ({"sets": [{"a": 1}]}, "sweep.sets"),
        ({"list": [{"a": 1}], "at_once": 0}, "sweep.at_once"),
        ({"list": [{"a": 1}], "at_once": "2"}, "sweep.at_once"),
        ([{"a": 1}], "sweep"),
    ],
)
def test_what_is_no_sweep_is_refused(sweep: object, where: str) -> None:
    [told] = problems(message(sweep=sweep))
    assert told.startswith(f"{where}: ")


def test_a_grid_of_countless_tasks_is_refused_without_being_made() -> None:
    values = list(range(10))
    # So many that Python does not write their number (sys.set_int_max_str_digits).
    words = problem(sweep={"grid": {str(it): values for it in range(5_000)}})
    assert words.startswith("sweep: 1000000000 or more tasks with messages as long as this one")


def test_long_messages_may_not_be_repeated_without_end() -> None:
    long = {"text": "x" * 100_000}
    assert accepted(params=long, sweep={"grid": {"n": list(range(100))}}).sweep == Sweep(tasks=100)
    assert "are too much" in problem(params=long, sweep={"grid": {"n": list(range(1000))}})
