"""The job message: every field with what it accepts, and the words for what it does not."""

import json
from datetime import timedelta

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.job_messages import ID, accepted, json_values, message, refusal

from bridge.core.job import (
    ArgumentList,
    JobKind,
    JobSpec,
    Mount,
    Parameters,
    ParametersFormat,
    Resources,
    ShellLine,
)
from bridge.wire.job_message import JobMessage, MountMessage, ResourcesMessage

MANY = settings(max_examples=200, deadline=None)


def test_the_least_message_is_a_job_with_every_default() -> None:
    spec = accepted()
    assert spec == JobSpec(
        job_id=spec.job_id,
        name="digits",
        kind=JobKind.OTHER,
        image="/images/sklearn.sif",
        command=ArgumentList(arguments=("python", "train.py")),
        parameters=None,
        environment=(),
        mounts=(),
        resources=Resources(
            nodes=1, tasks=1, cpus_per_task=1, gpus=0, memory_mib=None, walltime=None,
            partition=None, qos=None, account=None, constraint=None,
        ),
        labels=(),
        user=None,
    )  # fmt: skip
    assert spec.job_id == ID


def test_the_fullest_message_comes_through_with_every_field() -> None:
    spec = accepted(
        site="testbed",
        kind="training",
        command="python train.py | tee log",
        params={"epochs": 3},
        params_format="json",
        params_path="/app/work/config/params.json",
        params_as_argument=True,
        priority=-7,
        env={"B": "two words", "A": ""},
        secrets={"TOKEN": "tiled-api-key", "_x": "7.b_c"},
        mounts=[{"source": "/data/in/", "target": "/in", "read_only": True}],
        resources={
            "nodes": 2, "tasks": 4, "cpus_per_task": 8, "gpus": 1, "memory": "16G",
            "walltime": "1-02:00:00", "partition": "gpu", "qos": "debug", "account": "m1234",
            "constraint": "gpu&hbm80g", "gpu_type": "a100",
        },
        labels={"experiment": "7", "note": "anything \u00fc\n"},
        user="Ada Lovelace",
    )  # fmt: skip
    assert spec.kind is JobKind.TRAINING
    assert spec.command == ShellLine(text="python train.py | tee log")
    assert spec.parameters == Parameters(
        text='{\n  "epochs": 3\n}\n',
        format=ParametersFormat.JSON,
        path="/app/work/config/params.json",
        as_argument=True,
    )
    assert spec.priority == -7
    assert spec.environment == (("B", "two words"), ("A", ""))
    assert spec.secrets == (("TOKEN", "tiled-api-key"), ("_x", "7.b_c"))
    assert spec.mounts == (Mount(source="/data/in", target="/in", read_only=True),)
    assert spec.resources == Resources(
        nodes=2, tasks=4, cpus_per_task=8, gpus=1, memory_mib=16 * 1024,
        walltime=timedelta(hours=26), partition="gpu", qos="debug", account="m1234",
        constraint="gpu&hbm80g", gpu_type="a100",
    )  # fmt: skip
    assert spec.labels == (("experiment", "7"), ("note", "anything \u00fc\n"))
    assert spec.user == "Ada Lovelace"


@pytest.mark.parametrize("spelling", [ID, ID.upper(), ID.replace("-", ""), f"urn:uuid:{ID}"])
def test_one_id_is_one_job_however_it_is_spelled(spelling: str) -> None:
    assert accepted(job_id=spelling).job_id == ID


@pytest.mark.parametrize(
    "argument", ["", "a b", "$(id)", "`id`", "'", '"', "\n", "\\", "-x", "\u00fc", "#SBATCH", "*"]
)
def test_arguments_are_kept_as_they_are(argument: str) -> None:
    assert accepted(command=["x", argument]).command == ArgumentList(arguments=("x", argument))
    assert accepted(env={"A": argument}).environment == (("A", argument),)


@pytest.mark.parametrize(
    ("text", "path"),
    [("/a//b/", "/a/b"), ("//a", "/a"), ("/", "/"), ("/a/./b", "/a/b"), ("/a b", "/a b")],
)
def test_a_path_is_brought_to_its_plain_form(text: str, path: str) -> None:
    (mount,) = accepted(mounts=[{"source": text, "target": text}]).mounts
    assert (mount.source, mount.target, mount.read_only) == (path, path, False)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
@MANY
def test_params_reach_the_container_as_they_were_sent(params: dict[str, object]) -> None:
    as_yaml = accepted(params=params).parameters
    as_json = accepted(params=params, params_format="json").parameters
    assert as_yaml is not None
    assert yaml.safe_load(as_yaml.text) == params
    assert as_yaml.file_name == "params.yaml"
    assert as_json is not None
    assert json.loads(as_json.text) == params
    assert as_json.file_name == "params.json"


field_names = st.sampled_from([*JobMessage.model_fields, "surprise"])


@given(st.dictionaries(field_names, json_values, max_size=6))
@MANY
def test_a_message_with_any_values_is_a_job_or_is_refused_in_words(
    fields: dict[str, object],
) -> None:
    words = refusal(message(**fields))
    assert all(0 < len(it.encode("utf-8")) < 1000 for it in words)


def test_params_as_deep_as_a_message_may_be_are_written() -> None:
    deepest: object = 1
    for _ in range(62):
        deepest = [deepest]
    written = accepted(params={"a": deepest}).parameters
    assert written is not None
    assert yaml.safe_load(written.text) == {"a": deepest}


def test_the_fields_of_the_public_message_are_these() -> None:
    assert list(JobMessage.model_json_schema()["properties"]) == [
        "version", "job_id", "site", "name", "kind", "image", "command", "params",
        "params_format", "params_path", "params_as_argument", "env", "secrets", "mounts",
        "resources", "priority", "labels", "user", "retry", "checkpoint", "depends_on",
        "reply_to", "sweep",
    ]  # fmt: skip
    assert list(MountMessage.model_json_schema()["properties"]) == ["source", "target", "read_only"]
    assert list(ResourcesMessage.model_json_schema()["properties"]) == [
        "nodes", "tasks", "cpus_per_task", "gpus", "gpu_type", "memory", "walltime",
        "partition", "qos", "account", "constraint", "profile",
    ]  # fmt: skip
    assert JobMessage.model_json_schema()["required"] == [
        "version", "job_id", "name", "image", "command",
    ]  # fmt: skip
