"""Status events: CloudEvents 1.0 as the specification has them, and public words that stay."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.builders import (
    JOB_ID,
    NOON,
    Story,
    at,
    cancel,
    end_mark,
    job_spec,
    pull_mark,
    queued,
    refused,
    running,
    seen,
    site,
)

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.failure import FailureReason
from bridge.core.lifecycle import Event, EventKind
from bridge.core.retry import RetryPolicy
from bridge.wire.event import (
    CONTENT_TYPE,
    CloudEvent,
    EventData,
    decode,
    encode,
    encode_rejection,
    encode_site_event,
)

SITE = site()
RETRIES = RetryPolicy(
    attempts=3, reasons=frozenset({FailureReason.TIMEOUT}), wait=timedelta(minutes=1)
)
RFC_3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
EVERY_EVENT = [
    *queued(
        seen("PENDING", 3, reason="Priority"),
        seen("PENDING", 4, reason="JobHeldUser"),
        seen("RUNNING", 5, start=5, nodes="n1"),
        seen("PENDING", 6),
        seen("RUNNING", 7, start=7, nodes="n1"),
        pull_mark(7, restart=1),
        end_mark(8, 0, restart=1),
        seen("COMPLETED", 9, code=0, start=7, end=8, nodes="n1"),
    ).events,
    *Story(refused()).events,
    *queued(seen("CANCELLED", 3)).events,
    *running(policy=RETRIES).hears(seen("TIMEOUT", 9)).events[-1:],
]
OF_SITES = {EventKind.UNREACHABLE, EventKind.RECOVERED}


def told(event: Event) -> dict[str, object]:
    found = json.loads(encode(event, SITE).body)
    assert isinstance(found, dict)
    return found


def check_cloudevents(envelope: dict[str, object]) -> None:
    """CloudEvents 1.0.2: "Required Attributes", and the rules for optional ones and names."""
    assert envelope["specversion"] == "1.0"
    for required in ("id", "source", "type"):
        assert isinstance(envelope[required], str)
        assert envelope[required]
    assert isinstance(envelope["time"], str)
    assert RFC_3339_UTC.fullmatch(envelope["time"])
    assert envelope["datacontenttype"] == "application/json"
    assert envelope["subject"] is None or (
        isinstance(envelope["subject"], str) and envelope["subject"]
    )
    assert isinstance(envelope["data"], dict)
    for name in envelope:
        assert re.fullmatch("[a-z0-9]{1,20}", name)


def test_every_kind_of_event_of_a_job_is_among_those_tried_here() -> None:
    assert {it.kind for it in EVERY_EVENT} == (
        set(EventKind) - {EventKind.REJECTED, EventKind.PROGRESS} - OF_SITES
    )


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda it: f"{it.kind}-{it.job.sequence}")
def test_every_event_is_a_cloudevent(event: Event) -> None:
    message = encode(event, SITE)
    envelope = json.loads(message.body)
    check_cloudevents(envelope)
    assert envelope["id"] == message.event_id == f"{JOB_ID}/{event.job.sequence}"
    assert envelope["source"] == "/hpc-bridge/testbed"
    assert envelope["type"] == f"hpc-batch-bridge.job.{event.kind}.v1"
    assert envelope["subject"] == JOB_ID
    assert message.routing_key == f"testbed.{event.kind}"
    assert envelope["data"]["event"] == event.kind.value
    assert envelope["data"]["phase"] == event.job.phase.value
    assert envelope["data"]["sequence"] == event.job.sequence


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda it: f"{it.kind}-{it.job.sequence}")
def test_an_event_can_be_read_back_and_says_the_same(event: Event) -> None:
    body = encode(event, SITE, job_spec(labels=(("a", "\u00fc"),))).body
    assert decode(body).model_dump_json().encode() == body


def test_the_content_type_is_that_of_structured_json_mode() -> None:
    assert CONTENT_TYPE == "application/cloudevents+json"


def test_the_exact_json_of_an_event_does_not_change() -> None:
    story = running(seen("FAILED", 9.0125, code=7, signal=0, start=3, end=8.5, nodes="n[1-2]"))
    spec = job_spec(labels=(("experiment", "7"),), user="ada")
    assert json.loads(encode(story.last, SITE, spec).body) == {
        "specversion": "1.0",
        "id": "6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b/4",
        "source": "/hpc-bridge/testbed",
        "type": "hpc-batch-bridge.job.failed.v1",
        "subject": "6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b",
        "time": "2026-01-01T12:09:00.750000Z",
        "datacontenttype": "application/json",
        "sequence": "0000000004",
        "data": {
            "version": 1,
            "event": "failed",
            "site": "testbed",
            "job_id": "6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b",
            "sequence": 4,
            "attempt": 1,
            "restart": 0,
            "phase": "failed",
            "slurm_id": "4711",
            "accepted_at": "2026-01-01T12:00:00Z",
            "submitted_at": "2026-01-01T12:02:00Z",
            "started_at": "2026-01-01T12:03:00Z",
            "ended_at": "2026-01-01T12:08:30Z",
            "nodes": "n[1-2]",
            "exit_code": 7,
            "signal": None,
            "reason": "exit-code",
            "detail": "it exited with 7",
            "pending_reason": None,
            "expected_start_at": None,
            "waits_for": [],
            "tasks": None,
            "task": None,
            "next_attempt_at": None,
            "cancel_requested_at": None,
            "logs": {
                "stdout": "/work/bridge/6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b/stdout",
                "stderr": "/work/bridge/6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b/stderr",
            },
            "progress": None,
            "artifacts": None,
            "job": {
                "name": "digits",
                "kind": "training",
                "image": "/images/sklearn.sif",
                "user": "ada",
                "labels": {"experiment": "7"},
            },
            "notes": [],
            "problems": [],
        },
    }


def test_a_job_ended_by_a_signal_tells_which_and_no_exit_code() -> None:
    data = told(running(seen("FAILED", 9, code=0, signal=15)).last)["data"]
    assert isinstance(data, dict)
    assert (data["signal"], data["exit_code"], data["reason"]) == (15, None, "signal")


def test_the_fields_of_the_public_event_are_these() -> None:
    assert list(CloudEvent.model_json_schema()["properties"]) == [
        "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "sequence",
        "data",
    ]  # fmt: skip
    assert list(EventData.model_json_schema()["properties"]) == [
        "version", "event", "site", "job_id", "sequence", "attempt", "restart", "phase",
        "slurm_id", "accepted_at", "submitted_at", "started_at", "ended_at", "nodes",
        "exit_code", "signal", "reason", "detail", "pending_reason", "expected_start_at",
        "waits_for", "tasks", "task", "next_attempt_at", "cancel_requested_at", "logs", "progress",
        "artifacts", "job", "notes", "problems",
    ]  # fmt: skip


def test_the_public_words_for_failures_are_these() -> None:
    assert {it.value for it in FailureReason} == {
        "exit-code", "signal", "timeout", "out-of-memory", "deadline", "preempted",
        "node-failure", "boot-failure", "refused", "image-pull", "no-image", "lost", "dependency",
        "tasks",
    }  # fmt: skip


def test_an_event_says_what_is_not_known_as_null_and_never_as_success() -> None:
    data = told(Story().last)["data"]
    assert isinstance(data, dict)
    unknown = ("slurm_id", "submitted_at", "started_at", "ended_at", "nodes", "exit_code", "job")
    assert [data[it] for it in unknown] == [None] * len(unknown)


def test_the_sequence_sorts_as_text_as_the_events_do() -> None:
    # CloudEvents, "Sequence" extension: a lexicographically-orderable string.
    job = running().job
    texts = [
        str(told(Event(kind=EventKind.PENDING, at=NOON, job=replace(job, sequence=it)))["sequence"])
        for it in (1, 2, 9, 10, 99, 100, 1_000_000)
    ]
    assert texts == sorted(texts)
    assert len(set(texts)) == len(texts)


def test_a_redelivered_event_has_the_same_bytes() -> None:
    story = running()
    assert encode(story.last, SITE) == encode(story.last, SITE)


@given(st.text(), st.text(), st.text())
@settings(max_examples=100, deadline=None)
def test_any_words_of_slurm_go_out_and_come_back(words: str, nodes: str, label: str) -> None:
    event = replace(Story(refused(words=words)).last, job=replace(running().job, nodes=nodes))
    body = encode(event, SITE, job_spec(labels=(("a", label),))).body
    read = decode(body)
    assert read.data.detail == words
    assert read.data.nodes == nodes
    assert read.data.job is not None
    assert read.data.job.labels == {"a": label}


def test_microseconds_survive() -> None:
    event = replace(running().last, at=NOON + timedelta(microseconds=1))
    assert told(event)["time"] == "2026-01-01T12:00:00.000001Z"
    assert decode(encode(event, SITE).body).time == event.at


def test_a_waiting_job_tells_slurms_own_word_and_when_slurm_means_to_start_it() -> None:
    data = told(queued(seen("PENDING", 3, reason="Priority", expected=99)).last)["data"]
    assert isinstance(data, dict)
    assert (data["event"], data["pending_reason"]) == ("pending", "Priority")
    assert data["detail"] == "other jobs come first (Priority)"
    assert data["expected_start_at"] == "2026-01-01T13:39:00Z"
    assert data["started_at"] is None


def test_a_retry_tells_of_the_attempt_that_failed_and_of_when_the_next_may_come() -> None:
    story = running(policy=RETRIES).hears(seen("TIMEOUT", 9, code=0, signal=0, start=3, end=8))
    data = told(story.last)["data"]
    assert isinstance(data, dict)
    assert (data["event"], data["attempt"], data["slurm_id"]) == ("retrying", 1, "4711")
    assert (data["reason"], data["phase"]) == ("timeout", "accepted")
    assert data["next_attempt_at"] == "2026-01-01T12:10:00Z"
    assert (data["started_at"], data["ended_at"]) == (
        "2026-01-01T12:03:00Z",
        "2026-01-01T12:08:00Z",
    )


def test_an_event_tells_since_when_the_job_is_to_be_cancelled() -> None:
    data = told(running(cancel(5), seen("CANCELLED", 6, start=3, end=6, nodes="n1")).last)["data"]
    assert isinstance(data, dict)
    assert data["cancel_requested_at"] == "2026-01-01T12:05:00Z"


@pytest.mark.parametrize("kind", ["unreachable", "recovered"])
def test_what_is_told_of_a_site_names_no_job(kind: str) -> None:
    message = encode_site_event(site="testbed", kind=EventKind(kind), at=at(1), detail="no route")
    envelope = json.loads(message.body)
    check_cloudevents(envelope)
    assert message.routing_key == f"testbed.{kind}"
    assert envelope["id"] == message.event_id == f"site/testbed/{kind}/2026-01-01T12:01:00+00:00"
    assert envelope["type"] == f"hpc-batch-bridge.site.{kind}.v1"
    assert envelope["subject"] is None
    data = envelope["data"]
    assert (data["event"], data["site"], data["detail"]) == (kind, "testbed", "no route")
    assert {it for it, value in data.items() if value not in (None, [])} == {
        "version", "event", "site", "sequence", "detail",
    }  # fmt: skip
    assert decode(message.body).model_dump_json().encode() == message.body


def rejection(body: bytes = b"{", **changes: object) -> dict[str, object]:
    given_: dict[str, object] = {
        "site": "testbed",
        "at": at(1),
        "body": body,
        "job_id": JOB_ID,
        "problems": (
            Problem(where="name", what="missing, and required"),
            Problem(where="", what="and 3 more problems"),
        ),
    }
    found = json.loads(encode_rejection(**(given_ | changes)).body)  # type: ignore[arg-type]
    assert isinstance(found, dict)
    return found


def test_a_rejection_says_every_problem_and_nothing_of_a_job() -> None:
    envelope = rejection()
    check_cloudevents(envelope)
    assert envelope["type"] == "hpc-batch-bridge.job.rejected.v1"
    assert envelope["subject"] == JOB_ID
    data = envelope["data"]
    assert isinstance(data, dict)
    assert data["detail"] == "name: missing, and required; and 3 more problems"
    assert data["problems"] == [
        {"where": "name", "what": "missing, and required"},
        {"where": "", "what": "and 3 more problems"},
    ]
    assert (data["sequence"], data["attempt"], data["phase"], data["logs"]) == (0, None, None, None)


def test_a_message_whose_id_cannot_be_read_is_rejected_without_a_subject() -> None:
    envelope = rejection(job_id=None)
    check_cloudevents(envelope)
    assert envelope["subject"] is None


def test_the_same_bytes_are_rejected_under_the_same_id_and_others_under_another() -> None:
    ids = [rejection(body)["id"] for body in (b"{", b"{", b"[", b"")]
    assert ids[0] == ids[1] == "rejected/testbed/021fb596db81e6d02bf3d2586ee3981f"
    assert len(set(ids)) == 3
    assert rejection(at=at(99))["id"] == ids[0]
    assert rejection(site="elsewhere")["id"] != ids[0]


def test_a_rejection_goes_to_the_sites_rejections() -> None:
    message = encode_rejection(site="testbed", at=NOON, body=b"", job_id=None, problems=())
    assert message.routing_key == "testbed.rejected"
    assert message.event_id == json.loads(message.body)["id"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Invalid JSON: EOF while parsing a value"),
        (b"\xff", "Invalid JSON: expected value"),
        (b"[" * 100_000, "Invalid JSON: recursion limit exceeded"),
        (b"[]", "an object with named fields is wanted"),
        (b"{}", "id: missing, and required; source: missing, and required; type: missing"),
        (b'{"specversion": "0.3"}', "specversion: accepted: '1.0' (found '0.3')"),
    ],
    ids=range(6),
)
def test_what_is_no_event_of_ours_is_refused_in_short_words(body: bytes, words: str) -> None:
    with pytest.raises(InvalidRequestError, match="^" + re.escape(words)) as caught:
        decode(body)
    assert len(str(caught.value)) < 400


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_an_event_or_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        decode(body)


def changed_data(**changes: object) -> bytes:
    envelope = told(running().last)
    assert isinstance(envelope["data"], dict)
    return json.dumps(envelope | {"data": envelope["data"] | changes}).encode()


def test_what_a_later_version_adds_is_left_alone() -> None:
    event = decode(changed_data(mood="good", logs={"stdout": "/a", "stderr": "/b", "trace": "/c"}))
    assert event.data.event == "started"
    assert event.data.logs is not None
    assert event.data.logs.stderr == "/b"


@pytest.mark.parametrize("field", ["event", "phase", "version", "sequence"])
def test_what_version_1_does_not_know_is_refused_by_its_place(field: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^data\.{field}: "):
        decode(changed_data(**{field: "teleported"}))
