"""Long work never costs the broker's connections: the failure that this project began with."""

from pathlib import Path

import pytest
from rabbitmq_management import Management, until
from site_bridge import Configuration, OpenBridge, SiteBridge
from stand_ins import stand_in, stand_ins_first
from testbed import Testbed

HEARTBEAT = 2
LONGER = 4 * HEARTBEAT
"""More than three heartbeat intervals, in seconds."""
HANGS_ONCE = """\
# Hangs the first time that it is asked, for that long at least, and until it may go on.
name=${{0##*/}}
if mkdir "{folder}/$name-hung" 2>/dev/null; then
    sleep SECONDS
    for _ in $(seq 100); do
        [ ! -e "{folder}/go-on" ] || break
        sleep 0.2
    done
    date > "{folder}/$name-hung/over"
fi
exec {real} "$@"
""".replace("SECONDS", str(LONGER))


class Connections:
    """What the broker says of a bridge's connections."""

    def __init__(self, bridge: SiteBridge, testbed: Testbed) -> None:
        self._management = Management(testbed.broker)
        namespace = bridge.settings.broker.namespace
        self._names = (f"{namespace} publisher", f"{namespace} {bridge.name} consumer")

    def standing(self) -> dict[str, list[str]]:
        """The broker's own names of them; a connection that is opened anew has another one."""
        return {it: self._management.connections(it) for it in self._names}

    def are_told(self) -> bool:
        """Whether the broker tells of one connection each: its statistics take a moment."""
        return all(len(it) == 1 for it in self.standing().values())

    def heartbeats(self) -> list[int]:
        return [seconds for it in self._names for seconds in self._management.heartbeats(it)]


def beating(configuration: Configuration) -> None:
    configuration["broker"]["heartbeat"] = f"{HEARTBEAT}s"


def test_a_job_that_runs_for_longer_than_three_heartbeats_costs_no_connection(
    open_bridge: OpenBridge, testbed: Testbed
) -> None:
    bridge = open_bridge(beating)
    connections = Connections(bridge, testbed)
    assert until(connections.are_told)
    assert connections.heartbeats() == [HEARTBEAT, HEARTBEAT]
    before = connections.standing()
    job_id = bridge.run("sleep", str(LONGER))
    assert connections.standing() == before
    assert bridge.life(job_id) == ["accepted", "queued", "started", "exited", "finished"]


@pytest.mark.parametrize("command", ["sbatch", "squeue"])
def test_a_slurm_command_that_hangs_for_longer_than_three_heartbeats_costs_no_connection(
    command: str, open_bridge: OpenBridge, testbed: Testbed, user_folder: Path
) -> None:
    stand_ins = stand_in(testbed, user_folder, command, HANGS_ONCE)

    def configure(configuration: Configuration) -> None:
        beating(configuration)
        stand_ins_first(configuration, stand_ins)

    bridge = open_bridge(configure)
    connections = Connections(bridge, testbed)
    assert until(connections.are_told)
    before = connections.standing()
    job_id = bridge.submit(bridge.job("true"))
    bridge.wait_until((user_folder / f"{command}-hung").exists, f"{command} hangs")
    # While it hangs, another message is taken and its event goes out.
    other = bridge.submit(bridge.job("true"))
    bridge.wait_for(other, {"accepted"})
    assert not (user_folder / f"{command}-hung" / "over").exists()
    (user_folder / "go-on").touch()
    for it in (job_id, other):
        bridge.wait_for(it, {"finished"})
        assert bridge.life(it) == ["accepted", "queued", "started", "exited", "finished"]
    assert (user_folder / f"{command}-hung" / "over").exists()
    assert connections.standing() == before
