"""The shape of 2022 to 2024: `job_list`, `dependencies`, `requirements`."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.mlexchange_messages import (
    ALS,
    RANDOM_FOREST,
    RULES,
    Message,
    bodies,
    body,
    compute_jobs,
    listed_job,
    notes,
    problem_of,
)


def with_keywords(**changes: object) -> Message:
    job = listed_job()
    return compute_jobs(listed_job(job_kwargs=job["job_kwargs"] | changes))


def with_requirements(**changes: object) -> Message:
    return compute_jobs(requirements=changes)


def test_the_example_becomes_a_job_of_ours() -> None:
    found = body(compute_jobs())
    del found["job_id"]
    assert found == {
        "version": 1,
        "name": "high-res-segmentation test_1",
        "kind": "training",
        "image": "docker://mlexchange1/random-forest-dc:1.1",
        "command": f"cd /app/work || exit\n{RANDOM_FOREST}",
        "mounts": [
            {
                "source": "/srv/mlex/mlex_tiled/data",
                "target": "/app/work/data",
                "read_only": False,
            }
        ],
        "params": {"n_estimators": 30},
        "resources": {"nodes": 1, "tasks": 1, "cpus_per_task": 2, "gpus": 0},
        "labels": {
            "job_type": "train",
            "experiment_id": "123",
            "dataset": "name_of_dataset",
            "mlex_app": "high-res-segmentation",
            "service_type": "backend",
        },
        "user": "high_res_user",
    }
    assert notes(compute_jobs()) == []


def test_the_command_is_what_the_sender_wrote_to_the_last_byte() -> None:
    line = 'python x.py \'{"a": "it\'"\'"\'s"}\' "$(id)" `id` \\\n  --β *\t'
    found = body(with_keywords(cmd=line))["command"]
    assert found == f"cd /app/work || exit\n{line}"


def test_a_job_without_a_working_directory_gets_no_data() -> None:
    assert body(compute_jobs(listed_job(working_directory=None)))["mounts"] == []


def test_jobs_wait_as_the_map_says() -> None:
    message = compute_jobs(*[listed_job()] * 4, dependencies={"1": [0], "3": [1, 2, 1]})
    first, second, third, fourth = bodies(message)
    assert "depends_on" not in first
    assert second["depends_on"] == [first["job_id"]]
    assert "depends_on" not in third
    assert fourth["depends_on"] == [second["job_id"], third["job_id"]]


def test_jobs_of_one_message_know_each_other_by_labels() -> None:
    first, second = bodies(compute_jobs(*[listed_job()] * 2))
    assert first["labels"]["mlexchange.first_job"] == first["job_id"]
    assert second["labels"]["mlexchange.first_job"] == first["job_id"]
    assert first["labels"]["mlexchange.step"] == "1 of 2"
    assert second["labels"]["mlexchange.step"] == "2 of 2"


@pytest.mark.parametrize(
    ("dependencies", "where", "what"),
    [
        ({"5": [0]}, "dependencies.5", "places in job_list are wanted, from 0 to 1"),
        ({"one": [0]}, "dependencies.one", "places in job_list are wanted, from 0 to 1"),
        ({"1": [-1]}, "dependencies.1", "places in job_list are wanted, from 0 to 1"),
        ({"1": [2]}, "dependencies.1", "places in job_list are wanted, from 0 to 1"),
        ({"0": [1], "1": [0]}, "dependencies", "the jobs 0, 1 wait for each other"),
        ({"1": [1]}, "dependencies", "the jobs 1 wait for each other"),
    ],
)
def test_a_map_that_cannot_be_is_refused(
    dependencies: dict[str, list[int]], where: str, what: str
) -> None:
    message = compute_jobs(*[listed_job()] * 2, dependencies=dependencies)
    assert problem_of(message) == (where, what)


def test_a_message_for_another_host_is_refused() -> None:
    where, what = problem_of(compute_jobs(host_list=["perlmutter.nersc.gov"]))
    assert where == "host_list"
    assert what == (
        "the jobs are meant for 'perlmutter.nersc.gov'; "
        "vaughan-als answers to vaughan.als.lbl.gov, vaughan"
    )


def test_one_of_several_hosts_is_enough() -> None:
    assert notes(compute_jobs(host_list=["elsewhere", "vaughan"])) == []


def test_a_site_that_has_no_such_names_says_that_it_runs_the_job_all_the_same() -> None:
    setting = replace(ALS, rules=replace(RULES, hosts=()))
    assert notes(compute_jobs(), setting=setting) == [
        "host_list: the jobs run at vaughan-als, whatever 'vaughan.als.lbl.gov' is"
    ]
    assert notes(compute_jobs(host_list=None), setting=setting) == []


def test_what_is_required_in_all_is_spread_over_the_nodes() -> None:
    message = with_requirements(num_processors=7, num_gpus=3, num_nodes=2)
    assert body(message)["resources"] == {
        "nodes": 2,
        "tasks": 2,
        "cpus_per_task": 4,
        "gpus": 2,
    }


@given(st.integers(1, 1_000_000), st.sampled_from(["{}", "{}.0", "{}.00", " {} "]))
def test_a_number_that_comes_as_text_is_that_number(number: int, form: str) -> None:
    text = form.format(number)
    names = ("num_processors", "num_gpus", "num_nodes", "timeout")
    as_text, as_number, as_float = (
        body(with_requirements(**dict.fromkeys(names, it)))["resources"]
        for it in (text, number, float(number))
    )
    assert as_text == as_number == as_float


def test_a_part_of_a_minute_may_come_as_text() -> None:
    asked = body(compute_jobs(timeout="2.5", requirements={}))["resources"]
    assert asked["walltime"] == "00:02:30"


def test_places_in_the_list_may_come_as_text() -> None:
    message = compute_jobs(listed_job(), listed_job(), dependencies={"1": ["0"]})
    first, second = bodies(message)
    assert second["depends_on"] == [first["job_id"]]


@pytest.mark.parametrize(
    "value", ["x", "", " ", "1e3", "0x10", "½", "٣", "1,5", "1.500", "010", "1_0", "4 nodes", True]
)
def test_a_text_that_may_mean_two_numbers_or_none_is_refused(value: object) -> None:
    for name, words in {
        "num_nodes": "a whole number is wanted",
        "num_gpus": "a whole number is wanted",
        "timeout": "a number is wanted",
    }.items():
        where, what = problem_of(with_requirements(**{name: value}))
        assert where == f"requirements.{name}"
        assert what.startswith(words)


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("num_nodes", "2.5", "a whole number is wanted (found '2.5')"),
        ("num_nodes", "0", "at least 1 is wanted (found '0')"),
        ("num_gpus", "-1", "at least 0 is wanted (found '-1')"),
        ("timeout", "0", "more than 0 is wanted (found '0')"),
        ("constraints", 7, "a text, or a list of texts, is wanted (found 7)"),
        ("constraints", ["gpu", 7], "a text, or a list of texts, is wanted (found ['gpu', 7])"),
    ],
)
def test_what_cannot_be_required_is_told_once_and_as_it_came(
    name: str, value: object, what: str
) -> None:
    assert problem_of(with_requirements(**{name: value})) == (f"requirements.{name}", what)


def test_what_is_null_is_not_required() -> None:
    nothing = dict.fromkeys(("num_processors", "num_gpus", "num_nodes"))
    asked = body(with_requirements(**nothing))["resources"]
    assert asked == {"nodes": 1, "tasks": 1, "cpus_per_task": 1, "gpus": 0}


def test_what_is_not_required_is_one_of_each() -> None:
    assert body(with_requirements(num_processors=0))["resources"] == {
        "nodes": 1,
        "tasks": 1,
        "cpus_per_task": 1,
        "gpus": 0,
    }


def test_bank_timeout_and_constraints_are_asked_of_slurm() -> None:
    message = with_requirements(bank="m1234", timeout=1.51, constraints=["gpu", "hbm80g"])
    resources = body(message)["resources"]
    assert resources["account"] == "m1234"
    assert resources["walltime"] == "00:01:31"
    assert resources["constraint"] == "gpu&hbm80g"


def test_wishes_may_also_stand_beside_the_requirements() -> None:
    message = compute_jobs(timeout=60, constraints="gpu", bank="m1", requirements={"bank": "m2"})
    resources = body(message)["resources"]
    assert resources["walltime"] == "01:00:00"
    assert resources["constraint"] == "gpu"
    assert resources["account"] == "m2"


def test_listed_gpus_are_counted_and_a_note_says_that_slurm_chooses() -> None:
    message = with_requirements(num_gpus=1, list_gpus=[0, 3])
    assert body(message)["resources"]["gpus"] == 2
    assert notes(message) == ["list_gpus: Slurm chooses which 2 GPUs these are"]


def test_ports_and_container_options_are_passed_over_with_a_note() -> None:
    message = with_keywords(map={"8888/tcp": 8888}, container_kwargs={"shm_size": "1g"})
    assert notes(message) == [
        "job_kwargs.map: no ports are mapped; a job has the network of its node",
        "job_kwargs.container_kwargs: not for this site's containers: 'shm_size'",
    ]
    assert notes(with_keywords(container_kwargs=["-it"])) == [
        "job_kwargs.container_kwargs: not for this site's containers: ['-it']"
    ]


@pytest.mark.parametrize("params", [{"n": 1}, '{"n": 1}'])
def test_parameters_are_kept_as_a_mapping(params: object) -> None:
    assert body(with_keywords(kwargs={"params": params}))["params"] == {"n": 1}


@pytest.mark.parametrize("params", ["", None])
def test_no_parameters_are_none(params: object) -> None:
    message = with_keywords(kwargs={"params": params})
    assert "params" not in body(message)
    assert notes(message) == []


@pytest.mark.parametrize("params", ["n=1", "[1]", 7, "{"])
def test_parameters_of_another_form_stand_in_the_command_alone(params: object) -> None:
    message = with_keywords(kwargs={"params": params})
    assert "params" not in body(message)
    assert notes(message) == [
        "job_kwargs.kwargs.params: not an object in JSON, so only the command has it"
    ]


def test_numbers_may_stand_for_names() -> None:
    message = with_keywords(kwargs={"experiment_id": 123, "dataset": 1.5})
    labels = body(message | {"user_uid": 7})["labels"]
    assert labels["experiment_id"] == "123"
    assert labels["dataset"] == "1.5"
    assert "job_type" not in labels
    assert body(message | {"user_uid": 7})["user"] == "7"
    assert "user" not in body(compute_jobs(user_uid=None))


def test_a_job_may_go_without_a_description() -> None:
    assert body(compute_jobs(listed_job(mlex_app="", description=None)))["name"] == "job"


def test_an_empty_list_is_no_message() -> None:
    where, what = problem_of(compute_jobs() | {"job_list": []})
    assert (where, what) == ("job_list", "at least 1 wanted (found [])")
