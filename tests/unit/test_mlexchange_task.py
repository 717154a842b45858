"""The shape of 2021: `docker_uri`, `docker_cmd`, `kw_args`."""

from dataclasses import replace

import pytest
from unit.mlexchange_messages import ALS, RULES, body, broker_task, notes

from bridge.core.errors import InvalidRequestError
from bridge.core.job import Mount
from bridge.core.site import Runtime


def test_the_example_becomes_a_job_of_ours() -> None:
    found = body(broker_task())
    del found["job_id"]
    assert found == {
        "version": 1,
        "name": "training image:tag",
        "kind": "training",
        "image": "docker://registry/image:tag",
        "command": "cd /app/work || exit\n"
        "python Deploy.py /data/x/masks /data/x/images /data/x/models",
        "mounts": [],
        "resources": {"gpus": 1},
        "labels": {"job_type": "training"},
    }
    assert notes(broker_task()) == []


@pytest.mark.parametrize(
    ("word", "kind"),
    [("training", "training"), ("deploy", "deployment"), ("labelmaker", "other")],
)
def test_the_job_type_tells_the_kind(word: str, kind: str) -> None:
    assert body(broker_task(job_type=word))["kind"] == kind


def test_a_job_that_wants_no_gpu_gets_none() -> None:
    assert body(broker_task(gpu=False))["resources"] == {"gpus": 0}


def test_a_command_without_arguments_stands_alone() -> None:
    task = broker_task()
    del task["kw_args"]
    assert body(task)["command"].endswith("\npython Deploy.py")


def test_where_the_site_says_nothing_of_a_folder_the_command_is_as_it_came() -> None:
    setting = replace(ALS, rules=replace(RULES, start_in=None))
    found = body(broker_task(docker_cmd="echo 'a  b'", kw_args='"$HOME" *'), setting=setting)
    assert found["command"] == "echo 'a  b' \"$HOME\" *"


def test_without_a_container_no_folder_of_one_is_entered() -> None:
    setting = replace(ALS, runtime=Runtime.COMMAND)
    assert body(broker_task(kw_args=""), setting=setting)["command"] == "python Deploy.py"


def test_every_container_sees_what_the_site_says() -> None:
    mounts = (Mount(source="/srv/data", target="/data", read_only=True),)
    setting = replace(ALS, rules=replace(RULES, mounts=mounts))
    assert body(broker_task(), setting=setting)["mounts"] == [
        {"source": "/srv/data", "target": "/data", "read_only": True}
    ]


def test_arguments_that_are_null_are_none() -> None:
    found = body(broker_task(docker_cmd="true", kw_args=None, gpu=None))
    assert (found["command"], found["resources"]) == ("cd /app/work || exit\ntrue", {"gpus": 0})


def test_unknown_fields_are_left_alone() -> None:
    assert body(broker_task(colour="blue", service=[1, {"a": None}]))["kind"] == "training"


def test_every_field_that_is_wrong_is_named() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        body(broker_task(docker_uri="", docker_cmd=["python"], gpu="yes"))
    assert [it.where for it in caught.value.problems] == ["docker_uri", "docker_cmd", "gpu"]
