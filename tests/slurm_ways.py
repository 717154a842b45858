"""The real Slurm in each of the ways in which a site may reach it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyslurm_site import through_pyslurm
from slurm_site import command_line
from ssh_site import connected, login_node, scheduler_over
from testbed import Testbed

from bridge.core.settings import SchedulerSettings
from bridge.ports import Scheduler

WAYS = ("on this machine", "over SSH", "through pyslurm")


@contextmanager
def scheduler_by(
    way: str, testbed: Testbed, settings: SchedulerSettings | None = None
) -> Iterator[Scheduler]:
    """The scheduler as the testbed's ordinary user; skips the test where pyslurm does not fit."""
    if way == "over SSH":
        with connected(login_node(testbed)) as connection:
            yield scheduler_over(connection, testbed, settings=settings)
    elif way == "through pyslurm":
        with through_pyslurm(testbed, settings) as scheduler:
            yield scheduler
    else:
        yield command_line(testbed, settings)
