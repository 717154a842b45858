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
        argv=worker(testbed, settings),
    )
    try:
        try:
            scheduler.verify()
        except ConfigurationError as error:
            pytest.skip(f"no pyslurm for this Slurm: {error}")
        yield scheduler
    finally:
        scheduler.close()


def worker(testbed: Testbed, settings: SchedulerSettings) -> list[str]:
    """What starts a worker of the installed bridge as that user.

    The checkout's own Python is not for that user: it may lie in root's home.
    """
    return testbed.as_user(worker_argv(settings, python_of_bridge(testbed)))


def python_of_bridge(testbed: Testbed) -> str:
    return str(testbed.bridge_command.with_name("python"))


def bridge_has_pyslurm(testbed: Testbed) -> bool:
    """Whether the environment of the installed bridge has it."""
    seek = "import importlib.util as it, sys; sys.exit(it.find_spec('pyslurm') is None)"
    return (
        subprocess.run([python_of_bridge(testbed), "-P", "-c", seek], check=False).returncode == 0
    )
