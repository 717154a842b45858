"""The shape of 2024 and 2025: `params_list`, and the model catalogue."""

from dataclasses import replace

import pytest
from unit.mlexchange_messages import (
    ALS,
    RULES,
    Message,
    bodies,
    body,
    flow_steps,
    notes,
    problem_of,
    step,
)

from bridge.core.errors import InvalidRequestError
from bridge.core.site import Runtime


@pytest.mark.parametrize("field", ["volumes", "env_vars", "network", "image_tag", "num_nodes"])
def test_a_field_that_is_null_is_one_that_was_left_out(field: str) -> None:
    without = {name: it for name, it in step().items() if name != field}
    found, expected = (body(flow_steps(it)) for it in (step(**{field: None}), without))
    assert found | {"job_id": None} == expected | {"job_id": None}


def test_the_number_of_nodes_may_come_as_text() -> None:
    assert body(flow_steps(step(num_nodes="2")))["resources"]["nodes"] == 2


@pytest.mark.parametrize("command", [7, ["a", 7], {"a": "b"}])
def test_what_is_no_command_is_told_once(command: object) -> None:
    where, what = problem_of(flow_steps(step(command=command)))
    assert where == "params_list.0.command"
    assert what.startswith("a text, or a list of texts, is wanted (found ")


def conda_step(**changes: object) -> Message:
    return {
        "job_name": "dlsia train",
        "num_nodes": 2,
        "partitions": ["debug", "gpu", "cpu"],
        "reservations": ["beamtime"],
        "max_time": "1:30:0",
        "conda_env_name": "dlsia",
        "python_file_name": "src/train.py",
        "params": {"epochs": 3},
    } | changes


def model_step(task: str = "train", **changes: object) -> Message:
    return {"model_name": "dlsia", "task_name": task, "params": {"epochs": 3}} | changes


def test_the_example_becomes_a_job_of_ours() -> None:
    found = body(flow_steps())
    del found["job_id"]
    assert found == {
        "version": 1,
        "name": "mlex_dlsia_segmentation_prototype",
        "kind": "other",
        "image": "docker://ghcr.io/mlexchange/mlex_dlsia_segmentation_prototype:main",
        "command": "cd /app/work || exit\npython src/train.py",
        "env": {},
        "secrets": {},
        "mounts": [{"source": "/host", "target": "/tiled_storage", "read_only": False}],
        "resources": {"nodes": 1, "tasks": 1, "cpus_per_task": 1, "gpus": 0},
        "labels": {},
        "params": step()["params"],
        "params_as_argument": True,
        "params_path": "/app/work/config/params.yaml",
    }
    assert notes(flow_steps()) == ["network: no 'mle_net' here; a job has the network of its node"]


def test_each_step_waits_for_the_one_before_and_is_told_its_id() -> None:
    first, second, third = bodies(flow_steps(step(), step(), step()))
    assert "depends_on" not in first
    assert first["params"]["io_parameters"]["uid_retrieve"] == ""
    assert second["depends_on"] == [first["job_id"]]
    assert second["params"]["io_parameters"] == {
        "uid_retrieve": first["job_id"],
        "uid_save": "abc",
        "data_tiled_uri": "http://...",
    }
    assert third["depends_on"] == [second["job_id"]]
    assert third["params"]["io_parameters"]["uid_retrieve"] == second["job_id"]


@pytest.mark.parametrize(
    "params",
    [
        {"io_parameters": {"uid_retrieve": "mine"}},
        {"io_parameters": {"uid_save": "abc"}},
        {"io_parameters": ["uid_retrieve"]},
        {"uid_retrieve": ""},
        {},
    ],
)
def test_only_an_empty_uid_retrieve_is_filled(params: object) -> None:
    assert bodies(flow_steps(step(), step(params=params)))[1]["params"] == params


def test_null_is_as_empty_as_no_text() -> None:
    params = {"io_parameters": {"uid_retrieve": None}}
    first, second = bodies(flow_steps(step(), step(params=params)))
    assert second["params"] == {"io_parameters": {"uid_retrieve": first["job_id"]}}


def test_a_step_without_parameters_gets_no_file() -> None:
    first, second = bodies(flow_steps(step(params=None), step(params=None)))
    assert not {"params", "params_path", "params_as_argument"} & (first.keys() | second.keys())


def test_a_runtime_that_shows_no_single_files_shows_them_in_the_job_folder() -> None:
    setting = replace(ALS, runtime=Runtime.SHIFTER, mounts_files=False)
    message = flow_steps(step(network=None))
    found = body(message, setting=setting)
    assert "params_path" not in found
    assert found["params_as_argument"] is True
    assert notes(message, setting=setting) == [
        "shifter shows the parameters in the job's folder, not at /app/work/config/params.yaml"
    ]


def test_a_command_may_be_a_list_of_words() -> None:
    found = body(flow_steps(step(command=["python", "a b.py", "$HOME"])))["command"]
    assert found == [
        "sh",
        "-c",
        'cd /app/work || exit\nexec "$@"',
        "sh",
        "python",
        "a b.py",
        "$HOME",
    ]
    setting = replace(ALS, rules=replace(RULES, start_in=None))
    assert body(flow_steps(step(command=["a"])), setting=setting)["command"] == ["a"]


