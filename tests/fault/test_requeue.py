"""What Slurm does to jobs by itself, or an administrator by hand: requeue, preempt, hold, fail."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from counted_jobs import counting, runs_of, send, wait_for_ends
from site_bridge import OpenBridge, SiteBridge
from slurm_nodes import ONE_NODE, as_root, bring_nodes_back, fill_the_nodes
from testbed import Testbed

BackAfter = Callable[[str], None]
LONG_AT_FIRST = '[ "$TEST_RESTART" != 0 ] || sleep 300'
LONG_THE_FIRST_TIME = '[ "$BRIDGE_ATTEMPT" != 1 ] || sleep 300'

pytestmark = pytest.mark.usefixtures("slurm_as_it_was")


@pytest.fixture
def bridge(open_bridge: OpenBridge) -> SiteBridge:
    return open_bridge(counting)


def slurm_id_of(bridge: SiteBridge, job_id: str) -> str:
    return str(bridge.last(job_id).data.slurm_id)


def wait_until_it_runs(bridge: SiteBridge, job_id: str) -> str:
    """Wait until the container has noted its run; the node."""
    started = bridge.wait_for(job_id, {"started"})
    bridge.wait_until(lambda: bool(runs_of(bridge, job_id)), "the container runs")
    return str(started.data.nodes)


def runs(bridge: SiteBridge, job_id: str) -> list[tuple[int, int]]:
    """Attempt and restart of each run."""
    return [(it.attempt, it.restart) for it in runs_of(bridge, job_id)]


def test_a_requeued_job_starts_again_and_ends_once(bridge: SiteBridge) -> None:
    job_id = send(bridge, LONG_AT_FIRST)
    wait_until_it_runs(bridge, job_id)
    bridge.as_user("scontrol", "requeue", slurm_id_of(bridge, job_id))
    wait_for_ends(bridge, {job_id: "finished"})
    told = [it for it in bridge.told(job_id) if it in {"started", "requeued", "finished"}]
    assert told == ["started", "requeued", "started", "finished"]
    assert runs(bridge, job_id) == [(1, 0), (1, 1)]
    assert len({it.slurm_id for it in runs_of(bridge, job_id)}) == 1
    last = bridge.last(job_id).data
    assert (last.attempt, last.restart) == (1, 1)


def test_a_preempted_job_makes_room_and_starts_again(bridge: SiteBridge) -> None:
    wanted = {**ONE_NODE, "qos": "preempt"}
    low = [send(bridge, LONG_AT_FIRST, resources=wanted) for _ in range(2)]
    for job_id in low:
        wait_until_it_runs(bridge, job_id)
    high = send(bridge, resources={**ONE_NODE, "qos": "regular"})
    wait_for_ends(bridge, {high: "finished"})
    bridge.wait_until(lambda: any("requeued" in bridge.told(it) for it in low), "it is told")
    (preempted,) = [it for it in low if "requeued" in bridge.told(it)]
    wait_for_ends(bridge, {preempted: "finished"})
    assert runs(bridge, preempted) == [(1, 0), (1, 1)]
    assert runs(bridge, high) == [(1, 0)]
    (undisturbed,) = [it for it in low if it != preempted]
    assert bridge.told(undisturbed)[-1] == "started"


def wait_until_why(bridge: SiteBridge, job_id: str, words: str) -> None:
    """Wait until it is told: Slurm may have given another reason before it had looked closely."""
    bridge.wait_until(
        lambda: any(it.data.detail == words for it in bridge.events(job_id)), f"{job_id}: {words}"
    )


def test_jobs_that_wait_tell_why_and_what_holds_them(bridge: SiteBridge) -> None:
    in_the_way = fill_the_nodes(bridge)
    first = send(bridge, resources=ONE_NODE)
    wait_until_why(bridge, first, "it is next, and waits for nodes to become free (Resources)")
    second = send(bridge, resources=ONE_NODE)
    wait_until_why(bridge, second, "other jobs come first (Priority)")
    bridge.as_user("scontrol", "hold", slurm_id_of(bridge, second))
    held = bridge.wait_for(second, {"held"}).data
    assert held.detail == "its owner holds it, until it is released (JobHeldUser)"
    assert held.phase == "held"
    bridge.as_user("scontrol", "release", slurm_id_of(bridge, second))
    bridge.wait_until(lambda: bridge.told(second)[-1] in {"queued", "pending"}, "it is released")
    bridge.as_user("scancel", in_the_way)
    wait_for_ends(bridge, {first: "finished", second: "finished"})
    assert runs(bridge, second) == [(1, 0)]


def test_when_slurm_expects_a_job_to_start_is_told_with_the_reason(bridge: SiteBridge) -> None:
    fill_the_nodes(bridge)
    first, second = (send(bridge, resources=ONE_NODE) for _ in range(2))
    for job_id in (first, second):
        bridge.wait_for(job_id, {"pending"})
    expects = ("squeue", "-h", f"--jobs={slurm_id_of(bridge, second)}", "--format=%S")
    bridge.wait_until(lambda: bridge.as_user(*expects).strip() != "N/A", "Slurm expects a start")
    bridge.as_user("scancel", slurm_id_of(bridge, first))
    bridge.wait_until(
        lambda: bridge.last(second).data.pending_reason == "Resources", "the reason changes"
    )
    expected = bridge.last(second).data.expected_start_at
    assert expected is not None
    assert expected > datetime.now(UTC)


def test_the_jobs_of_a_node_that_dies_are_requeued_by_slurm_and_finish_elsewhere(
    testbed: Testbed, bridge: SiteBridge, back_after: BackAfter
) -> None:
    job_id = send(bridge, LONG_AT_FIRST)
    node = wait_until_it_runs(bridge, job_id)
    back_after(node)
    testbed.kill(node, with_jobs=True)
    wait_for_ends(bridge, {job_id: "finished"})
    assert "requeued" in bridge.told(job_id)
    assert runs(bridge, job_id) == [(1, 0), (1, 1)]
    assert bridge.last(job_id).data.nodes != node


def test_where_slurm_may_not_requeue_a_lost_node_fails_the_job_or_brings_the_next_attempt(
    testbed: Testbed, bridge: SiteBridge
) -> None:
    retry = {"attempts": 2, "wait": "1s"}
    given_up = send(bridge, "sleep 300")
    tried_again = send(bridge, LONG_THE_FIRST_TIME, retry=retry)
    nodes = {wait_until_it_runs(bridge, it) for it in (given_up, tried_again)}
    for job_id in (given_up, tried_again):
        slurm_id = slurm_id_of(bridge, job_id)
        bridge.as_user("scontrol", "update", f"jobid={slurm_id}", "requeue=0")
    for node in nodes:
        as_root(testbed, "scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    retrying = bridge.wait_for(tried_again, {"retrying"}).data
    assert (retrying.reason, retrying.attempt) == ("node-failure", 1)
    assert retrying.detail == "its node failed; attempt 2 of 2 follows"
    bring_nodes_back(testbed)
    wait_for_ends(bridge, {given_up: "failed", tried_again: "finished"})
    assert bridge.last(given_up).data.reason == "node-failure"
    assert runs(bridge, given_up) == [(1, 0)]
    assert runs(bridge, tried_again) == [(1, 0), (2, 0)]
    assert len({it.slurm_id for it in runs_of(bridge, tried_again)}) == 2
