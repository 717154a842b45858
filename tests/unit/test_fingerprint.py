"""Which messages say the same: a duplicate is acked, another content under one id is rejected."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.job_messages import LEAST, json_values, message

from bridge.core.errors import InvalidRequestError
from bridge.wire.request import fingerprint

MANY = settings(max_examples=200, deadline=None)


def shuffled(value: object, chance: random.Random) -> object:
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(it, chance) for it in value] if isinstance(value, list) else value


@given(json_values, st.randoms(use_true_random=False), st.sampled_from([None, 1, 4]))
@MANY
def test_key_order_spacing_and_escapes_do_not_matter(
    value: object, chance: random.Random, indent: int | None
) -> None:
    body = json.dumps({"a": value, "b": 1}).encode()
    other = json.dumps(
        shuffled({"b": 1, "a": value}, chance), indent=indent, ensure_ascii=False
    ).encode()
    assert fingerprint(other) == fingerprint(body)


@given(json_values, json_values)
@MANY
def test_what_json_tells_apart_is_not_the_same(one: object, other: object) -> None:
    # Compared as canonical text, since Python takes 1, 1.0 and True for equal.
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    bodies = json.dumps({"a": one}).encode(), json.dumps({"a": other}).encode()
    assert (fingerprint(bodies[0]) == fingerprint(bodies[1])) is same


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "digit"},
        {"command": ["python", "train.py", ""]},
        {"command": "python train.py"},
        {"command": ["train.py", "python"]},
        {"env": {"A": "1"}},
        {"params": {}},
    ],
)
def test_a_change_in_any_field_is_another_content(fields: dict[str, object]) -> None:
    assert fingerprint(message(**fields)) != fingerprint(message())


def test_a_fingerprint_does_not_change_between_releases() -> None:
    # It lies in journals: a new way to compute it would make every redelivery a conflict.
    assert fingerprint(b'{"b": [1, "\xc3\xa9"], "a": null}') == (
        "a44633ba036df25280e4fd9ef09da6f54dfe6d3611c755e31f993ab16f108f34"
    )
    assert fingerprint(json.dumps(LEAST).encode()) == fingerprint(message())


def test_what_is_no_json_has_no_fingerprint() -> None:
    with pytest.raises(InvalidRequestError, match="not JSON"):
        fingerprint(b"{")
