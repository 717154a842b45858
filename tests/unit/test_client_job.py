"""Jobs built in Python: the message that the bridge reads, or all that is wrong with it."""

import json
from uuid import UUID

import pytest

from bridge.client import Checkpoint, Dependency, Job, Mount, Resources, Retry
from bridge.core.errors import InvalidRequestError
from bridge.core.job import ArgumentList, Condition
from bridge.wire.request import read_job

ID = "6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b"


def test_a_job_gets_an_id_of_its_own_and_says_only_what_was_said() -> None:
    one, other = (Job(name="digits", image="/a.sif", command=["x"]) for _ in range(2))
    assert one.id != other.id
    assert json.loads(one.to_bytes()) == {
        "version": 1,
        "job_id": one.id,
        "name": "digits",
        "image": "/a.sif",
        "command": ["x"],
    }


def test_the_bridge_reads_what_was_built() -> None:
    job = Job(
        job_id=UUID(ID),
        site="here",
        name="digits",
        image="/a.sif",
        command=["python", "é"],
        params={"rate": 0.1},
        params_as_argument=True,
        secrets={"TOKEN": "tiled"},
        mounts=[Mount(source="/data", target="/data", read_only=True)],
        resources=Resources(gpus=2, gpu_type="a100"),
        priority=-5,
        retry=Retry(attempts=2),
        checkpoint=Checkpoint(seconds_before=60),
        depends_on=[Dependency(job_id=UUID(int=7), condition=Condition.AFTER_ANY)],
    )
    spec = read_job(job.to_bytes(), site="here")
    assert spec.job_id == job.id == ID
    assert spec.command == ArgumentList(arguments=("python", "é"))
    assert spec.parameters is not None
    assert spec.parameters.text == "rate: 0.1\n"
    assert spec.secrets == (("TOKEN", "tiled"),)
    assert spec.mounts[0].read_only
    assert (spec.resources.gpus, spec.resources.gpu_type, spec.priority) == (2, "a100", -5)
    assert spec.retry is not None
    assert spec.checkpoint is not None
    assert [(it.job_id, it.condition) for it in spec.depends_on] == [
        (str(UUID(int=7)), Condition.AFTER_ANY)
    ]


def test_everything_that_is_wrong_is_told_at_once_in_the_bridges_words() -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        Job(name="", image="/a.sif", command=[])
    assert [it.where for it in refusal.value.problems] == ["name", "command"]


def test_what_only_the_bridge_would_notice_is_told_too() -> None:
    with pytest.raises(InvalidRequestError, match="params_path: has no effect without params"):
        Job(name="a", image="/a.sif", command=["x"], params_path="/p")
