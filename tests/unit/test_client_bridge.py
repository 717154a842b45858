"""The client's half that needs no broker: what is sent, what is refused, and forks."""

import json
import multiprocessing
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from uuid import UUID

import pytest
from unit.house import job_id

from bridge.client import Bridge, Job, TooManyWaitingError
from bridge.client.completion import complete
from bridge.client.process import OncePerProcess
from bridge.core.errors import InvalidRequestError, UnavailableError

NOWHERE = "amqp://u:p@127.0.0.1:1/"
JOB: Mapping[str, object] = {"name": "digits", "image": "/i.sif", "command": ["true"]}
FORKS = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    with Bridge(NOWHERE, patience=timedelta(milliseconds=300)) as opened:
        yield opened


def test_a_job_gets_what_may_be_left_out() -> None:
    body, its_id = complete(JOB)
    sent = json.loads(body)
    assert sent == {**JOB, "version": 1, "job_id": its_id}
    assert UUID(its_id).version == 4
    assert complete(JOB)[1] != its_id


def test_a_job_that_lacks_nothing_is_sent_byte_for_byte() -> None:
    text = f'{{ "job_id":"{job_id(1)}",\n"version": 1, "name": "\\u00e4"}}'.encode()
    assert complete(text) == (text, job_id(1))


def test_a_job_that_was_built_in_python_keeps_its_id() -> None:
    job = Job(name="digits", image="/i.sif", command=["true"])
    body, its_id = complete(job)
    assert its_id == job.id
    assert body == job.to_bytes()


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (b"[]", "a JSON object"),
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        ({**JOB, "params": {1, 2}}, "cannot be written as JSON"),
        ({**JOB, "params": {"rate": float("nan")}}, "cannot be written as JSON"),
    ],
)
def test_what_is_no_job_is_refused(job: Mapping[str, object] | bytes, why: str) -> None:
    with pytest.raises(InvalidRequestError, match=why):
        complete(job)


def test_everything_that_is_wrong_is_told_before_anything_is_sent(bridge: Bridge) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        bridge.submit("vaughan", {"name": "", "color": "red"})
    where = {it.where for it in refusal.value.problems}
    assert {"name", "color", "image", "command"} <= where


def test_without_a_broker_the_caller_is_told_why(bridge: Bridge) -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        bridge.submit("vaughan", JOB)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        bridge.cancel("vaughan", job_id(1))
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        bridge.watch()


def test_no_more_calls_wait_for_the_broker_than_may() -> None:
    errors: list[UnavailableError] = []

    def submit(one: Bridge) -> None:
        try:
            one.submit("vaughan", JOB)
        except UnavailableError as error:
            errors.append(error)

    with Bridge(NOWHERE, patience=timedelta(seconds=3), most_waiting=3) as full:
        threads = [threading.Thread(target=submit, args=(full,)) for _ in range(10)]
        for it in threads:
            it.start()
        for it in threads:
            it.join(60)
    assert len(errors) == 10
    assert sum(isinstance(it, TooManyWaitingError) for it in errors) == 7


def test_a_bridge_can_be_used_again_after_it_was_closed(bridge: Bridge) -> None:
    bridge.close()
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        bridge.submit("vaughan", JOB)


def test_something_is_made_once_for_all_threads_of_a_process() -> None:
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    one = OncePerProcess(make, lambda _: None)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(one.get())) for _ in range(20)]
    for it in threads:
        it.start()
    for it in threads:
        it.join(60)
    assert len(made) == 1
    assert len(set(map(id, found))) == 1


def test_what_was_closed_is_ended_once_and_made_anew() -> None:
    ended: list[object] = []
    one = OncePerProcess(object, ended.append)
    first = one.get()
    one.close()
    one.close()
    assert ended == [first]
    assert one.get() is not first


@FORKS
def test_a_forked_child_makes_its_own_even_when_its_parent_was_just_making_one() -> None:
    is_making, may_end = threading.Event(), threading.Event()

    def make() -> object:
        is_making.set()
        may_end.wait(60)
        return object()

    slow = OncePerProcess(make, lambda _: None)
    quick = OncePerProcess(object, lambda _: None)
    parents = quick.get()
    maker = threading.Thread(target=slow.get)
    maker.start()
    assert is_making.wait(60)
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[tuple[bool, bool]] = context.Queue()

    def child() -> None:
        may_end.set()
        answers.put((slow.get() is not None, quick.get() is not parents))

    process = context.Process(target=child)
    process.start()
    assert answers.get(timeout=60) == (True, True)
    process.join(60)
    may_end.set()
    maker.join(60)
    assert quick.get() is parents
