"""A job with mistakes in its form is told, beside these, what else it breaks of a site's rules."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from unit.builders import site, wide_open
from unit.house import House
from unit.job_messages import LEAST, json_values, message

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.job import JobSpec
from bridge.core.partly_read import every_problem
from bridge.core.policy import admission_problems
from bridge.core.site import (
    BindRoot,
    Choices,
    ContainerRules,
    Limits,
    Profile,
    Runtime,
    Secret,
    Site,
    SlurmDefaults,
)
from bridge.flows.intake import Intake
from bridge.ports import Settlement
from bridge.script import refusals
from bridge.wire.job_message import JobMessage
from bridge.wire.request import read_job

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
HERE = site(
    containers=ContainerRules(
        runtime=Runtime.APPTAINER,
        images=("/images/*.sif",),
        bind_roots=(BindRoot(path="/data", read_only=True),),
    ),
    defaults=SlurmDefaults(walltime=HOUR),
    choices=Choices(qos=("normal",)),
    limits=Limits(nodes=2, gpus=1, memory_mib=1024, walltime=DAY),
    users=("ada",),
    secrets=(Secret(reference="token", file="/secrets/token", users=("ada",)),),
    reply_queues=("results",),
    most_tasks=3,
    most_attempts=2,
)
GOOD = LEAST | {"user": "ada"}
BROKEN: Mapping[str, tuple[object, str]] = {
    "user": ("eve", "user: 'eve' may not run jobs at testbed"),
    "image": (
        "/elsewhere/x.sif",
        "image: '/elsewhere/x.sif' may not run at testbed; images accepted: /images/*.sif",
    ),
    "mounts": (
        [{"source": "/etc", "target": "/x"}],
        "mounts.0.source: '/etc' may not be mounted at testbed; folders below these may: /data",
    ),
    "env": ({"BRIDGE_X": ""}, "env.BRIDGE_X: names that begin with BRIDGE_ are the bridge's own"),
    "resources.nodes": (99, "resources.nodes: 99 asked for, the site allows at most 2"),
    "resources.gpus": (7, "resources.gpus: 7 asked for, the site allows at most 1"),
    "resources.memory": (
        "8G",
        "resources.memory: 8192 MiB asked for, the site allows at most 1024 MiB",
    ),
    "resources.walltime": (
        "90-00:00:00",
        "resources.walltime: 90-00:00:00 asked for, the site allows at most 1-00:00:00",
    ),
    "resources.qos": (
        "premium",
        "resources.qos: 'premium' is not offered at testbed; accepted: normal",
    ),
    "priority": (5, "priority: 5 asked for, at testbed is accepted only 0: leave it out"),
    "retry": ({"attempts": 9}, "retry.attempts: 9 asked for, the site allows at most 2"),
    "reply_to": (
        {"queue": "other"},
        "reply_to.queue: 'other' gets no replies from testbed; accepted: results",
    ),
    "sweep": (
        {"list": [{}] * 4},
        "sweep: 4 tasks asked for, testbed allows at most 3 in one sweep",
    ),
}
"""Values that are right in form and against the rules of `HERE`, and the words for that."""
FAULTY = (
    *BROKEN,
    *("version", "job_id", "name", "kind", "command", "params", "params_format", "secrets"),
    *("labels", "checkpoint", "depends_on", "resources.tasks", "resources.profile", "site"),
    *("unknown", "resources.unknown", "resources"),
)
WRONG: tuple[object, ...] = (7.5, [7.5])


def with_fields(fields: Mapping[str, object]) -> dict[str, object]:
    """A good job with these in it."""
    job: dict[str, object] = dict(GOOD)
    for field, value in fields.items():
        section, _, name = field.rpartition(".")
        if section and not isinstance(job.get(section, {}), dict):
            continue
        job |= {section: {**job.get(section, {}), name: value}} if section else {field: value}  # type: ignore[dict-item]
    return job


def told(job: Mapping[str, object], at: Site = HERE) -> list[str]:
    """All that the bridge says against it."""

    def objections(spec: JobSpec) -> tuple[Problem, ...]:
        return (*admission_problems(spec, at), *refusals(spec, at))

    try:
        spec = read_job(json.dumps(job).encode(), site=at.name)
    except InvalidRequestError as error:
        return [str(it) for it in every_problem(error, objections)]
    return [str(it) for it in objections(spec)]


def of_the_form(job: Mapping[str, object]) -> list[str]:
    """What is told of it wherever it is sent."""
    try:
        read_job(json.dumps(job).encode(), site=HERE.name)
    except InvalidRequestError as error:
        return [str(it) for it in error.problems]
    return []


@pytest.mark.parametrize("field", list(BROKEN))
def test_each_rule_that_is_broken_alone_is_told_alone(field: str) -> None:
    value, words = BROKEN[field]
    assert told(with_fields({field: value})) == [words]


@st.composite
def mistakes_and_breaches(draw: st.DrawFn) -> tuple[Mapping[str, object], set[str]]:
    """Fields that are at fault, each with a value of a wrong type, and others that break rules."""
    names = draw(st.sets(st.sampled_from(FAULTY), min_size=1, max_size=4))
    if "resources" in names:
        names -= {it for it in names if it.startswith("resources.")}
    faulty = {it: draw(st.sampled_from(WRONG)) for it in sorted(names)}
    free = [it for it in BROKEN if it not in names and it.partition(".")[0] not in names]
    return faulty, draw(st.sets(st.sampled_from(free), max_size=5))


@given(mistakes_and_breaches())
def test_beside_mistakes_in_some_fields_exactly_the_rules_that_others_break_are_told(
    drawn: tuple[Mapping[str, object], set[str]],
) -> None:
    faulty, broken = drawn
    mistakes = of_the_form(with_fields(faulty))
    found = told(with_fields({**faulty, **{it: BROKEN[it][0] for it in broken}}))
    assert mistakes
    assert sorted(found) == sorted([*mistakes, *(BROKEN[it][1] for it in broken)])


@given(st.dictionaries(st.sampled_from(FAULTY), json_values, max_size=4))
def test_whatever_stands_in_a_job_nothing_is_told_twice(fields: Mapping[str, object]) -> None:
    found = told(with_fields(fields))
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        # Whose secrets they may be is not known.
        ({"user": 7, "secrets": {"TOKEN": "token"}}, ["user: text is wanted (found 7)"]),
        # Whether the time is long enough is not known, nor which profile would have given it.
        (
            {"checkpoint": {"seconds_before": 7200}, "resources.walltime": "long"},
            ["resources.walltime: "],
        ),
        (
            {"checkpoint": {"seconds_before": 7200}, "resources.nodes": "2"},
            ["resources.nodes: "],
        ),
        (
            {"checkpoint": {"seconds_before": 7200}, "resources.wall_time": "10:00:00"},
            ["resources.wall_time: unknown field; did you mean resources.walltime?"],
        ),
        # What it says for itself is judged.
        (
            {
                "checkpoint": {"seconds_before": 7200},
                "resources.nodes": "2",
                "resources.walltime": "01:00:00",
            },
            ["resources.nodes: ", "checkpoint.seconds_before: 7200 s before the end may be"],
        ),
        # Read-only it might be, and then would be right.
        (
            {"mounts": [{"source": "/data/x", "target": "/x", "read_only": "yes"}]},
            ["mounts.0.read_only: true or false is wanted"],
        ),
        (
            {"mounts": [7, {"source": "/etc", "target": "/x"}]},
            ["mounts.0: ", "mounts.1.source: '/etc' may not be mounted"],
        ),
        ({"resources.gpu_type": "a100", "resources.gpus": "1"}, ["resources.gpus: "]),
        ({"parms": {}, "params_path": "/x.yaml"}, ["parms: unknown field; did you mean params?"]),
        ({"user": None, "usr": "eve"}, ["usr: unknown field; did you mean user?"]),
        ({"site": "elsewhere", "name": 7, "priority": 9}, ["name: ", "site: the job is meant for"]),
        (
            {"params_path": "/x.yaml", "priority": 9},
            ["params_path: has no effect without params", "priority: 9 asked for"],
        ),
    ],
)
def test_nothing_is_told_that_a_correction_of_the_mistake_could_take_away(
    fields: Mapping[str, object], words: list[str]
) -> None:
    at = replace(HERE, choices=Choices(qos=("normal",), gpu_types=("a100",)))
    job = {it: value for it, value in with_fields(fields).items() if value is not None}
    found = told(job, at)
    assert len(found) == len(words)
    assert all(it.startswith(word) for it, word in zip(found, words, strict=True))


BY_PROFILES = replace(
    HERE,
    limits=Limits(),
    profiles=(
        Profile(name="small", limits=Limits(nodes=2)),
        Profile(name="large", limits=Limits(nodes=8), only_by_name=True),
    ),
)


def test_a_limit_of_every_profile_is_told_though_the_name_of_the_profile_cannot_be_read() -> None:
    job = with_fields({"resources.profile": 7, "resources.nodes": 9})
    assert told(job, BY_PROFILES)[1:] == [
        (
            "resources: no profile of testbed takes this job by itself; the nearest is 'small': "
            "nodes: 9 asked for, profile 'small' allows at most 2"
        ),
        (
            "resources: not in profile 'large' either: nodes: 9 asked for, profile 'large' allows "
            "at most 8"
        ),
    ]


def test_a_limit_of_some_profiles_is_not_told_where_the_name_of_the_profile_cannot_be_read() -> (
    None
):
    job = with_fields({"resources.profile": 7, "resources.nodes": 5})
    assert told(job, BY_PROFILES) == ["resources.profile: text is wanted (found 7)"]
    named = with_fields({"resources.gpus": "x", "resources.nodes": 5})
    assert told(named, BY_PROFILES)[1:] == [
        (
            "resources.profile: no profile of testbed takes this job by itself; 'large' does, for "
            "jobs that name it"
        ),
        (
            "resources.profile: not in profile 'small' either: nodes: 5 asked for, profile 'small' "
            "allows at most 2"
        ),
    ]


def test_many_and_long_reasons_are_told_as_far_as_an_event_can_bear_them() -> None:
    mounts = [
        {"source": f"/etc/{number}/{'x' * 4_000}", "target": f"/x/{number}"} for number in range(99)
    ]
    house = House(at=HERE)
    house.receive(message(user="ada", mounts=mounts, **{"y" * 300: 1}))
    (rejection,) = house.rejections()
    problems = rejection["problems"]
    assert isinstance(problems, list)
    assert len(problems) == 51
    assert problems[-1] == {"where": "", "what": "and 50 more problems"}
    assert len(json.dumps(rejection)) < 150_000


def test_a_job_with_a_thousand_mistakes_is_told_of_these_alone() -> None:
    found = told(with_fields({"labels": {f"a{it}": 7 for it in range(2_000)}, "priority": 5}))
    assert len(found) == 21
    assert found[-1] == "and 1980 more problems"


def test_a_bug_of_ours_in_judging_the_rest_of_a_job_does_not_bring_its_message_back() -> None:
    def trips(_: JobSpec) -> Iterator[Problem]:
        raise ValueError("a bug")

    house = House(at=HERE)
    intake = Intake(site=HERE, journal=house.journal, clock=house.clock, examine=trips)
    (settled,) = intake.receive([house.delivery(message(user="ada", gpu=1))])
    assert settled is Settlement.DEAD_LETTER
    (rejection,) = house.rejections()
    problems = rejection["problems"]
    assert isinstance(problems, list)
    assert [it["where"] for it in problems] == ["gpu"]


WIDE_OPEN = wide_open(HERE)
MAYBE_WRONG = json_values | st.sampled_from(WRONG)


@given(
    st.dictionaries(st.sampled_from(FAULTY), MAYBE_WRONG, max_size=4),
    st.sets(st.sampled_from(sorted(LEAST)), max_size=2),
)
def test_a_job_is_accepted_as_it_stands_or_not_at_all(
    fields: Mapping[str, object], missing: set[str]
) -> None:
    """What was made up for a field that could not be read never gets into a job."""
    job = {it: value for it, value in with_fields(fields).items() if it not in missing}
    house = House(at=WIDE_OPEN)
    (settled,) = house.receive(json.dumps(job).encode())
    try:
        asked = JobMessage.model_validate(job)
    except ValidationError:
        asked = None
    if asked is None:
        assert settled is Settlement.DEAD_LETTER
        assert house.rejections()
        assert not house.accepted_ids()
    elif settled is Settlement.ACK:
        assert house.accepted_ids() == [str(asked.job_id)]


@pytest.mark.parametrize("body", [b"[]", b"7", b"{", b'"job"'])
def test_of_what_is_no_job_at_all_only_that_is_told(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_job(body, site="testbed")
    (only,) = every_problem(caught.value, lambda spec: [Problem(where="name", what=str(spec))])
    assert only.where == ""


def test_the_rejection_has_every_reason() -> None:
    house = House(at=HERE)
    house.receive(message(user="ada", gpu=1, kind="train", priority=5, image="/elsewhere/x.sif"))
    (rejection,) = house.rejections()
    problems = rejection["problems"]
    assert isinstance(problems, list)
    assert [it["where"] for it in problems] == ["kind", "gpu", "image", "priority"]
