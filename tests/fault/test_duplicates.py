"""Messages come twice, late, in the wrong order, or are none at all."""

import json
import random
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from counted_jobs import TO_THE_END, JobLoad, quick, runs_of
from rabbitmq_management import Management, until
from site_bridge import OpenBridge, SiteBridge
from testbed import Testbed

from bridge.adapters.rabbitmq import Confirmation, Outgoing, Publisher

MALFORMED = 10_000
GOOD = 50
MOST_MEMORY_KIB = 300 * 1024
WITH_STATISTICS = timedelta(seconds=60)
"""The broker's counts are some seconds old."""


@pytest.fixture
def site(open_bridge: OpenBridge) -> SiteBridge:
    return open_bridge(quick)


@pytest.fixture
def management(testbed: Testbed) -> Management:
    return Management(testbed.broker)


def dead_letters(site: SiteBridge, management: Management) -> int:
    queue = management.queue(site.settings.broker.dead_letter_queue(site.name))
    return int(queue.get("messages", 0))


def rejections(site: SiteBridge, job_id: str | None) -> list[str]:
    """What was wrong, for each message that was rejected under this id."""
    events = (it.data for it in site.events(job_id) if it.data.event == "rejected")
    return ["; ".join(problem.where for problem in it.problems) for it in events]


def send_all(site: SiteBridge, bodies: list[bytes]) -> None:
    """Many messages, faster than one by one."""
    broker = site.settings.broker
    with Publisher(broker, name=f"{broker.namespace} flood") as publisher:
        answers = publisher.send(
            [
                Outgoing(
                    exchange=broker.jobs_exchange,
                    routing_key=site.name,
                    body=body,
                    message_id=str(number),
                    content_type="application/json",
                )
                for number, body in enumerate(bodies)
            ]
        )
    assert set(answers) == {Confirmation.CONFIRMED}


def malformed() -> Iterator[bytes]:
    """Bytes that are no job message, no two of them the same."""
    for number in count():
        yield from (
            b"\x00\xff%d" % number,
            b'{"version": 1, "job_id": "%d"' % number,
            b'["version", 1, %d]' % number,
            b"%d" % number,
            b'{"version": %d}' % (number + 2),
            b'{"version": 1, "job_id": "../../%d", "image": "x"}' % number,
            b'{"version": 1, "name": {"a": [' + b"[" * 500 + b"%d]}}" % number,
            b'{"version": 1, "name": "%d' % number + b"x" * 5000 + b'", "command": 7}',
        )


def test_a_message_that_comes_many_times_is_one_job(
    site: SiteBridge, management: Management
) -> None:
    load = JobLoad(site)
    messages = [
        json.dumps(load.message(str(uuid.uuid4()), exit_code=number % 3, seconds=number % 2))
        for number in range(10)
    ]
    copies = [it.encode() for it in messages * 20]
    random.Random(1).shuffle(copies)  # noqa: S311  # the same disorder at each run
    send_all(site, copies)
    load.check()
    send_all(site, copies[:50])
    site.wait_until(lambda: is_empty(site, management), "the last copies are taken")
    load.check()
    assert dead_letters(site, management) == 0


def is_empty(site: SiteBridge, management: Management) -> bool:
    queue = management.queue(site.settings.broker.jobs_queue(site.name))
    return queue.get("messages") == 0


def test_deliveries_that_come_again_on_new_connections_are_the_same_jobs(
    site: SiteBridge, management: Management
) -> None:
    load = JobLoad(site)
    name = f"{site.settings.broker.namespace} {site.name} consumer"
    gone: set[str] = set()
    for _ in range(3):
        bodies = [
            json.dumps(load.message(str(uuid.uuid4()), seconds=number % 2)).encode()
            for number in range(8)
        ]
        # The broker still lists a closed connection for a while.
        assert until(lambda: set(management.connections(name)) - gone)
        # It cannot settle what it is sent until its connection is gone.
        with stopped(site):
            send_all(site, bodies * 5)
            gone.update(management.connections(name))
            assert management.close_connections(name)
    load.check()


