"""The daemon is killed again and again, at any moment, while jobs flow.

For an hour or so instead of a minute, and with other moments each time:

    BRIDGE_TEST_SOAK_MINUTES=60 BRIDGE_TEST_SEED=$RANDOM scripts/test -m soak -k killed_at_random
"""

import os
import random
import time
from datetime import timedelta

import pytest
from counted_jobs import JobLoad, quick
from site_bridge import OpenBridge, SiteBridge

SEED = int(os.environ.get("BRIDGE_TEST_SEED", "20260101"))
SOAK = timedelta(minutes=float(os.environ.get("BRIDGE_TEST_SOAK_MINUTES", "10")))
AT_ONCE = 40
"""So many jobs may be on their way at once: more only make the test wait."""
ENOUGH = 40
"""Jobs: a machine that is slow takes more time for them."""


@pytest.fixture
def site(open_bridge: OpenBridge) -> SiteBridge:
    bridge = open_bridge(quick)
    bridge.stop()
    return bridge


def send_something(load: JobLoad, chance: random.Random) -> None:
    kind = chance.random()
    if kind < 0.1:
        load.send_one_to_cancel()
    elif kind < 0.4:
        load.send(exit_code=chance.randint(1, 100), seconds=chance.choice([0, 1]))
    else:
        load.send(seconds=chance.choice([0, 0, 1, 3]))


def kill_at_random(site: SiteBridge, load: JobLoad, *, lasting: timedelta) -> None:
    """Daemons come and go; each life is long enough to do something, or not."""
    chance = random.Random(SEED)  # noqa: S311  # the same moments at each run
    print(f"seed {SEED}")  # noqa: T201  # shown when the test fails
    kills = 0
    ends = time.monotonic() + lasting.total_seconds()
    while time.monotonic() < ends or len(load) < ENOUGH:
        site.launch()
        time.sleep(chance.uniform(0.2, 2.5))
        for _ in range(min(chance.randint(0, 8), AT_ONCE - load.unfinished())):
            send_something(load, chance)
        # Often while it is still busy with these.
        time.sleep(chance.choice([chance.uniform(0, 0.2), chance.uniform(0, 1.5)]))
        site.kill()
        kills += 1
    print(f"{kills} daemons killed, {len(load)} jobs sent")  # noqa: T201


def test_nothing_is_lost_or_run_twice_when_the_daemon_is_killed_at_random(
    site: SiteBridge,
) -> None:
    load = JobLoad(site)
    kill_at_random(site, load, lasting=timedelta(seconds=40))
    site.start()
    load.check()


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_nothing_is_lost_or_run_twice_for_as_long_as_the_daemon_is_killed_at_random(
    site: SiteBridge,
) -> None:
    load = JobLoad(site)
    kill_at_random(site, load, lasting=SOAK)
    site.start()
    load.check()
