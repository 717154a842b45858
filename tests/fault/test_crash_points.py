"""The daemon is killed at every step of its work, before and after it; the next one goes on."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from counted_jobs import JobLoad, quick
from rabbitmq_management import until
from site_bridge import OpenBridge, SiteBridge

ENOUGH = timedelta(seconds=15)
"""For the jobs that were sent to bring the daemon to its point, on most machines."""
MORE_JOBS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A daemon, and where it dies."""

    point: str
    nth: int = 1
    armed_by: str = "journal.admit:before"
    """From when on the calls of the point are counted: while no job has come they say little."""


def both(point: str, *nths: int, armed_by: str = "journal.admit:before") -> list[Life]:
    """A life that ends before the step, and one that ends after it; for each count of calls."""
    return [
        Life(point=f"{point}:{when}", nth=nth, armed_by=armed_by)
        for nth in nths or (1,)
        for when in ("before", "after")
    ]


@pytest.fixture
def site(open_bridge: OpenBridge) -> SiteBridge:
    bridge = open_bridge(quick)
    bridge.stop()
    return bridge


def live_and_die(site: SiteBridge, load: JobLoad, life: Life) -> None:
    """The daemon runs up to its end at the point, and not otherwise."""
    site.start_crashing(life.point, life.nth, life.armed_by)
    for _ in range(MORE_JOBS):
        if until(lambda: not site.is_alive, within=ENOUGH):
            break
        # A machine that is slow deals with more at once, and comes by the point less often.
        load.send(seconds=1)
    assert site.wait_for_death() == -signal.SIGKILL


INTAKE = [
    *both("jobs.take", 1, 2),
    *both("journal.admit"),
    *both("journal.cancels"),
    *both("jobs.settle"),
]
BEFORE_SBATCH = [
    *both("journal.waiting", 1, 2),
    *both("journal.request", 1, 3),
    *both("folders.create", 1, 3),
    *both("journal.jobs", 1, 2),
]
# The first record says that a submission begins, the others what came of it.
SBATCH = [*both("journal.record", 1, 2, 3, 5), *both("scheduler.submit", 1, 3)]
WATCH = [
    *both("journal.live", 2),
    *both("scheduler.queue", 1, 2),
    *both("scheduler.accounting"),
    *both("folders.marks", 2, 4),
    *both("folders.forget", 1, 2),
    *both("folders.claim"),
]
RELAY = [
    *both("journal.unsent", 1, 3),
    *both("events.publish", 1, 2, 4),
    *both("journal.mark_sent", 1, 2, 4),
]


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param(INTAKE, id="intake"),
        pytest.param(BEFORE_SBATCH, id="before sbatch"),
        pytest.param(SBATCH, id="sbatch"),
        pytest.param(WATCH, id="watch"),
        pytest.param(RELAY, id="relay"),
    ],
)
def test_nothing_is_lost_or_run_twice_by_daemons_that_are_killed_in(
    site: SiteBridge, lives: Sequence[Life]
) -> None:
    load = JobLoad(site)
    for life in lives:
        load.send(seconds=1)
        load.send(exit_code=7)
        live_and_die(site, load, life)
    site.start()
    load.check()


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_daemon_killed_while_it_looks_for_what_became_of_a_submission_is_replaced(
    site: SiteBridge, dies: str
) -> None:
    load = JobLoad(site)
    load.send(exit_code=7)
    load.send()
    live_and_die(site, load, Life(point="scheduler.submit:before"))
    live_and_die(site, load, Life(point=f"scheduler.find:{dies}", armed_by="start"))
    site.start()
    load.check()


def test_cancels_outlive_the_daemons_that_take_them(site: SiteBridge) -> None:
    load = JobLoad(site)
    for life in (
        *both("control.take", 1, 2, armed_by="start"),
        *both("journal.remember_cancel", armed_by="start"),
        *both("control.settle", armed_by="start"),
        *both("journal.cancelling", 2, armed_by="start"),
    ):
        load.send_one_to_cancel()
        load.send()
        live_and_die(site, load, life)
    site.start()
    load.check()


def test_running_jobs_are_cancelled_by_daemons_that_are_killed_around_scancel(
    site: SiteBridge,
) -> None:
    load = JobLoad(site)
    site.start()
    running = [load.send(seconds=None) for _ in range(3)]
    for job_id in running:
        site.wait_for(job_id, {"started"})
    site.stop()
    for job_id in running:
        load.cancel(job_id)
    for life in both("scheduler.cancel", armed_by="start"):
        live_and_die(site, load, life)
    site.start()
    load.check()
    for job_id in running:
        assert site.last(job_id).data.detail == "stopped while it ran"