@contextmanager
def stopped(site: SiteBridge) -> Iterator[None]:
    """The daemon stands still for so long."""
    site.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        site.process.send_signal(signal.SIGCONT)


def test_the_same_words_in_another_order_are_the_same_job(site: SiteBridge) -> None:
    load = JobLoad(site)
    message = load.message(str(uuid.uuid4()))
    backwards = json.dumps(dict(reversed(list(message.items()))), indent=4)
    send_all(site, [json.dumps(message).encode(), backwards.encode()])
    load.check()
    assert rejections(site, str(message["job_id"])) == []


def test_another_job_under_the_same_id_is_rejected_and_the_first_one_lives_on(
    site: SiteBridge, management: Management
) -> None:
    load = JobLoad(site)
    job_id = str(uuid.uuid4())
    first = load.message(job_id, seconds=2, exit_code=3)
    other = dict(first) | {"command": ["false"]}
    send_all(site, [json.dumps(it).encode() for it in (first, other, first)])
    load.check()
    site.wait_until(lambda: rejections(site, job_id) == ["job_id"], "the other one is rejected")
    assert until(lambda: dead_letters(site, management) == 1, within=WITH_STATISTICS)


def test_good_messages_get_through_between_thousands_that_are_none(
    site: SiteBridge, management: Management
) -> None:
    load = JobLoad(site)
    bad = malformed()
    bodies: list[bytes] = []
    for number in range(GOOD):
        bodies += [next(bad) for _ in range(MALFORMED // GOOD)]
        bodies.append(json.dumps(load.message(str(uuid.uuid4()), exit_code=number % 2)).encode())
    send_all(site, bodies)
    load.check()
    site.wait_until(
        lambda: len(site.events(None)) == MALFORMED, "each one is told of", patience=TO_THE_END
    )
    assert {str(it.data.event) for it in site.events(None)} == {"rejected"}
    assert until(lambda: dead_letters(site, management) == MALFORMED, within=WITH_STATISTICS)
    assert most_memory(site) < MOST_MEMORY_KIB


def most_memory(site: SiteBridge) -> int:
    """How much of it the daemon ever had, in KiB (proc(5), VmHWM)."""
    status = Path(f"/proc/{site.process.pid}/status").read_text(encoding="utf-8")
    return next(int(it.split()[1]) for it in status.splitlines() if it.startswith("VmHWM"))


def test_a_cancel_that_overtakes_its_job_cancels_it_when_it_comes(site: SiteBridge) -> None:
    load = JobLoad(site)
    job_id = str(uuid.uuid4())
    site.cancel(job_id)
    site.wait_until(lambda: rejections(site, job_id) == ["job_id"], "the job is not known yet")
    site.submit(load.message(job_id, seconds=None))
    load.expect_cancel(job_id)
    load.check()
    assert runs_of(site, job_id) == []
    assert site.last(job_id).data.slurm_id is None


def test_a_job_that_is_cancelled_twice_is_cancelled_once(site: SiteBridge) -> None:
    load = JobLoad(site)
    job_id = load.send(seconds=None)
    site.wait_for(job_id, {"started"})
    for _ in range(5):
        load.cancel(job_id)
    load.check()
    site.cancel(job_id)
    other = load.send()
    site.wait_for(other, {"finished"})
    load.check()
    assert rejections(site, job_id) == []


def test_cancelling_what_is_over_changes_nothing(site: SiteBridge) -> None:
    load = JobLoad(site)
    job_id = load.send(exit_code=7)
    load.check()
    site.cancel(job_id)
    load.send()
    load.check()


def test_cancelling_an_unknown_job_is_told_and_does_no_harm(site: SiteBridge) -> None:
    load = JobLoad(site)
    unknown = str(uuid.uuid4())
    site.cancel(unknown)
    site.cancel(unknown)
    load.send()
    load.check()
    site.wait_until(lambda: bool(site.events(unknown)), "it is told of")
    assert {str(it.data.event) for it in site.events(unknown)} == {"rejected"}
