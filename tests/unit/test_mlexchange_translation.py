"""Which messages are MLExchange's, what their jobs are called, and whom they answer."""

from uuid import UUID

import pytest
from unit.mlexchange_messages import (
    bodies,
    body,
    broker_task,
    compute_jobs,
    flow_steps,
    listed_job,
    step,
    translated,
)

from bridge.core.errors import InvalidRequestError, Problem
from bridge.wire.mlexchange import Origin, is_mlexchange

UUID_OF_THEIRS = "0b0f3f1e-4f0e-4f0e-9f5e-0d3d8f0c9a11"
CHAIN = flow_steps(step(), step())


def ids(message: object, **origin: str) -> list[str]:
    return [it["job_id"] for it in bodies(message, origin=Origin(**origin))]


@pytest.mark.parametrize(
    "message",
    [broker_task(), compute_jobs(), flow_steps(), {"model_name": "dlsia", "task_name": "train"}],
)
def test_each_shape_is_known_by_a_field(message: dict[str, object]) -> None:
    assert is_mlexchange(message)
    assert not is_mlexchange(message | {"version": 1})


@pytest.mark.parametrize("message", [None, [], "docker_uri", {}, {"image": "a"}])
def test_everything_else_is_not_theirs(message: object) -> None:
    assert not is_mlexchange(message)
    with pytest.raises(InvalidRequestError, match="has one of docker_uri, job_list, params_list"):
        translated(message)


def test_the_same_message_has_the_same_jobs() -> None:
    assert ids(CHAIN) == ids(CHAIN)
    assert ids(CHAIN, correlation_id="a") == ids(CHAIN, correlation_id="a")
    assert len(set(ids(CHAIN))) == 2


def test_the_order_of_the_fields_does_not_matter() -> None:
    assert ids(dict(reversed(CHAIN.items()))) == ids(CHAIN)


def test_every_other_message_has_other_jobs() -> None:
    found = [
        ids(CHAIN),
        ids(flow_steps(step(), step(command="other"))),
        ids(CHAIN, correlation_id="a"),
        ids(CHAIN, correlation_id="b"),
        ids(CHAIN, message_id="c"),
        ids(CHAIN, correlation_id="a", reply_to="results"),
    ]
    assert len({it for pair in found for it in pair}) == 12


def test_a_message_id_tells_nothing_beside_a_correlation_id() -> None:
    assert ids(CHAIN, correlation_id="a", message_id="b") == ids(CHAIN, correlation_id="a")


def test_every_job_id_is_a_uuid() -> None:
    for found in ids(CHAIN, correlation_id="\n'☃"):
        assert str(UUID(found)) == found


def test_a_single_job_is_found_by_the_uuid_that_its_sender_gave_it() -> None:
    assert ids(broker_task(), correlation_id=UUID_OF_THEIRS.upper()) == [UUID_OF_THEIRS]
    assert UUID_OF_THEIRS not in ids(CHAIN, correlation_id=UUID_OF_THEIRS)


def test_the_sender_finds_its_own_id_in_the_labels() -> None:
    for it in bodies(CHAIN, origin=Origin(correlation_id="run-7")):
        assert it["labels"]["mlexchange.correlation_id"] == "run-7"


def test_a_single_job_answers_its_sender() -> None:
    origin = Origin(reply_to="results", correlation_id="run-7")
    assert body(broker_task(), origin=origin)["reply_to"] == {
        "queue": "results",
        "job_type": "training",
        "correlation_id": "run-7",
    }
    assert body(broker_task(), origin=Origin(reply_to="results"))["reply_to"] == {
        "queue": "results",
        "job_type": "training",
    }


def test_of_a_chain_the_last_job_answers() -> None:
    first, second = bodies(CHAIN, origin=Origin(reply_to="results"))
    assert "reply_to" not in first
    assert second["reply_to"]["queue"] == "results"


def test_of_other_jobs_those_answer_that_nobody_waits_for() -> None:
    message = compute_jobs(*[listed_job()] * 3, dependencies={"1": [0]})
    found = bodies(message, origin=Origin(reply_to="results"))
    assert ["reply_to" in it for it in found] == [False, True, True]


def test_who_names_no_queue_is_not_answered() -> None:
    assert "reply_to" not in body(broker_task(), origin=Origin(correlation_id="run-7"))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("image", "job_list.0.job_kwargs.uri"),
        ("resources.account", "requirements.bank"),
        ("resources.memory", "requirements"),
        ("mounts.0.source", "job_list.0.working_directory"),
        ("labels.experiment_id", "job_list.0.job_kwargs.kwargs"),
        ("retry.attempts", "retry.attempts"),
        ("", ""),
    ],
)
def test_a_problem_is_told_where_it_stands_in_their_message(ours: str, theirs: str) -> None:
    (job,) = translated(compute_jobs())
    assert job.problem_there(Problem(where=ours, what="no")) == Problem(where=theirs, what="no")
