"""Slurm's commands on this machine: what they are given of the daemon, and where there are none."""

import os
import pwd
from collections.abc import Sequence
from datetime import timedelta

import pytest
from slurm_site import a_script, a_tag, command_line
from testbed import Testbed

from bridge.adapters.run_local import LocalRunner
from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.core.errors import UnavailableError
from bridge.core.settings import SchedulerSettings
from bridge.ports import Completed

FOREVER = "sleep 300"


def test_a_command_that_is_not_installed_is_unavailable(testbed: Testbed) -> None:
    settings = SchedulerSettings(environment=(("PATH", "/nonexistent"),))
    slurm = command_line(testbed, settings)
    for ask in (slurm.queue, lambda: slurm.submit(a_script(a_tag(), FOREVER))):
        with pytest.raises(UnavailableError, match="No such file or directory"):
            ask()


class KeepingItsEnvironment:
    """Becomes the ordinary user, as `as_user` does, but with the environment of the runner."""

    def __init__(self, testbed: Testbed, runner: LocalRunner) -> None:
        self._account = pwd.getpwnam(testbed.user)
        self._runner = runner

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: timedelta) -> Completed:
        ids = (f"--reuid={self._account.pw_uid}", f"--regid={self._account.pw_gid}")
        become = ("/usr/bin/setpriv", *ids, "--init-groups", "--")
        return self._runner.run([*become, *argv], stdin=stdin, timeout=timeout)


def test_the_daemons_own_environment_does_not_change_a_submission(testbed: Testbed) -> None:
    environment = {**os.environ, "SLURM_CONF": "/nonexistent", "SBATCH_PARTITION": "nowhere"}
    settings = SchedulerSettings(environment=(("SLURM_CONF", str(testbed.slurm_conf)),))
    slurm = SlurmCommandLine(KeepingItsEnvironment(testbed, LocalRunner(environment)), settings)
    tag = a_tag()
    slurm_id = slurm.submit(a_script(tag, FOREVER, "--hold"))
    slurm.cancel([(slurm_id, tag)])
