"""The real Slurm through pyslurm, where there is one that fits it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from slurm_site import command_line
from testbed import Testbed

from bridge.adapters.pyslurm.scheduler import PyslurmScheduler, worker_argv
from bridge.core.errors import ConfigurationError
from bridge.core.settings import SchedulerSettings


@contextmanager
def through_pyslurm(
    testbed: Testbed, settings: SchedulerSettings | None = None
) -> Iterator[PyslurmScheduler]:
    """The scheduler as the testbed's ordinary user; skips the test where pyslurm does not fit."""
    settings = settings or SchedulerSettings()
    looks = command_line(testbed, settings)
    scheduler = PyslurmScheduler(
        settings,
        command_line=looks,
        client=looks.client,
        argv=testbed.as_user(worker_argv(settings)),
    )
    try:
        try:
            scheduler.verify()
        except ConfigurationError as error:
            pytest.skip(f"no pyslurm for this Slurm: {error}")
        yield scheduler
    finally:
        scheduler.close()


def bridge_has_pyslurm(testbed: Testbed) -> bool:
    """Whether the environment of the installed bridge has it."""
    python = str(testbed.bridge_command.with_name("python"))
    seek = "import importlib.util as it, sys; sys.exit(it.find_spec('pyslurm') is None)"
    return subprocess.run([python, "-P", "-c", seek], check=False).returncode == 0
