"""The broker, and the way to it, go away while the whole bridge has jobs running."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from counted_jobs import counting, send, wait_for_ends
from site_bridge import UNTIL_LET_GO, Configuration, OpenBridge, SiteBridge
from tcp_proxy import TcpProxy
from testbed import Testbed

AFTER_AN_OUTAGE = timedelta(minutes=3)

pytestmark = pytest.mark.usefixtures("slurm_as_it_was")


@pytest.mark.parametrize("end", [Testbed.kill, pytest.param(Testbed.stop, marks=pytest.mark.soak)])
def test_jobs_that_end_while_the_broker_is_away_are_told_when_it_is_back(
    testbed: Testbed,
    open_bridge: OpenBridge,
    back_after: Callable[[str], None],
    end: Callable[[Testbed, str], None],
) -> None:
    bridge = open_bridge(counting)
    jobs = [send(bridge, UNTIL_LET_GO) for _ in range(3)]
    for job_id in jobs:
        bridge.wait_for(job_id, {"started"})
    back_after("rabbitmq")
    end(testbed, "rabbitmq")
    end_all(bridge, jobs)
    assert not [it for it in jobs if "finished" in bridge.told(it)]
    testbed.start("rabbitmq")
    wait_for_ends(bridge, dict.fromkeys(jobs, "finished"), patience=AFTER_AN_OUTAGE)
    wait_for_ends(bridge, {send(bridge): "finished"})


def end_all(bridge: SiteBridge, jobs: list[str]) -> None:
    """Let the jobs end, and wait until the bridge has seen it; the log tells what no event can."""
    for job_id in jobs:
        bridge.let_go(job_id)

    def seen() -> int:
        return sum(
            f"routing_key={bridge.name}.finished" in it for it in bridge.logged().splitlines()
        )

    bridge.wait_until(lambda: seen() == len(jobs), "the bridge has seen all ends")


@pytest.fixture
def way(testbed: Testbed) -> Iterator[TcpProxy]:
    """A way to the broker that can be disturbed."""
    with TcpProxy(testbed.broker.port) as it:
        yield it


@pytest.mark.parametrize("disturb", [TcpProxy.cut, TcpProxy.stall])
def test_jobs_that_end_while_the_way_to_the_broker_is_disturbed_are_told_once_it_is_free(
    open_bridge: OpenBridge, way: TcpProxy, disturb: Callable[[TcpProxy], None]
) -> None:
    def by_that_way(configuration: Configuration) -> None:
        counting(configuration)
        configuration["broker"] |= {"port": way.port, "heartbeat": "1s"}

    bridge = open_bridge(by_that_way)
    jobs = [send(bridge, UNTIL_LET_GO) for _ in range(3)]
    for job_id in jobs:
        bridge.wait_for(job_id, {"started"})
    disturb(way)
    end_all(bridge, jobs)
    way.mend()
    wait_for_ends(bridge, dict.fromkeys(jobs, "finished"), patience=AFTER_AN_OUTAGE)
    wait_for_ends(bridge, {send(bridge): "finished"})
