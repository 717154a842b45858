"""A site that takes only so many jobs of one user gets the others later."""

import pytest
from counted_jobs import counting, send, takes_jobs, wait_for_ends
from site_bridge import OpenBridge
from testbed import Testbed

MOST = 5
"""What the testbed's `debug` QOS takes of one user: MaxSubmitJobsPerUser."""

pytestmark = pytest.mark.usefixtures("slurm_as_it_was")


def test_more_jobs_than_the_site_takes_are_neither_refused_nor_lost(
    testbed: Testbed, open_bridge: OpenBridge
) -> None:
    bridge = open_bridge(counting)
    jobs = [send(bridge, "sleep 2", resources={"qos": "debug"}) for _ in range(2 * MOST + 2)]
    bridge.wait_until(lambda: not takes_jobs(bridge, testbed.broker), "no more jobs are taken")
    late = send(bridge, resources={"qos": "debug"})
    assert bridge.told(late) == []
    wait_for_ends(bridge, dict.fromkeys([*jobs, late], "finished"))
    bridge.wait_until(lambda: takes_jobs(bridge, testbed.broker), "jobs are taken again")
    assert "QOSMaxSubmitJobPerUserLimit" in bridge.logged()
    assert not bridge.events()
