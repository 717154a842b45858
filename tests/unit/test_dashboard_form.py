"""The form of a job: what stands in it becomes a job message, and back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.builders import site as a_site

from bridge.core.errors import Problem
from bridge.core.site import Choices, Limits, Profile, SlurmDefaults
from bridge.dashboard.bounds import Bounds, limit_facts, memory_text
from bridge.dashboard.form import FIELDS, by_field, read_form, write_form
from bridge.wire.limits import SiteLimits, limits_of

TRAINING: dict[str, Any] = {
    "name": "digits training",
    "kind": "training",
    "image": "/images/sklearn.sif",
    "command": ["python3", "/mnt/train.py"],
    "params": {"epochs": 25, "hidden_layers": [64], "learning_rate": 0.005, "on": "2026-03-01"},
    "mounts": [
        {"source": "/data/code", "target": "/mnt", "read_only": True},
        {"source": "/data/out", "target": "/out", "read_only": False},
    ],
    "env": {"OMP_NUM_THREADS": "2", "EMPTY": ""},
    "labels": {"experiment": "a=b"},
    "user": "ada",
    "resources": {"nodes": 1, "gpus": 2, "memory": "2G", "walltime": "00:10:00", "qos": "debug"},
    "retry": {"attempts": 2},
}
LIMITS = Limits(nodes=2, gpus=2, memory_mib=65_536, walltime=timedelta(days=1))


def site(*profiles: Profile, limits: Limits = LIMITS) -> SiteLimits:
    return limits_of(
        replace(
            a_site(),
            limits=limits,
            defaults=SlurmDefaults(walltime=timedelta(minutes=10)),
            choices=Choices(gpu_types=("a100", "h100")),
            profiles=profiles,
        )
    )


def values(**filled: str) -> dict[str, str]:
    return dict.fromkeys(FIELDS, "") | filled


def wrong(**filled: str) -> list[tuple[str, str]]:
    return [(it.where, it.what) for it in read_form(values(**filled)).problems]


def test_a_job_goes_into_the_form_and_comes_out_as_it_was() -> None:
    filled = read_form(write_form(TRAINING))
    assert filled.problems == ()
    assert filled.job == TRAINING


def test_what_stands_in_no_field_is_kept_beside_them() -> None:
    assert "retry" in write_form(TRAINING)["more"]
    assert "qos" in write_form(TRAINING)["more"]


def test_an_empty_form_is_an_empty_job() -> None:
    assert read_form(values()).job == {}
    assert write_form({}) == values()


@given(
    st.dictionaries(
        st.text(min_size=1),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_all_parameters_that_json_can_say_come_out_as_they_were(params: dict[str, Any]) -> None:
    filled = read_form(write_form({"params": params}))
    assert filled.problems == ()
    assert filled.job == {"params": params}


def test_a_command_is_a_line_or_a_list() -> None:
    assert read_form(values(command="python3 train.py --fast")).job == {
        "command": "python3 train.py --fast"
    }
    assert read_form(values(command='["a", "b c"]')).job == {"command": ["a", "b c"]}


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("command", "[python3]", "it begins as a list, but is no JSON"),
        ("command", "[1]", "a list of texts is wanted"),
        ("params", "- 1\n- 2", "names and their values are wanted"),
        ("params", "1: 2", "names and their values are wanted"),
        ("params", "a: [1", "line 1: "),
        ("params", "a: .nan", "it cannot be read as JSON could be"),
        ("params", "a: &x [1]\nb: *x", "aliases are not taken here"),
        ("params", "a: !!python/name:os.system", "could not determine a constructor"),
        ("params", "a: !!binary aGk=", "it cannot be read as JSON could be"),
        ("params", "x" * 600_000, "at most 524288 characters"),
        ("params", "a: " + "[" * 5_000, "it cannot be read as JSON could be"),
        ("nodes", "two", "a whole number is wanted (found two)"),
        ("gpus", "-1", "a whole number is wanted"),
        ("gpus", "9" * 30, "a whole number is wanted"),
        ("mounts", "/data", "a line is `folder on the site:folder in the container:ro`"),
        ("env", "HOME", "a line is `NAME=value`"),
        ("labels", "a=1\na=2", "a stands there twice"),
        ("more", "{", "it is no JSON"),
        ("more", "[]", "an object with fields of the job message is wanted"),
        ("more", '{"name": "x"}', "name: there is a field of its own for that above"),
    ],
)
def test_what_cannot_be_read_is_told_at_its_field(field: str, text: str, said: str) -> None:
    ((where, what),) = wrong(**{field: text})
    assert where == field
    assert said in what


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert [where for where, _ in wrong(nodes="x", params="[", env="=")] == [
        "params",
        "env",
        "nodes",
    ]


def test_problems_of_a_message_stand_at_the_fields_of_the_form() -> None:
    problems = [
        Problem(where="resources.walltime", what="too long"),
        Problem(where="mounts.0.source", what="not allowed"),
        Problem(where="name", what="missing"),
        Problem(where="depends_on", what="odd"),
        Problem(where="", what="whole"),
    ]
    assert by_field(problems) == {
        "walltime": ["too long"],
        "mounts": ["mounts.0.source: not allowed"],
        "name": ["missing"],
        "": ["depends_on: odd", "whole"],
    }


def test_what_is_beyond_a_site_s_limits_is_named_with_the_limit() -> None:
    asked = {"gpus": 8, "nodes": 2, "memory": "1T", "walltime": "2-00:00:00"}
    asked |= {"profile": "fast", "gpu_type": "v100"}
    job = {"image": "/home/x.sif", "resources": asked}
    assert [(it.where, it.what) for it in Bounds.of(site()).problems(job)] == [
        ("resources.gpus", "the site gives at most 2 GPUs per node (found 8)"),
        ("resources.memory", "the site gives at most 64G per node (found 1T)"),
        ("resources.walltime", "the site gives at most 1-00:00:00 (found 2-00:00:00)"),
        ("resources.gpu_type", "the site has a100, h100 (found v100)"),
        ("image", "the site accepts /images/*.sif"),
        ("resources.profile", "the site has none (found fast)"),
    ]


def test_what_is_within_the_limits_or_cannot_be_read_is_left_to_the_message_s_own_rules() -> None:
    job = {"image": "/images/a.sif", "resources": {"gpus": 2, "memory": "64G", "walltime": "soon"}}
    assert Bounds.of(site()).problems(job) == []
    assert Bounds.of(site()).problems({}) == []


def test_a_profile_s_limits_count_besides_the_site_s() -> None:
    narrow = Limits(gpus=1, min_walltime=timedelta(hours=2))
    profile = Profile(name="preempt", gpu_types=("h100",), limits=narrow)
    bounds = Bounds.of(site(profile), "preempt")
    job = {"resources": {"profile": "preempt", "gpus": 2, "nodes": 3, "walltime": "01:00:00"}}
    assert bounds.hints()["gpu_type"] == "h100"
    assert [it.what for it in bounds.problems(job)] == [
        "the profile preempt gives at most 2 nodes (found 3)",
        "the profile preempt gives at most 1 GPUs per node (found 2)",
        "the profile preempt wants at least 02:00:00 (found 01:00:00)",
    ]


def test_limits_are_said_below_their_fields() -> None:
    hints = Bounds.of(site(limits=Limits(gpus=0, nodes=4))).hints()
    assert hints["gpus"] == "none here"
    assert hints["nodes"] == "at most 4"
    assert hints["walltime"] == "as HH:MM:SS; 00:10:00 when left out"
    assert hints["image"] == "accepted here: /images/*.sif"
    assert hints["gpu_type"] == "a100, h100"
    assert "memory" not in hints


def test_a_site_s_limits_are_facts_on_its_page() -> None:
    facts = dict(limit_facts(site()))
    assert facts["GPUs per node"] == "2"
    assert facts["Memory per node"] == "64G"
    assert facts["Longest time"] == "1-00:00:00"


@pytest.mark.parametrize(
    ("mib", "text"), [(512, "512M"), (65_536, "64G"), (2**20, "1T"), (1500, "1500M")]
)
def test_memory_is_written_as_a_job_asks_for_it(mib: int, text: str) -> None:
    assert memory_text(mib) == text
