"""A site without accounting: squeue and the scripts' own end marks are all there is."""

from pathlib import Path

import pytest
from counted_jobs import counting, send, wait_for_ends
from site_bridge import Configuration, OpenBridge
from stand_ins import stand_in, stand_ins_first
from testbed import Testbed

pytestmark = pytest.mark.usefixtures("slurm_as_it_was")

ACCOUNTING_IS_OFF = """\
echo 'Slurm accounting storage is disabled' >&2
exit 1
"""
FORGETS_AT_ONCE = """\
exec {real} "${{@/--states=all/--states=pending,running,suspended,completing}}"
"""
"""As squeue is when MinJobAge has passed: jobs that have ended are gone."""


@pytest.mark.parametrize("is_listed", [True, False], ids=["still in squeue", "gone from squeue"])
def test_without_accounting_jobs_come_to_the_right_end(
    testbed: Testbed, open_bridge: OpenBridge, user_folder: Path, *, is_listed: bool
) -> None:
    folder = stand_in(testbed, user_folder, "sacct", ACCOUNTING_IS_OFF)
    if not is_listed:
        stand_in(testbed, user_folder, "squeue", FORGETS_AT_ONCE)

    def without_accounting(configuration: Configuration) -> None:
        counting(configuration)
        stand_ins_first(configuration, folder)

    bridge = open_bridge(without_accounting)
    good, bad = send(bridge), send(bridge, "exit 7")
    stopped = send(bridge, "sleep 300")
    bridge.wait_for(stopped, {"started"})
    wait_for_ends(bridge, {good: "finished", bad: "failed"})
    data = bridge.last(bad).data
    assert (data.reason, data.exit_code) == ("exit-code", 7)
    if is_listed:
        bridge.cancel(stopped)
        wait_for_ends(bridge, {stopped: "cancelled"})
