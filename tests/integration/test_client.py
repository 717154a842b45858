"""The client over the testbed's RabbitMQ: from threads, forks and gunicorn's workers."""

import http.client
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from rabbitmq_management import Management, own_namespace, until
from testbed import CHECKOUT, Testbed
from unit.board_events import publish, told
from unit.builders import running, seen, site
from unit.house import job_id

from bridge.adapters.clock import SystemClock
from bridge.adapters.rabbitmq import Consumer, declare_topology
from bridge.adapters.sqlite_journal import SqliteJournal, open_journal
from bridge.client import Bridge, NoBridgeError
from bridge.core.job import JobId
from bridge.core.settings import BrokerSettings, JournalSettings
from bridge.flows.intake import Intake

SITE = "testbed"
SOON = timedelta(seconds=60)
JOBS = 5_000
"""Submitted by all workers together."""
JOB = {"name": "test", "image": "/images/a.sif", "command": ["true"]}
DONE = running(seen("COMPLETED", 9, code=0, start=3, end=8, nodes="n1"))
FORKS = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture
def settings(testbed: Testbed) -> Iterator[BrokerSettings]:
    with own_namespace(testbed.broker) as it:
        declare_topology(it, SITE)
        yield it


@pytest.fixture
def management(testbed: Testbed) -> Management:
    return Management(testbed.broker)


@pytest.fixture
def bridge(settings: BrokerSettings) -> Iterator[Bridge]:
    with Bridge(settings) as opened:
        yield opened


@pytest.fixture
def broker_is_back(testbed: Testbed) -> Iterator[None]:
    yield
    testbed.start("rabbitmq")


def waiting(settings: BrokerSettings, count: int) -> list[str]:
    """The ids of so many jobs in the site's queue; pytest's time limit ends a longer wait."""
    found: list[str] = []
    with Consumer(settings, SITE) as consumer:
        while len(found) < count:
            deliveries = consumer.take(1000, timeout=SOON)
            found += [json.loads(it.body)["job_id"] for it in deliveries]
        assert consumer.take(1, timeout=timedelta(seconds=0.5)) == ()
    return found


def test_a_job_is_in_the_sites_queue_when_submit_returns(
    bridge: Bridge, settings: BrokerSettings
) -> None:
    its_id = bridge.submit(SITE, JOB)
    assert waiting(settings, 1) == [its_id]


def test_threads_share_one_connection(
    bridge: Bridge, settings: BrokerSettings, management: Management
) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda _: bridge.submit(SITE, JOB), range(200)))
    assert sorted(waiting(settings, 200)) == sorted(ids)
    name = f"{settings.namespace} submitter"
    assert until(lambda: management.connections(name))
    assert len(management.connections(name)) == 1


def test_a_site_that_nobody_serves_is_told_at_once(bridge: Bridge) -> None:
    began = time.monotonic()
    with pytest.raises(NoBridgeError, match="nowhere"):
        bridge.submit("nowhere", JOB)
    with pytest.raises(NoBridgeError, match="nowhere"):
        bridge.cancel("nowhere", job_id(1))
    assert time.monotonic() - began < SOON.total_seconds()


@FORKS
def test_a_forked_child_has_a_connection_of_its_own_and_leaves_its_parents_alone(
    bridge: Bridge, settings: BrokerSettings, management: Management
) -> None:
    bridge.submit(SITE, {**JOB, "job_id": job_id(1)})
    context = multiprocessing.get_context("fork")
    may_end = context.Event()

    def child(number: int) -> None:
        bridge.submit(SITE, {**JOB, "job_id": job_id(number)})
        may_end.wait(60)
        os._exit(0)

    children = [context.Process(target=child, args=(it,)) for it in (2, 3)]
    for it in children:
        it.start()
    name = f"{settings.namespace} submitter"
    assert until(lambda: len(management.connections(name)) == 3, within=SOON)
    bridge.submit(SITE, {**JOB, "job_id": job_id(4)})
    may_end.set()
    for it in children:
        it.join(60)
    bridge.submit(SITE, {**JOB, "job_id": job_id(5)})
    assert sorted(waiting(settings, 5)) == [job_id(it) for it in range(1, 6)]


def test_a_job_is_watched_from_then_on_up_to_its_end(
    bridge: Bridge, settings: BrokerSettings
) -> None:
    publish(settings, told(DONE, 1))
    with bridge.watch(job_id(2)) as watching:
        publish(settings, [*told(DONE, 1), *told(DONE, 2), *told(DONE, 3)])
        assert list(watching) == told(DONE, 2)


