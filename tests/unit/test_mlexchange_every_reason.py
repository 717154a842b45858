"""Messages of MLExchange front ends with mistakes are told what else they break of the rules."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.builders import site, wide_open
from unit.house import House
from unit.mlexchange_messages import (
    Message,
    broker_task,
    compute_jobs,
    flow_steps,
    listed_job,
    step,
)
from unit.nested import paths, with_value, without

from bridge.core.mlexchange import MlexchangeRules
from bridge.core.site import (
    BindRoot,
    Choices,
    ContainerRules,
    Limits,
    Profile,
    Runtime,
    Site,
)
from bridge.ports import Settlement

HERE = site(
    containers=ContainerRules(
        runtime=Runtime.APPTAINER,
        images=("/images/*.sif",),
        bind_roots=(BindRoot(path="/data", read_only=False),),
    ),
    choices=Choices(accounts=("m1",), partitions=("cpu",)),
    limits=Limits(nodes=2, cpus_per_task=8, gpus=1),
    users=("ada",),
    reply_queues=("results",),
)
RULES = MlexchangeRules(images=(("forest", "/images/forest.sif"),), hosts=("here",))


def told(message: Mapping[str, object], at: Site = HERE, reply_to: str | None = None) -> list[str]:
    """Everything in the rejection."""
    house = House(at=at)
    delivery = replace(house.delivery(json.dumps(message).encode()), reply_to=reply_to)
    house.front_end_intake(RULES).receive([delivery])
    rejections = house.rejections()
    if not rejections:
        return []
    problems = rejections[0]["problems"]
    assert isinstance(problems, list)
    return [f"{it['where']}: {it['what']}" for it in problems]


def compute(*jobs: Message, **changes: object) -> Message:
    listed = jobs or (job(),)
    return compute_jobs(*listed, host_list=["here"], **({"user_uid": "ada"} | changes))


def job(image: object = "forest", folder: object = "/data/x") -> Message:
    found = listed_job(working_directory=folder)
    return found | {"job_kwargs": found["job_kwargs"] | {"uri": image}}


BROKEN: Mapping[str, tuple[object, str]] = {
    "user_uid": ("eve", "user_uid: 'eve' may not run jobs at testbed"),
    "num_nodes": (99, "requirements.num_nodes: 99 asked for, the site allows at most 2"),
    "num_processors": (
        99,
        "requirements.num_processors: 99 asked for, the site allows at most 8",
    ),
    "num_gpus": (99, "requirements.num_gpus: 99 asked for, the site allows at most 1"),
    "bank": ("m2", "requirements.bank: 'm2' is not offered at testbed; accepted: m1"),
    "uri": (
        "elsewhere",
        (
            "job_list.0.job_kwargs.uri: 'elsewhere' may not run at testbed; images accepted: "
            "/images/*.sif"
        ),
    ),
    "working_directory": (
        "/etc",
        (
            "job_list.0.working_directory: '/etc' may not be mounted at testbed; folders below "
            "these may: /data"
        ),
    ),
}
FAULTY = (*BROKEN, "cmd", "timeout", "constraints", "dependencies", "mlex_app")
REQUIRED = ("num_nodes", "num_processors", "num_gpus", "bank", "timeout", "constraints")


def compute_with(fields: Mapping[str, object]) -> Message:
    one = job(fields.get("uri", "forest"), fields.get("working_directory", "/data/x"))
    if "cmd" in fields:
        one = one | {"job_kwargs": one["job_kwargs"] | {"cmd": fields["cmd"]}}
    if "mlex_app" in fields:
        one = one | {"mlex_app": fields["mlex_app"]}
    top = {it: fields[it] for it in ("user_uid", "dependencies") if it in fields}
    requirements = {it: fields[it] for it in REQUIRED if it in fields}
    return compute(one, requirements=requirements, **top)


@pytest.mark.parametrize("field", list(BROKEN))
def test_each_rule_that_is_broken_alone_is_told_alone(field: str) -> None:
    value, words = BROKEN[field]
    assert told(compute_with({field: value})) == [words]


@given(
    st.sets(st.sampled_from(FAULTY), min_size=1, max_size=3),
    st.sets(st.sampled_from(list(BROKEN)), max_size=4),
    st.sampled_from([[7.5], {"?": 7.5}]),
)
def test_beside_mistakes_in_some_fields_exactly_the_rules_that_others_break_are_told(
    faulty: set[str], broken: set[str], wrong: object
) -> None:
    # With another number of nodes there are other numbers on each of them.
    spread = {"num_processors", "num_gpus"} if "num_nodes" in faulty | broken else set()
    broken = broken - faulty - spread
    wrongs = dict.fromkeys(sorted(faulty), wrong)
    mistakes = told(compute_with(wrongs))
    found = told(compute_with({**wrongs, **{it: BROKEN[it][0] for it in broken}}))
    assert mistakes
    assert sorted(found) == sorted([*mistakes, *(BROKEN[it][1] for it in broken)])


def test_what_is_spread_over_nodes_of_unknown_number_is_not_judged() -> None:
    by_profiles = replace(
        HERE,
        limits=Limits(),
        profiles=(Profile(name="small", limits=Limits(cpus_per_task=8, gpus=1)),),
    )
    message = compute_with({"num_nodes": "many", "num_processors": 64, "num_gpus": 4})
    mistake = "requirements.num_nodes: a whole number is wanted (found 'many')"
    assert told(message) == told(message, by_profiles) == [mistake]


def test_a_job_for_another_site_is_told_that_beside_its_mistakes_and_none_of_our_rules() -> None:
    message = compute_with({"bank": 7, "num_nodes": 99}) | {"host_list": ["there"]}
    assert told(message) == [
        "requirements.bank: text is wanted (found 7)",
        "host_list: the jobs are meant for 'there'; testbed answers to here",
    ]


def test_every_place_that_is_none_is_told_with_the_rules_that_the_jobs_break() -> None:
    message = compute(job(), job("elsewhere"), dependencies={"0": [5], "x": [0], "1": [0]})
    assert told(message) == [
        "dependencies.0: places in job_list are wanted, from 0 to 1",
        "dependencies.x: places in job_list are wanted, from 0 to 1",
        (
            "job_list.1.job_kwargs.uri: 'elsewhere' may not run at testbed; images accepted: "
            "/images/*.sif"
        ),
    ]


FREE = replace(HERE, users=())
MOUNT = "may not be mounted at testbed; folders below these may: /data"


def test_every_step_is_told_what_is_wrong_with_it() -> None:
    steps: tuple[Message, ...] = (
        step(image_name="forest", image_tag=None, volumes=["/data/x:/x", "none", "/etc:/y"]),
        {"model_name": "unknown", "task_name": "train"},
        step(image_name="forest", image_tag=None, volumes=[], num_nodes="99", partitions=[7]),
        {"params": {}},
    )
    assert told(flow_steps(*steps), FREE) == [
        "params_list.2.partitions.0: text is wanted (found 7)",
        (
            "params_list.0.volumes.1: an absolute path, a colon and another one are wanted (found "
            "'none')"
        ),
        (
            "params_list.1.model_name: 'unknown' has no task 'train' at testbed, whose catalogue "
            "offers: nothing"
        ),
        "params_list.3.image_name, conda_env_name or model_name: missing, and required",
        f"params_list.0.volumes.2: '/etc' {MOUNT}",
        "params_list.2.num_nodes: 99 asked for, the site allows at most 2",
    ]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        # With its tag the image might be one that may run.
        ({"image_name": "forest", "image_tag": 7}, "params_list.0.image_tag"),
        ({"image_name": 7}, "params_list.0.image_name"),
        ({"command": 7}, "params_list.0.command"),
        ({"image_name": None, "model_name": 7, "task_name": "train"}, "params_list.0.model_name"),
    ],
)
def test_nothing_is_told_that_comes_from_what_was_left_out(changes: Message, where: str) -> None:
    asked = step(**({"image_name": "forest", "image_tag": None, "volumes": []} | changes))
    (only,) = told(flow_steps(asked), FREE)
    assert only.startswith(f"{where}: ")


def test_a_task_of_2021_is_told_of_its_reply_queue_beside_its_mistakes() -> None:
    task = broker_task(docker_uri="elsewhere", gpu="yes")
    assert told(task, FREE, reply_to="other") == [
        "gpu: true or false is wanted (found 'yes')",
        "docker_uri: 'elsewhere' may not run at testbed; images accepted: /images/*.sif",
        "reply_to.queue: 'other' gets no replies from testbed; accepted: results",
    ]


def test_of_jobs_of_which_not_all_could_be_read_no_id_is_told() -> None:
    house = House(at=FREE)
    message = flow_steps(step(image_name="elsewhere", image_tag=None), {"params": {}})
    run = "0b0f3f1e-4f0e-4f0e-9f5e-0d3d8f0c9a11"
    delivery = replace(house.delivery(json.dumps(message).encode()), correlation_id=run)
    house.front_end_intake(RULES).receive([delivery])
    (rejection,) = house.rejections()
    assert rejection["job_id"] is None


WIDE_OPEN = replace(wide_open(HERE), choices=Choices())
EVERY = (compute(job(), job()), flow_steps(step(), step()), step(), broker_task())


@given(st.data())
def test_what_was_made_up_for_a_mistake_never_gets_into_a_job(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(EVERY))
    place = data.draw(st.sampled_from(paths(message)))
    wrong = data.draw(st.sampled_from([None, 7.5, "", [7.5], [], {}, {"?": [7.5]}]))
    house = House(at=WIDE_OPEN)
    changed = without(message, place) if wrong is None else with_value(message, place, wrong)
    body = json.dumps(changed).encode()
    (settled,) = house.front_end_intake(RULES).receive([house.delivery(body)])
    assert bool(house.accepted_ids()) is (settled is Settlement.ACK)
    assert bool(house.rejections()) is (settled is Settlement.DEAD_LETTER)
    for job_id in house.accepted_ids():
        request = house.journal.request(job_id).decode()
        assert "unread" not in request
        assert '"command": "true"' not in request
