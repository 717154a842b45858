"""A small sweep, and all that has to be so of it whatever the way to Slurm."""

from site_bridge import SiteBridge

from bridge.core.job import JobId, task_id


def check_a_sweep_of_three(bridge: SiteBridge, **sweep: object) -> None:
    """It is one array, and each task has its own parameters and its own log."""
    asked = {"list": [{"n": it} for it in range(3)], **sweep}
    job_id = bridge.run("sh", "-c", 'cat "$BRIDGE_PARAMS"', sweep=asked)
    assert bridge.told(job_id) == ["accepted", "queued", "started", "finished"]
    array = bridge.last(job_id).data.slurm_id
    for index in range(3):
        task = task_id(JobId(job_id), index)
        assert bridge.last(task).data.slurm_id == f"{array}_{index}"
        assert (bridge.folder / task / "stdout").read_text() == f"n: {index}\n"