def test_what_was_told_before_is_watched_since_then(
    bridge: Bridge, settings: BrokerSettings
) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    publish(settings, told(DONE, 1))
    with bridge.watch(job_id(1), since=began) as watching:
        assert list(watching) == told(DONE, 1)


def test_watching_ends_when_nothing_comes_and_shows_other_sites_to_nobody(
    bridge: Bridge, settings: BrokerSettings
) -> None:
    with bridge.watch(site="other", quiet=timedelta(seconds=5)) as watching:
        publish(settings, [*told(DONE, 1), *told(DONE, 2, site_name="other")])
        assert list(watching) == told(DONE, 2, site_name="other")


def test_watching_ends_when_another_thread_closes_it(bridge: Bridge) -> None:
    watching = bridge.watch()
    thread = threading.Thread(target=lambda: list(watching))
    thread.start()
    watching.close()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.usefixtures("broker_is_back")
def test_over_two_restarts_of_the_broker_every_job_is_accepted_once_or_an_error_is_told(
    testbed: Testbed, settings: BrokerSettings, tmp_path: Path
) -> None:
    answers: dict[str, int] = {}
    workers: set[int] = set()
    first, *ids = [str(uuid4()) for _ in range(JOBS)]
    with gunicorn(testbed, settings, tmp_path, first_job=first) as port:

        def submit(its_id: str) -> None:
            status, body = ask(port, its_id)
            answers[its_id] = status
            if status == http.client.OK:
                workers.add(json.loads(body)["worker"])

        def restart_at(count: int) -> None:
            assert until(lambda: len(answers) >= count, within=timedelta(minutes=5))
            testbed.stop("rabbitmq")
            testbed.start("rabbitmq")

        with ThreadPoolExecutor(32) as browsers:
            submissions = [browsers.submit(submit, it) for it in ids]
            restart_at(JOBS // 4)
            restart_at(JOBS * 5 // 8)
            for it in submissions:
                it.result()
    confirmed = {first, *(it for it, status in answers.items() if status == http.client.OK)}
    assert set(answers.values()) <= {http.client.OK, http.client.SERVICE_UNAVAILABLE}
    assert len(workers) == 4
    print(f"\n{len(confirmed)} of {JOBS} confirmed")  # noqa: T201  # a figure, not a check
    with open_journal(
        JournalSettings(path=str(tmp_path / "journal.sqlite")), clock=SystemClock()
    ) as journal:
        take_in(settings, journal, confirmed)
        accepted = [it.message.event_id for it in journal.unsent(10 * JOBS)]
    assert len(accepted) == len(set(accepted))
    assert {f"{it}/1" for it in confirmed} <= set(accepted)
    assert set(accepted) <= {f"{it}/1" for it in (first, *ids)}


def take_in(settings: BrokerSettings, journal: SqliteJournal, wanted: set[str]) -> None:
    """What a bridge does: record what is in the queue, until all that is wanted is there."""
    clock = SystemClock()
    intake = Intake(site=site(), journal=journal, clock=clock, examine=lambda _: ())
    with Consumer(settings, SITE) as consumer:
        known = 0
        while known < len(wanted):
            deliveries = consumer.take(500, timeout=SOON)
            settlements = intake.receive(deliveries)
            consumer.settle(list(zip(deliveries, settlements, strict=True)))
            known = len(journal.jobs([JobId(it) for it in wanted]))


def ask(port: int, its_id: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=240)
    try:
        connection.request("POST", f"/{its_id}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def gunicorn(
    testbed: Testbed, settings: BrokerSettings, folder: Path, *, first_job: str
) -> Iterator[int]:
    """Four workers of eight threads each; the port that they serve."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
        log = stack.enter_context((folder / "gunicorn.log").open("wb"))
        variables = {
            "SUBMITTING_APP_SITE": SITE,
            "SUBMITTING_APP_BROKER": testbed.broker.url,
            "SUBMITTING_APP_NAMESPACE": settings.namespace,
            "SUBMITTING_APP_PATIENCE": "120",
            "SUBMITTING_APP_FIRST_JOB": first_job,
            "HOME": str(folder),  # where gunicorn puts a socket of its own
            "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'tests' / 'integration'}",
        }
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--preload", "--workers", "4"),
                *("--threads", "8", "--timeout", "300", "--bind", f"fd://{listening.fileno()}"),
                "submitting_app:application",
            ],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[listening.fileno()],
        )
        try:
            yield listening.getsockname()[1]
        finally:
            process.terminate()
            process.wait(60)
            sys.stdout.write((folder / "gunicorn.log").read_text(errors="replace"))
