"""The daemon is killed at every step of its work, before and after it; the next one goes on."""

import signal
from dataclasses import dataclass

import pytest
from job_load import JobLoad, quick
from site_bridge import OpenBridge, SiteBridge

SOON_ENOUGH = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A daemon, and where it dies."""

    point: str
    nth: int = 1


def both(point: str, *nths: int) -> list[Life]:
    """A life that ends before the step, and one that ends after it; for each count of calls."""
    return [
        Life(point=f"{point}:{when}", nth=nth)
        for nth in nths or (1,)
        for when in ("before", "after")
    ]


@pytest.fixture
def site(open_bridge: OpenBridge) -> SiteBridge:
    bridge = open_bridge(quick)
    bridge.stop()
    return bridge


def live_and_die(site: SiteBridge, life: Life) -> None:
    """The daemon runs up to its end at the point, and not otherwise."""
    site.start_crashing(life.point, life.nth)
    assert site.wait_for_death() == -signal.SIGKILL


# Of `journal.record`, the first says that a submission begins, the others what came of it.
POINTS: dict[str, tuple[int, ...]] = {
    "jobs.take": (1, 2),
    "journal.admit": (1,),
    "jobs.settle": (1,),
    "journal.cancels": (1,),
    "journal.waiting": (1, 2),
    "journal.request": (1, 3),
    "folders.create": (1, 3),
    "journal.record": (1, 2, 3, 5, 7),
    "journal.jobs": (1, 2),
    "scheduler.submit": (1, 3),
    "journal.live": (2,),
    "scheduler.queue": (1, 3),
    "scheduler.accounting": (1, 2),
    "folders.marks": (2, 8),
    "folders.forget": (1, 2),
    "journal.unsent": (1, 3),
    "events.publish": (1, 2, 4),
    "journal.mark_sent": (1, 2, 4),
}


@pytest.mark.parametrize(
    "lives", [pytest.param(both(point, *nths), id=point) for point, nths in POINTS.items()]
)
def test_nothing_is_lost_or_run_twice_when_the_daemon_is_killed_at(
    site: SiteBridge, lives: list[Life]
) -> None:
    load = JobLoad(site)
    for life in lives:
        load.send_a_few()
        live_and_die(site, life)
    site.start()
    load.check()
