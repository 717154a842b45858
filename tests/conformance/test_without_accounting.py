"""A Slurm that keeps no accounting, in each way to it: what is gone from squeue is gone for good.

Local processes keep records of their own, and cannot be without them.
"""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from counted_jobs import counting, send, wait_for_ends
from pyslurm_site import bridge_has_pyslurm
from site_bridge import UNTIL_LET_GO, Configuration, OpenBridge, SiteBridge
from slurm_site import a_script, a_tag, command_line, eventually, in_queue
from slurm_ways import WAYS, scheduler_by
from testbed import Testbed

from bridge.adapters.clock import SystemClock
from bridge.core.job import SlurmId, SubmissionTag
from bridge.ports import Scheduler
from bridge.testing.clock import FakeClock
from bridge.testing.cluster import FakeCluster
from bridge.testing.slurm import Accounting, FakeSlurm

FOREVER = "sleep 300"


class Gone(NamedTuple):
    """A job that Slurm has run and forgotten."""

    slurm_id: SlurmId
    tag: SubmissionTag


class Site(NamedTuple):
    scheduler: Scheduler
    gone: Gone
    born: datetime


@pytest.fixture(scope="module")
def forgetful(testbed: Testbed) -> Iterator[Testbed]:
    """The testbed without slurmdbd; squeue shows ended jobs for as short as Slurm can."""
    testbed.set_up("--no-accounting", "--min-job-age=2")
    yield testbed
    testbed.set_up("--accounting", "--min-job-age=300")


@pytest.fixture(scope="module")
def gone(forgetful: Testbed) -> Gone:
    slurm, tag = command_line(forgetful), a_tag()
    slurm_id = slurm.submit(a_script(tag, "true"))
    wait_until_gone(slurm, slurm_id)
    return Gone(slurm_id=slurm_id, tag=tag)


def wait_until_gone(slurm: Scheduler, slurm_id: SlurmId) -> None:
    eventually(lambda: slurm_id not in {it.slurm_id for it in slurm.queue()})


def in_memory() -> Site:
    clock = FakeClock()
    born, tag = clock.now(), a_tag()
    cluster = FakeCluster(clock, min_job_age=timedelta(seconds=2))
    slurm_id = cluster.submit(a_script(tag, "true"))
    cluster.start(slurm_id)
    cluster.end(slurm_id)
    clock.move(timedelta(seconds=3))
    scheduler = FakeSlurm(cluster)
    scheduler.accounting_is = Accounting.OFF
    return Site(scheduler, Gone(slurm_id=slurm_id, tag=tag), born)


@pytest.fixture(params=["in memory", *(pytest.param(it, marks=pytest.mark.testbed) for it in WAYS)])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    if request.param == "in memory":
        yield in_memory()
        return
    gone: Gone = request.getfixturevalue("gone")
    born = SystemClock().now() - timedelta(minutes=5)
    with scheduler_by(request.param, request.getfixturevalue("forgetful")) as scheduler:
        yield Site(scheduler, gone, born)


def test_accounting_has_no_records_and_says_so(site: Site) -> None:
    scheduler, gone, born = site
    unknown = SlurmId("66999999")
    assert scheduler.accounting([gone.slurm_id], since=born) is None
    assert scheduler.accounting([unknown], since=born) is None


def test_a_job_that_left_the_queue_is_found_no_more_and_that_is_no_error(site: Site) -> None:
    scheduler, gone, born = site
    assert gone.slurm_id not in {it.slurm_id for it in scheduler.queue()}
    assert scheduler.find([gone.tag], since=born)[gone.tag] == ()
    scheduler.cancel([gone])


def test_a_job_in_the_queue_is_found_by_its_tag_and_cancelled(site: Site) -> None:
    scheduler, _, born = site
    tag = a_tag()
    slurm_id = scheduler.submit(a_script(tag, FOREVER, "--hold"))
    assert scheduler.find([tag], since=born)[tag] == (slurm_id,)
    scheduler.cancel([(slurm_id, tag)])
    eventually(lambda: not in_queue(scheduler, slurm_id, "PENDING"))


@pytest.mark.testbed
def test_a_job_that_left_the_queue_unseen_ends_as_its_end_mark_says_in_every_way(
    forgetful: Testbed, open_bridge: OpenBridge, user_folder: Path
) -> None:
    # All ways at once, since it takes Slurm long to forget a job.
    ways = [it for it in WAYS if it != "through pyslurm" or bridge_has_pyslurm(forgetful)]
    bridges = [opened_by(way, open_bridge, user_folder) for way in ways]
    jobs = [(bridge, [wait_to_end(bridge, code) for code in (0, 7, 0)]) for bridge in bridges]
    for bridge, ours in jobs:
        for job_id in ours:
            bridge.wait_for(job_id, {"started"})
        bridge.stop()
        for job_id in ours:
            bridge.let_go(job_id)
    eventually(lambda: not bridges[0].as_user("squeue", "--me", "-h", "--states=all"))
    for bridge, (_, _, lost) in jobs:
        (mark,) = (bridge.folder / "spool").glob(f"{lost}.*.ended")
        mark.unlink()
        bridge.start()
    for bridge, (good, bad, lost) in jobs:
        wait_for_ends(bridge, {good: "finished", bad: "failed", lost: "failed"})
        ends = [(it.reason, it.exit_code) for it in (bridge.last(job).data for job in (bad, lost))]
        assert ends == [("exit-code", 7), ("lost", None)]


def opened_by(way: str, open_bridge: OpenBridge, parent: Path) -> SiteBridge:
    """A bridge that reaches Slurm in this way, with a folder and job names of its own."""
    name = way.replace(" ", "-")
    folder = parent / name
    folder.mkdir()
    shutil.chown(folder, parent.owner())

    def configure(configuration: Configuration) -> None:
        counting(configuration)
        configuration["scheduler"]["tag_prefix"] = name
        configuration["polling"]["absence_grace"] = "3s"
        if way == "through pyslurm":
            configuration["scheduler"]["kind"] = "pyslurm"

    base = "testbed-ssh.yaml" if way == "over SSH" else "testbed.yaml"
    return open_bridge(configure, base=base, folder=folder)


def wait_to_end(bridge: SiteBridge, code: int) -> str:
    """A job that exits with this code once a file says that it is time; its id."""
    return send(bridge, f"{UNTIL_LET_GO}; exit {code}", resources={"walltime": "00:10:00"})
