"""The real Slurm through pyslurm, where there is one that fits it."""

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
