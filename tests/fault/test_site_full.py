"""A site that takes only so many jobs of one user gets the others later."""

import pytest
from counted_jobs import counting, send, wait_for_ends
from site_bridge import UNTIL_LET_GO, OpenBridge

MOST = 5
"""What the testbed's `debug` QOS takes of one user: MaxSubmitJobsPerUser."""

pytestmark = pytest.mark.usefixtures("slurm_as_it_was")


def test_more_jobs_than_the_site_takes_are_neither_refused_nor_lost(
    open_bridge: OpenBridge,
) -> None:
    bridge = open_bridge(counting)
    wanted = {"qos": "debug", "walltime": "00:10:00"}
    first = [send(bridge, UNTIL_LET_GO, resources=wanted) for _ in range(MOST)]
    for job_id in first:
        bridge.wait_for(job_id, {"queued"})
    jobs = [send(bridge, "sleep 2", resources=wanted) for _ in range(MOST + 2)]
    bridge.wait_until(lambda: not bridge.takes_jobs(), "no more jobs are taken")
    late = send(bridge, resources=wanted)
    assert bridge.told(late) == []
    for job_id in first:
        bridge.let_go(job_id)
    wait_for_ends(bridge, dict.fromkeys([*first, *jobs, late], "finished"))
    bridge.wait_until(bridge.takes_jobs, "jobs are taken again")
    assert "QOSMaxSubmitJobPerUserLimit" in bridge.logged()
    assert not bridge.events()
