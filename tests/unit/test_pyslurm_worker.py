"""What a worker says of the pyslurm that it finds, and what it makes of a request."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from unit.pyslurm_stand_in import JobSubmitDescription, module

from bridge.adapters.pyslurm.framing import Frames, FramingError, Message, frame
from bridge.adapters.pyslurm.worker import hello, serve, submit

REQUEST: Message = {
    "script": "#!/bin/sh\n# ümläut\r\ntrue\n",
    "attributes": {"name": "bridge-1", "nodes": 2},
    "environment": {"SLURM_EXPORT_ENV": "NIL"},
    "login_environment": True,
}


def meeting(comment: str) -> Message:
    return {**REQUEST, "attributes": {"comment": comment}}


def absent() -> Any:
    raise ImportError("libslurm.so.38: cannot open shared object file")


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("22.5.3", [22, 5, 3]),
        ("23.11.0", [23, 11, 0]),
        ("25.11.2rc1", [25, 11, 2]),
        ("24.5", [24, 5]),
    ],
)
def test_pyslurm_is_known_by_its_version_and_by_what_a_job_can_be_told(
    version: str, numbers: list[int]
) -> None:
    said = hello(lambda: module(version))
    assert said["version"] == numbers
    assert {"name", "nodes", "time_limit"} <= set(said["attributes"])


def test_a_pyslurm_that_cannot_be_imported_is_unfit_and_says_why() -> None:
    assert "libslurm.so.38: cannot open" in hello(absent)["unfit"]


def test_a_pyslurm_from_before_job_descriptions_is_unfit() -> None:
    said = hello(lambda: SimpleNamespace(__version__="22.5.1"))
    assert said["unfit"].startswith("pyslurm 22.5.1 has no JobSubmitDescription")


def test_a_pyslurm_without_a_version_is_unfit() -> None:
    assert "does not say which version" in hello(lambda: module(""))["unfit"]


def test_a_job_is_told_its_attributes_its_script_and_where_it_was_submitted() -> None:
    assert submit(module(), REQUEST) == {"submitted": os.getpid()}
    told = JobSubmitDescription.submitted[-1]
    assert (told["name"], told["nodes"], told["get_user_environment"]) == ("bridge-1", 2, True)
    assert told["profile_types"]
    assert list(told["profile_types"]) == []
    assert told["script"] == "#!/bin/sh\n# ümläut\r\ntrue\n"
    assert told["environment"]["SLURM_EXPORT_ENV"] == "NIL"
    assert told["environment"]["SLURM_SUBMIT_DIR"] == str(Path.cwd())
    assert told["environment"]["SLURM_RLIMIT_NOFILE"].isdecimal()


def test_the_workers_own_environment_is_never_handed_on() -> None:
    submit(module(), {**REQUEST, "environment": {}})
    told = JobSubmitDescription.submitted[-1]["environment"]
    assert told
    assert all(name.startswith("SLURM_") for name in told)


def test_what_slurm_says_no_with_is_told_in_its_words() -> None:
    words = "Invalid partition name specified"
    assert submit(module(), meeting(f"fail:{words}")) == {"failed": words}


def test_what_pyslurm_itself_does_not_take_is_refused() -> None:
    assert submit(module(), meeting("wrong:no such time")) == {
        "refused": "pyslurm does not take the job: no such time"
    }


def test_an_attribute_that_pyslurm_does_not_have_is_refused() -> None:
    said = submit(module(), {**REQUEST, "attributes": {"colour": "red"}})
    assert "colour" in said["refused"]


def test_whatever_else_goes_wrong_leaves_doubt() -> None:
    assert submit(module(), meeting("bug")) == {"doubtful": "KeyError: 'bug'"}


def test_requests_are_answered_in_order_however_they_arrive() -> None:
    sent = frame(REQUEST) + frame(meeting("fail:no"))
    pieces = [sent[at : at + 7] for at in range(0, len(sent), 7)]
    heard = Frames()
    serve(module, iter([*pieces, b""]).__next__, heard.hear)
    answers = [heard.take() for _ in range(4)]
    assert answers[0] == hello(module)
    assert answers[1:] == [{"submitted": os.getpid()}, {"failed": "no"}, None]


def test_without_pyslurm_nothing_is_read() -> None:
    heard = Frames()
    serve(absent, iter(()).__next__, heard.hear)
    assert "unfit" in (heard.take() or {})


def test_a_frame_comes_out_as_it_went_in() -> None:
    frames = Frames()
    frames.hear(frame({"text": "ä\n\0", "number": 3}))
    assert frames.take() == {"text": "ä\n\0", "number": 3}
    assert frames.take() is None


@pytest.mark.parametrize(
    "piece",
    [b"Traceback (most recent call last)", b"\0\0\0\2{]", b"\0\0\0\2[]", b"\0\0\0\1\xff"],
)
def test_what_is_no_frame_is_not_taken_for_an_answer(piece: bytes) -> None:
    frames = Frames()
    frames.hear(piece)
    with pytest.raises(FramingError):
        frames.take()
