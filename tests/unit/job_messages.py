"""Job messages for the tests of the wire, and what becomes of them at the site `testbed`."""

import json

import pytest
from hypothesis import strategies as st

from bridge.core.errors import InvalidRequestError
from bridge.core.job import JobSpec
from bridge.wire.request import read_job

ID = "6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b"
LEAST: dict[str, object] = {
    "version": 1,
    "job_id": ID,
    "name": "digits",
    "image": "/images/sklearn.sif",
    "command": ["python", "train.py"],
}


def message(**fields: object) -> bytes:
    return json.dumps(LEAST | fields).encode()


def accepted(**fields: object) -> JobSpec:
    return read_job(message(**fields), site="testbed")


def problems(body: bytes) -> list[str]:
    with pytest.raises(InvalidRequestError) as refusal:
        read_job(body, site="testbed")
    return [str(it) for it in refusal.value.problems]


def refusal(body: bytes) -> list[str]:
    """As `problems`, empty when the message is a job; any other error is a failure."""
    try:
        read_job(body, site="testbed")
    except InvalidRequestError as error:
        return [str(it) for it in error.problems]
    return []


def problem(**fields: object) -> str:
    (only,) = problems(message(**fields))
    return only


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
