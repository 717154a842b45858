"""What every scheduler keeps to: the real Slurm, in three ways, and those without Slurm."""

import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
from slurm_site import a_script, a_tag, eventually, in_queue
from slurm_ways import WAYS, scheduler_by
from testbed import Testbed

from bridge.adapters.clock import SystemClock
from bridge.adapters.local_processes.scheduler import LocalProcesses
from bridge.core.facts import Sighting
from bridge.core.job import SlurmId, SubmissionTag
from bridge.core.slurm_state import Meaning, SlurmState, meaning
from bridge.ports import Scheduler
from bridge.testing.clock import FakeClock
from bridge.testing.cluster import FakeCluster
from bridge.testing.slurm import FakeSlurm

FOREVER = "sleep 300"


class Site(Protocol):
    """A scheduler, and the time and hands that move its jobs."""

    @property
    def scheduler(self) -> Scheduler: ...
    @property
    def born(self) -> datetime: ...
    @property
    def nodes(self) -> tuple[str, ...]: ...
    def submit(self, tag: SubmissionTag, body: str, *, held: bool = False) -> SlurmId: ...
    def let_start(self, slurm_id: SlurmId) -> None: ...
    def let_end(self, slurm_id: SlurmId) -> None: ...
    def requeue(self, slurm_id: SlurmId) -> None: ...


class SiteInMemory:
    nodes = ("n1",)

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = FakeCluster(self.clock)
        self.scheduler = FakeSlurm(self.cluster)
        self.born = self.clock.now()

    def submit(self, tag: SubmissionTag, body: str, *, held: bool = False) -> SlurmId:
        slurm_id = self.scheduler.submit(a_script(tag, body))
        if held:
            self.cluster.hold(slurm_id)
        return slurm_id

    def let_start(self, slurm_id: SlurmId) -> None:
        self.clock.move(timedelta(seconds=1))
        self.cluster.start(slurm_id)

    def let_end(self, slurm_id: SlurmId) -> None:
        self.let_start(slurm_id)
        self.clock.move(timedelta(seconds=1))
        self.cluster.end(slurm_id, exit_code=int(self.cluster.scripts[slurm_id].split()[-1]))

    def requeue(self, slurm_id: SlurmId) -> None:
        self.clock.move(timedelta(seconds=1))
        self.cluster.requeue(slurm_id)


class LiveSite:
    """One whose jobs move by themselves."""

    def __init__(self, scheduler: Scheduler, nodes: tuple[str, ...]) -> None:
        self.scheduler = scheduler
        self.nodes = nodes
        self.born = SystemClock().now()
        self.submitted: dict[SlurmId, SubmissionTag] = {}

    def submit(self, tag: SubmissionTag, body: str, *, held: bool = False) -> SlurmId:
        options = ("--hold",) if held else ()
        slurm_id = self.scheduler.submit(a_script(tag, body, *options))
        self.submitted[slurm_id] = tag
        return slurm_id

    def let_start(self, slurm_id: SlurmId) -> None:
        eventually(lambda: in_queue(self.scheduler, slurm_id, "RUNNING"))

    def let_end(self, slurm_id: SlurmId) -> None:
        eventually(lambda: in_queue(self.scheduler, slurm_id, "COMPLETED", "FAILED"))

    def requeue(self, slurm_id: SlurmId) -> None:
        pytest.skip(f"{slurm_id} is a local process: it is not requeued, it has no other node")


class RealSite(LiveSite):
    def __init__(self, testbed: Testbed, scheduler: Scheduler) -> None:
        super().__init__(scheduler, ("n1", "n2"))
        self.testbed = testbed

    def requeue(self, slurm_id: SlurmId) -> None:
        argv = self.testbed.as_user(["scontrol", "requeue", slurm_id])
        subprocess.run(argv, check=True)


WITHOUT_SLURM = ("in memory", "local processes")


@pytest.fixture(
    params=[*WITHOUT_SLURM, *(pytest.param(it, marks=pytest.mark.testbed) for it in WAYS)]
)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "in memory":
        yield SiteInMemory()
        return
    if request.param == "local processes":
        processes = LocalProcesses(tmp_path / "jobs", SystemClock(), at_once=2)
        local = LiveSite(processes, (socket.gethostname(),))
        yield local
        cancel_all(local)
        return
    testbed: Testbed = request.getfixturevalue("testbed")
    with scheduler_by(request.param, testbed) as scheduler:
        real = RealSite(testbed, scheduler)
        yield real
        cancel_all(real)


def cancel_all(site: LiveSite) -> None:
    for slurm_id, tag in site.submitted.items():
        site.scheduler.cancel([(slurm_id, tag)])


def queued(site: Site, slurm_id: SlurmId) -> Sighting:
    (row,) = [it for it in site.scheduler.queue() if it.slurm_id == slurm_id]
    return row


def recorded(site: Site, slurm_id: SlurmId, *states: SlurmState) -> Sighting:
    """The record of the job, once it is in one of these states: accounting is a moment behind.

    Of a short job slurmdbd may hear the end first, and calls it "allocation" till it hears more.
    """

    def look() -> Sighting | None:
        records = site.scheduler.accounting([slurm_id], since=site.born)
        assert records is not None
        assert len(records) <= 1
        named = (it for it in records if it.tag != "allocation")
        return next((it for it in named if it.state in states), None)

    return eventually(look)