@pytest.mark.parametrize(
    ("volume", "mount", "note"),
    [
        ("/host:/in", {"source": "/host", "target": "/in", "read_only": False}, []),
        ("/host:/in:ro", {"source": "/host", "target": "/in", "read_only": True}, []),
        ("/host:/in:rw", {"source": "/host", "target": "/in", "read_only": False}, []),
        (
            "/data/mlex_repo/x:/in:z,ro,U",
            {"source": "/srv/mlex/x", "target": "/in", "read_only": True},
            ["volumes.0: these options mean nothing here: z,U"],
        ),
    ],
)
def test_a_volume_becomes_a_mount(volume: str, mount: Message, note: list[str]) -> None:
    message = flow_steps(step(volumes=[volume], network=None))
    assert body(message)["mounts"] == [mount]
    assert notes(message) == note


@pytest.mark.parametrize("volume", ["named:/in", "/host", "/host:in", "", "/a:/b:ro:z", ":/in"])
def test_what_is_no_volume_is_refused(volume: str) -> None:
    where, what = problem_of(flow_steps(step(), step(volumes=["/a:/b", volume])))
    assert where == "params_list.1.volumes.1"
    assert what == f"an absolute path, a colon and another one are wanted (found {volume!r})"


def test_variables_may_be_numbers() -> None:
    assert body(flow_steps(step(env_vars={"A": 1, "B": "b"})))["env"] == {"A": "1", "B": "b"}


def test_a_conda_environment_runs_a_program_with_its_parameters() -> None:
    message = flow_steps(conda_step(), flow_type="slurm")
    setting = replace(ALS, runtime=Runtime.CONDA)
    found = body(message, setting=setting)
    assert found["name"] == "dlsia train"
    assert found["image"] == "dlsia"
    assert found["command"] == ["python", "src/train.py"]
    assert found["params"] == {"epochs": 3}
    assert found["params_as_argument"] is True
    assert found["resources"] == {
        "nodes": 2,
        "tasks": 2,
        "cpus_per_task": 1,
        "gpus": 0,
        "partition": "gpu",
        "walltime": "01:30:00",
    }
    assert notes(message, setting=setting)[:2] == [
        "partitions: a job has one, and this one gpu",
        "reservations: the job does not run in 'beamtime', but with all others",
    ]


def test_the_site_may_have_an_image_for_a_conda_environment() -> None:
    assert body(flow_steps(conda_step(conda_env_name="segmentation")))["image"] == (
        "/images/segmentation.sif"
    )


def test_a_partition_that_the_site_does_not_offer_is_left_to_admission() -> None:
    message = flow_steps(conda_step(partitions=["debug"], reservations=[]))
    assert body(message)["resources"]["partition"] == "debug"
    assert notes(message) == []


@pytest.mark.parametrize("time", ["90", "1:30", "0:0:0", "1:2:3:4", "a:b:c"])
def test_what_is_no_time_is_refused(time: str) -> None:
    where, what = problem_of(flow_steps(conda_step(max_time=time)))
    assert where == "params_list.0.max_time"
    assert what.startswith("a time above zero as H:M:S is wanted, such as 1:30:00")


def test_a_model_of_the_catalogue_runs_as_the_site_says() -> None:
    train, inference = bodies(flow_steps(model_step(), model_step("inference")))
    assert train["name"] == "dlsia train"
    assert train["kind"] == "training"
    assert train["image"] == "/images/dlsia.sif"
    assert train["command"] == "cd /app/work || exit\npython src/train.py"
    assert train["env"] == {"OMP_NUM_THREADS": "4"}
    assert train["mounts"] == [
        {"source": "/srv/tiled", "target": "/tiled_storage", "read_only": True}
    ]
    assert train["resources"]["gpus"] == 1
    assert train["resources"]["cpus_per_task"] == 4
    assert train["labels"]["job_type"] == "train"
    assert inference["kind"] == "deployment"
    assert inference["command"] == ["python", "src/segment.py"]
    assert inference["depends_on"] == [train["job_id"]]


def test_a_model_may_come_alone() -> None:
    found = body(model_step())
    assert found["name"] == "dlsia train"
    assert found["params"] == {"epochs": 3}
    assert "depends_on" not in found


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"model_name": "other"}, "params_list.0.model_name"),
        ({"task_name": "tune"}, "params_list.0.model_name"),
    ],
)
def test_what_the_catalogue_does_not_have_is_refused_with_what_it_has(
    changes: Message, where: str
) -> None:
    place, what = problem_of(flow_steps(model_step(**changes)))
    assert place == where
    assert what.endswith("at vaughan-als, whose catalogue offers: dlsia train; dlsia inference")


def test_an_empty_catalogue_offers_nothing() -> None:
    setting = replace(ALS, rules=replace(RULES, catalogue=()))
    with pytest.raises(InvalidRequestError, match="offers: nothing"):
        bodies(model_step(), setting=setting)


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"image_name": None}, "image_name, conda_env_name or model_name", "missing, and required"),
        ({"command": None}, "command", "missing, and required"),
        ({"conda_env_name": "a"}, "python_file_name", "missing, and required"),
    ],
)
def test_a_step_that_does_not_say_what_to_run_is_refused(
    changes: Message, where: str, what: str
) -> None:
    assert problem_of(flow_steps(step(**changes))) == (f"params_list.0.{where}", what)


def test_a_model_without_a_task_is_refused_at_its_own_place() -> None:
    assert problem_of(model_step(task_name=None)) == ("task_name", "missing, and required")


def test_an_image_without_a_tag_is_taken_as_it_is() -> None:
    found = body(flow_steps(step(image_tag=None, model_name="DLSIA")))
    assert found["image"] == "docker://ghcr.io/mlexchange/mlex_dlsia_segmentation_prototype"
    assert found["name"] == "DLSIA"
