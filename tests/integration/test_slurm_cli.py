"""Slurm's commands on this machine: what they are given of the daemon, and where there are none."""

import os
import pwd
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from slurm_site import a_script, a_tag, command_line, in_queue
from testbed import Testbed

from bridge.adapters.run_local import LocalRunner
from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.core.errors import SubmissionRefusedError, UnavailableError
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


def sbatch_that(folder: Path, words: str) -> SchedulerSettings:
    """A site whose own `sbatch`, a wrapper, does these words of a shell with Slurm's as `$real`."""
    real = shutil.which("sbatch")
    wrapper = folder / "sbatch"
    wrapper.write_text(f"#!/bin/sh\nreal={real}\n{words}\n")
    wrapper.chmod(0o755)
    return SchedulerSettings(environment=(("PATH", f"{folder}:/usr/bin:/bin"),))


def test_a_wrapper_that_names_our_own_cluster_changes_no_id(
    testbed: Testbed, user_folder: Path
) -> None:
    named = 'exec "$real" --clusters="$(scontrol show config | awk \'/^ClusterName/ {print $3}\')"'
    slurm = command_line(testbed, sbatch_that(user_folder, f'{named} "$@"'))
    tag = a_tag()
    slurm_id = slurm.submit(a_script(tag, FOREVER, "--hold"))
    assert slurm_id.isdecimal()
    assert in_queue(slurm, slurm_id, "PENDING") is not None
    slurm.cancel([(slurm_id, tag)])


def test_a_job_that_went_to_another_cluster_is_refused(testbed: Testbed, user_folder: Path) -> None:
    elsewhere = 'echo "$("$real" "$@");elsewhere"'
    slurm = command_line(testbed, sbatch_that(user_folder, elsewhere))
    tag = a_tag()
    with pytest.raises(SubmissionRefusedError, match=r"the cluster elsewhere, where it is [0-9]+;"):
        slurm.submit(a_script(tag, FOREVER, "--hold"))
    # There is no such cluster here: the job is in the queue of the only one.
    found = slurm.find([tag], since=datetime.now(UTC))[tag]
    assert len(found) == 1
    slurm.cancel([(it, tag) for it in found])
