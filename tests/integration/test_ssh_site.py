"""The main job over SSH: `hpc-bridge run` with testbed-ssh.yaml, as a site would use it."""

import json

from site_bridge import OpenBridge, SiteBridge
from sweep_of_three import check_a_sweep_of_three

TERMINAL = {"finished", "failed", "cancelled"}


def over_ssh(open_bridge: OpenBridge) -> SiteBridge:
    return open_bridge(base="testbed-ssh.yaml")


def test_a_job_over_ssh_finishes_and_leaves_its_output(open_bridge: OpenBridge) -> None:
    bridge = over_ssh(open_bridge)
    job_id = bridge.run("sh", "-c", "echo from the node; id -un")
    assert [it for it in bridge.life(job_id) if it != "exited"] == [
        *("accepted", "queued", "started", "finished"),
    ]
    folder = bridge.folder / job_id
    assert json.loads((folder / "job.json").read_text())["job_id"] == job_id
    assert (folder / "stdout").read_text().startswith("from the node\n")
    assert "ssh_connected" in bridge.logged()


def test_a_job_over_ssh_that_exits_with_seven_fails_with_seven(open_bridge: OpenBridge) -> None:
    bridge = over_ssh(open_bridge)
    last = bridge.last(bridge.run("sh", "-c", "exit 7"))
    assert (last.data.event, last.data.exit_code) == ("failed", 7)


def test_a_job_over_ssh_is_cancelled(open_bridge: OpenBridge) -> None:
    bridge = over_ssh(open_bridge)
    job_id = bridge.submit(bridge.job("sleep", "300"))
    bridge.wait_for(job_id, {"started"})
    bridge.cancel(job_id)
    assert bridge.wait_for(job_id, TERMINAL).data.event == "cancelled"


def test_a_sweep_over_ssh_is_one_array_with_a_log_for_each_task(open_bridge: OpenBridge) -> None:
    check_a_sweep_of_three(over_ssh(open_bridge))


def test_ten_jobs_over_ssh_run_each_once(open_bridge: OpenBridge) -> None:
    bridge = over_ssh(open_bridge)
    jobs = [bridge.submit(bridge.job("true")) for _ in range(10)]
    for job_id in jobs:
        assert bridge.wait_for(job_id, TERMINAL).data.event == "finished"
        claims = (bridge.folder / job_id).glob("*.claim")
        assert [it.name for it in claims] == ["attempt-1.claim"]
