"""Relaunch and cancel on the real site, also while parts of it are away."""

import uuid
from collections.abc import Callable

import pytest
from counted_jobs import ENDS, counting, impatient, runs_of, send, wait_for_ends
from site_bridge import OpenBridge, SiteBridge
from slurm_nodes import ONE_NODE
from testbed import Testbed

FAILS_TWICE = '[ "$BRIDGE_ATTEMPT" = 3 ] || exit 7'
LONG_THE_FIRST_TIME = '[ "$BRIDGE_ATTEMPT" != 1 ] || sleep 300'
HELD_JOBS = 5
"""As many as the testbed's `debug` QOS takes of one user."""

pytestmark = pytest.mark.usefixtures("slurm_as_it_was")


@pytest.fixture
def bridge(open_bridge: OpenBridge) -> SiteBridge:
    return open_bridge(counting)


def again(attempts: int, **further: object) -> dict[str, object]:
    return {"attempts": attempts, "wait": "1s", **further}


def attempts(bridge: SiteBridge, job_id: str) -> list[int]:
    return [it.attempt for it in runs_of(bridge, job_id)]


def test_exit_codes_are_tried_again_as_often_as_was_asked(bridge: SiteBridge) -> None:
    any_code = again(3, reasons=["exit-code"])
    in_the_end = send(bridge, FAILS_TWICE, retry=any_code)
    exhausted = send(bridge, "exit 7", retry=again(2, exit_codes=[7]))
    other_code = send(bridge, "exit 8", retry=again(2, exit_codes=[7]))
    wait_for_ends(bridge, {in_the_end: "finished", exhausted: "failed", other_code: "failed"})
    assert attempts(bridge, in_the_end) == [1, 2, 3]
    assert bridge.told(in_the_end).count("retrying") == 2
    assert bridge.last(in_the_end).data.attempt == 3
    assert attempts(bridge, exhausted) == [1, 2]
    assert bridge.last(exhausted).data.exit_code == 7
    assert attempts(bridge, other_code) == [1]


@pytest.mark.soak
def test_a_job_that_ran_out_of_time_gets_more_of_it(bridge: SiteBridge) -> None:
    job_id = send(
        bridge,
        LONG_THE_FIRST_TIME,
        resources={"walltime": "00:01:00"},
        retry=again(2, reasons=["timeout"], walltime_factor=3),
    )
    wait_for_ends(bridge, {job_id: "finished"})
    retrying = bridge.wait_for(job_id, {"retrying"}).data
    assert retrying.reason == "timeout"
    assert attempts(bridge, job_id) == [1, 2]
    slurm_id = str(bridge.last(job_id).data.slurm_id)
    limit = bridge.as_user("squeue", "-h", "--states=all", f"--jobs={slurm_id}", "--format=%l")
    assert limit.strip() == "3:00"


def test_a_job_that_waits_for_its_next_attempt_can_be_cancelled(bridge: SiteBridge) -> None:
    job_id = send(bridge, "exit 7", retry={"attempts": 2, "wait": "10m", "reasons": ["exit-code"]})
    bridge.wait_for(job_id, {"retrying"})
    bridge.cancel(job_id)
    wait_for_ends(bridge, {job_id: "cancelled"})
    assert bridge.last(job_id).data.detail == "cancelled before attempt 2 was submitted"
    assert attempts(bridge, job_id) == [1]


def test_jobs_are_cancelled_while_they_run_and_while_they_wait(bridge: SiteBridge) -> None:
    running = [send(bridge, "sleep 300", resources=ONE_NODE) for _ in range(2)]
    for job_id in running:
        bridge.wait_for(job_id, {"started"})
    waiting = send(bridge, resources=ONE_NODE)
    bridge.wait_for(waiting, {"pending"})
    bridge.cancel(waiting)
    wait_for_ends(bridge, {waiting: "cancelled"})
    assert bridge.last(waiting).data.detail == "cancelled before it started"
    assert attempts(bridge, waiting) == []
    for job_id in (running[0], running[0], running[1]):
        bridge.cancel(job_id)
    wait_for_ends(bridge, dict.fromkeys(running, "cancelled"))
    assert bridge.last(running[0]).data.detail == "stopped while it ran"
    bridge.cancel(running[0])
    after = send(bridge)
    wait_for_ends(bridge, {after: "finished", running[0]: "cancelled"})


def test_a_cancel_that_comes_before_its_job_is_told_as_unknown_and_kept(
    bridge: SiteBridge,
) -> None:
    job_id = str(uuid.uuid4())
    bridge.cancel(job_id)
    rejected = bridge.wait_for(job_id, {"rejected"}).data
    assert [it.where for it in rejected.problems] == ["job_id"]
    send(bridge, job_id=job_id)
    bridge.wait_for(job_id, ENDS)
    assert bridge.told(job_id) == ["rejected", "accepted", "cancelled"]
    assert runs_of(bridge, job_id) == []


def test_a_job_that_a_full_site_holds_back_can_be_cancelled(bridge: SiteBridge) -> None:
    held = ("sbatch", "--parsable", "--hold", "--qos=debug", "--time=1", "--output=/dev/null")
    for _ in range(HELD_JOBS):
        bridge.as_user(*held, "--wrap=true")
    job_id = send(bridge, resources={"qos": "debug"})
    bridge.wait_until(lambda: "site_takes_no_jobs" in bridge.logged(), "the site is full")
    bridge.wait_for(job_id, {"accepted"})
    assert bridge.told(job_id) == ["accepted"]
    bridge.cancel(job_id)
    wait_for_ends(bridge, {job_id: "cancelled"})
    assert bridge.told(job_id) == ["accepted", "cancelled"]
    assert bridge.last(job_id).data.detail == "cancelled before it was submitted"
    assert runs_of(bridge, job_id) == []


def test_a_cancel_during_an_outage_is_done_and_told_when_slurm_is_back(
    testbed: Testbed, open_bridge: OpenBridge, back_after: Callable[[str], None]
) -> None:
    bridge = open_bridge(impatient)
    running = send(bridge, "sleep 300")
    bridge.wait_for(running, {"started"})
    back_after("slurmctld")
    testbed.stop("slurmctld")
    unsent = send(bridge)
    bridge.wait_for(unsent, {"accepted"})
    bridge.cancel(running)
    bridge.cancel(unsent)
    bridge.wait_for(None, {"unreachable"})
    assert bridge.told(running)[-1] == "started"
    testbed.start("slurmctld")
    wait_for_ends(bridge, {running: "cancelled", unsent: "cancelled"})
    assert bridge.last(running).data.detail == "stopped while it ran"
    assert runs_of(bridge, unsent) == []
