"""Arbitrary data in messages of MLExchange front ends: a job as it was meant, or words."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.builders import site
from unit.house import House
from unit.mlexchange_messages import RULES, broker_task, compute_jobs, flow_steps, step
from unit.nested import paths, with_value

from bridge.core.errors import InvalidRequestError
from bridge.core.job import ShellLine
from bridge.flows.messages import MlexchangeMessages
from bridge.wire.mlexchange import Setting
from bridge.wire.understood import Understood

SITE = site(reply_queues=("results",))
SETTING = Setting(
    site="testbed",
    runtime=SITE.containers.runtime,
    mounts_files=True,
    partitions=("gpu",),
    rules=RULES,
)
MODEL = {"model_name": "dlsia", "task_name": "train", "params": {"epochs": 3}}
SHAPES: list[dict[str, Any]] = [broker_task(), compute_jobs(), flow_steps(step(), step()), MODEL]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip

NORMAL = settings(max_examples=100, deadline=None)


def read(message: object, **properties: str) -> tuple[Understood, ...] | None:
    """The jobs in it; None where it is refused in words."""
    delivery = replace(House().delivery(json.dumps(message).encode()), **properties)  # type: ignore[arg-type]
    try:
        return MlexchangeMessages(SITE, SETTING).read(delivery)
    except InvalidRequestError as error:
        words = [it.what for it in error.problems]
    assert words
    assert all(words)
    return None


def line_of(job: Understood) -> str:
    assert isinstance(job.spec.command, ShellLine)
    start, _, line = job.spec.command.text.partition("\n")
    assert start == "cd /app/work || exit"
    return line


@pytest.mark.parametrize("shape", SHAPES, ids=lambda it: next(iter(it)))
@NORMAL
@given(data=st.data())
def test_whatever_stands_in_a_field_the_message_is_understood_or_refused(
    shape: dict[str, Any], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(paths(shape)))
    jobs = read(with_value(shape, path, data.draw(DATA)))
    assert jobs is None or jobs


@NORMAL
@given(line=TEXT)
def test_a_command_of_the_compute_api_is_the_same_to_the_last_byte(line: str) -> None:
    path = ("job_list", 0, "job_kwargs", "cmd")
    jobs = read(with_value(compute_jobs(), path, line))
    assert (jobs is None) == (line == "" or "\0" in line)
    if jobs is not None:
        assert line_of(jobs[0]) == line


@NORMAL
@given(command=TEXT, arguments=TEXT)
def test_a_command_of_2021_has_its_arguments_behind_it(command: str, arguments: str) -> None:
    jobs = read(broker_task(docker_cmd=command, kw_args=arguments))
    assert (jobs is None) == (command == "" or "\0" in command + arguments)
    if jobs is not None:
        assert line_of(jobs[0]) == f"{command} {arguments}".rstrip(" ")


@NORMAL
@given(command=TEXT, params=st.dictionaries(TEXT, DATA, max_size=3))
def test_a_command_of_a_workflow_and_its_parameters_arrive(
    command: str, params: dict[str, object]
) -> None:
    jobs = read(flow_steps(step(command=command, params=params)))
    assert (jobs is None) == (command == "" or "\0" in command)
    if jobs is not None:
        assert line_of(jobs[0]) == command
        assert json.loads(jobs[0].request)["params"] == params


@NORMAL
@given(run=TEXT, asker=TEXT)
def test_whoever_asks_the_jobs_are_the_same_for_the_same_message(run: str, asker: str) -> None:
    message = flow_steps(step(), step())
    properties = {"correlation_id": run[:50], "reply_to": asker[:50]}
    first, again = read(message, **properties), read(message, **properties)
    assert (first is None) == (again is None)
    if first is not None and again is not None:
        assert [it.spec.job_id for it in first] == [it.spec.job_id for it in again]
        assert [it.request for it in first] == [it.request for it in again]
