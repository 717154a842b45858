"""The nodes of the testbed's Slurm: taken by somebody else, and brought back by root."""

import subprocess
from contextlib import suppress

from rabbitmq_management import until
from site_bridge import SiteBridge, printed_by
from testbed import Testbed

ONE_NODE = {"cpus_per_task": 8, "walltime": "00:05:00"}


def fill_the_nodes(bridge: SiteBridge) -> str:
    """Have a Slurm job of the user's own take all nodes; its id. `scancel` makes room."""
    options = ("--nodes=2", "--ntasks=2", "--cpus-per-task=8", "--time=30", "--output=/dev/null")
    slurm_id = bridge.as_user("sbatch", "--parsable", *options, "--wrap=sleep 600").strip()
    running = ("squeue", "-h", f"--jobs={slurm_id}", "--states=running")
    bridge.wait_until(lambda: bool(bridge.as_user(*running)), "the nodes are taken")
    return slurm_id


def as_root(testbed: Testbed, *argv: str) -> str:
    """What a command of the site's administrator prints."""
    environment = [f"SLURM_CONF={testbed.slurm_conf}", f"PATH={testbed.path}"]
    return printed_by(["env", *environment, *argv])


def bring_nodes_back(testbed: Testbed) -> None:
    """Have Slurm use again the nodes that it, or an administrator, took out of use."""

    def lost() -> set[str]:
        listed = as_root(testbed, "sinfo", "-h", "--states=down,drain", "--Node", "--format=%N")
        return set(listed.split())

    def none_is_lost() -> bool:
        for node in lost():
            # A node that comes back by itself meanwhile cannot be resumed.
            with suppress(subprocess.CalledProcessError):
                as_root(testbed, "scontrol", "update", f"nodename={node}", "state=resume")
        return not lost()

    assert until(none_is_lost)
