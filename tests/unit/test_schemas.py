"""The JSON schemas take what the bridge takes and sends, and refuse what it refuses."""

import json
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from unit.builders import at, queued, site
from unit.job_messages import ID, message, refusal
from unit.script_jobs import PASSWORD_FILES, VARIABLES

from bridge.core.errors import Problem
from bridge.core.lifecycle import EventKind
from bridge.shipped import shipped
from bridge.sites import site_schema
from bridge.sites.inheritance import read_with_bases
from bridge.wire.control import cancel_message
from bridge.wire.event import encode, encode_rejection, encode_site_event
from bridge.wire.schemas import message_schema


def errors(schema: dict[str, Any], data: object) -> list[str]:
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    return [f"{it.json_path}: {it.message}" for it in validator.iter_errors(data)]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {
            "site": "testbed",
            "kind": "training",
            "command": "python train.py | tee log",
            "params": {"a": [1, None, {"b": "c"}]},
            "params_format": "json",
            "params_path": "/app/params.json",
            "params_as_argument": True,
            "env": {"A": ""},
            "secrets": {"TOKEN": "tiled"},
            "mounts": [{"source": "/a", "target": "/b", "read_only": True}],
            "resources": {"gpus": 1, "gpu_type": "a100", "memory": "1G", "walltime": "01:00:00"},
            "depends_on": [str(UUID(int=1)), {"job_id": str(UUID(int=2)), "condition": "afterany"}],
            "priority": -1,
            "labels": {"a": "b"},
            "retry": {"attempts": 2, "reasons": ["timeout"], "walltime_factor": 1.5},
            "checkpoint": {"signal": "USR2", "seconds_before": 60},
        },
    ],
)
def test_a_job_fits_its_schema(fields: dict[str, object]) -> None:
    body = message(**fields)
    assert refusal(body) == []
    assert errors(message_schema("job"), json.loads(body)) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2},
        {"command": []},
        {"command": 7},
        {"name": "\n"},
        {"surprise": 1},
        {"resources": {"gpus": -1}},
        {"env": {"A-B": "x"}},
        {"secrets": {"A": "../x"}},
        {"priority": "high"},
        {"params_format": "toml"},
        {"mounts": [{"source": "/a"}]},
    ],
)
def test_what_is_no_job_does_not_fit(fields: dict[str, object]) -> None:
    body = message(**fields)
    assert refusal(body)
    assert errors(message_schema("job"), json.loads(body))


def test_events_of_jobs_of_messages_and_of_sites_fit_their_schema() -> None:
    schema = message_schema("event")
    rejection = encode_rejection(
        site="here", at=at(0), body=b"{", job_id=None, problems=(Problem(where="", what="x"),)
    )
    silence = encode_site_event(site="here", kind=EventKind.UNREACHABLE, at=at(1), detail=None)
    told = [encode(it, site()) for it in queued().events]
    for one in (rejection, silence, *told):
        assert errors(schema, json.loads(one.body)) == []
    assert errors(schema, {"specversion": "1.0"})


def test_a_control_message_fits_its_schema() -> None:
    assert errors(message_schema("control"), json.loads(cancel_message(ID))) == []
    assert errors(message_schema("control"), {"verb": "cancel"})


@pytest.mark.parametrize("name", ["template", "laptop", "nersc-perlmutter", "vaughan-calcua"])
def test_site_files_fit_their_schema(name: str) -> None:
    variables = VARIABLES | dict.fromkeys(PASSWORD_FILES, "/password")
    document = read_with_bases(shipped("site_configs") / f"{name}.yaml", variables)
    assert errors(site_schema(), document.data) == []
    assert errors(site_schema(), {"version": 1})