def test_a_submitted_job_is_in_the_queue_under_its_tag(site: Site) -> None:
    tag = a_tag()
    slurm_id = site.submit(tag, FOREVER, held=True)
    row = queued(site, slurm_id)
    assert (row.tag, row.state, row.started_at, row.nodes) == (
        tag,
        SlurmState.PENDING,
        None,
        None,
    )
    assert row.submitted_at is not None


def test_a_held_job_is_seen_to_be_held(site: Site) -> None:
    row = queued(site, site.submit(a_tag(), FOREVER, held=True))
    assert row.state is not None
    assert meaning(row.state, row.reason) is Meaning.HELD


def test_a_job_is_found_by_its_tag_while_it_waits_runs_and_is_over(site: Site) -> None:
    waits, runs, over = a_tag(), a_tag(), a_tag()
    waiting = site.submit(waits, FOREVER, held=True)
    running = site.submit(runs, FOREVER)
    ended = site.submit(over, "exit 0")
    site.let_start(running)
    site.let_end(ended)
    found = site.scheduler.find([waits, runs, over], since=site.born)
    assert found == {waits: (waiting,), runs: (running,), over: (ended,)}


def test_a_tag_that_nobody_bears_is_not_found(site: Site) -> None:
    site.submit(a_tag(), FOREVER, held=True)
    tag = a_tag()
    assert site.scheduler.find([tag], since=site.born) == {tag: ()}


def test_of_two_jobs_with_one_tag_both_are_found_lowest_id_first(site: Site) -> None:
    tag = a_tag()
    first = site.submit(tag, "exit 0")
    site.let_end(first)
    second = site.submit(tag, FOREVER, held=True)
    assert site.scheduler.find([tag], since=site.born)[tag] == (first, second)


def test_a_running_job_shows_its_start_and_its_node(site: Site) -> None:
    slurm_id = site.submit(a_tag(), FOREVER)
    site.let_start(slurm_id)
    row = queued(site, slurm_id)
    assert row.state is SlurmState.RUNNING
    assert row.submitted_at is not None
    assert row.started_at is not None
    assert row.submitted_at <= row.started_at
    assert row.nodes in site.nodes
    assert row.ended_at is None


def test_a_job_that_exits_with_seven_fails_with_seven(site: Site) -> None:
    tag = a_tag()
    slurm_id = site.submit(tag, "exit 7")
    site.let_end(slurm_id)
    assert queued(site, slurm_id).state is SlurmState.FAILED
    record = recorded(site, slurm_id, SlurmState.FAILED)
    assert (record.tag, record.exit_code, record.signal) == (tag, 7, 0)
    assert record.started_at is not None
    assert record.ended_at is not None
    assert record.started_at <= record.ended_at
    assert record.nodes in site.nodes


def test_a_job_that_exits_with_zero_completes(site: Site) -> None:
    slurm_id = site.submit(a_tag(), "exit 0")
    site.let_end(slurm_id)
    record = recorded(site, slurm_id, SlurmState.COMPLETED)
    assert (record.exit_code, record.signal) == (0, 0)


def test_a_running_job_can_be_cancelled(site: Site) -> None:
    tag = a_tag()
    slurm_id = site.submit(tag, FOREVER)
    site.let_start(slurm_id)
    site.scheduler.cancel([(slurm_id, tag)])
    record = recorded(site, slurm_id, SlurmState.CANCELLED)
    assert record.started_at is not None
    assert record.ended_at is not None


def test_a_job_that_is_cancelled_in_the_queue_never_started(site: Site) -> None:
    tag = a_tag()
    slurm_id = site.submit(tag, FOREVER, held=True)
    site.scheduler.cancel([(slurm_id, tag)])
    record = recorded(site, slurm_id, SlurmState.CANCELLED)
    assert record.started_at is None
    row = queued(site, slurm_id)
    assert (row.state, row.started_at) == (SlurmState.CANCELLED, None)


def test_a_job_that_bears_another_tag_is_not_cancelled(site: Site) -> None:
    waits, runs = a_tag(), a_tag()
    waiting, running = site.submit(waits, FOREVER, held=True), site.submit(runs, FOREVER)
    site.let_start(running)
    site.scheduler.cancel([(waiting, runs), (running, waits)])
    # Beside one that does something, for Slurm to have come as far as that.
    site.scheduler.cancel([(running, a_tag()), (waiting, waits)])
    recorded(site, waiting, SlurmState.CANCELLED)
    assert queued(site, running).state is SlurmState.RUNNING


def test_cancelling_a_job_that_is_over_or_unknown_says_nothing(site: Site) -> None:
    tag = a_tag()
    slurm_id = site.submit(tag, "exit 0")
    site.let_end(slurm_id)
    site.scheduler.cancel([(slurm_id, tag)])
    site.scheduler.cancel([(SlurmId("66999999"), tag)])
    assert recorded(site, slurm_id, SlurmState.COMPLETED).exit_code == 0


def test_accounting_knows_nothing_of_a_job_that_never_was(site: Site) -> None:
    assert site.scheduler.accounting([SlurmId("66999999")], since=site.born) == ()


def test_a_requeued_job_waits_and_its_newest_record_says_so(site: Site) -> None:
    slurm_id = site.submit(a_tag(), FOREVER)
    site.let_start(slurm_id)
    site.requeue(slurm_id)
    record = recorded(site, slurm_id, SlurmState.PENDING)
    assert (record.started_at, record.ended_at, record.exit_code) == (None, None, None)
