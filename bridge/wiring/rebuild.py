"""What a lost journal is made anew from."""

from collections.abc import Iterator
from contextlib import contextmanager

from bridge.adapters.clock import SystemClock
from bridge.adapters.local_folders import LocalRemains
from bridge.adapters.run_local import LocalRunner
from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.adapters.sqlite_journal import open_journal
from bridge.core.settings import SchedulerKind, SiteSettings
from bridge.flows.rebuild import Findings, Remains, fill, search
from bridge.ports import Clock, Scheduler
from bridge.wiring.reach import local_processes, login_node


def rebuild_journal(settings: SiteSettings) -> Findings:
    """Make a site's lost journal anew from Slurm and the jobs' folders.

    Raises ConfigurationError when the journal is not lost or a daemon has it, and UnavailableError
    when Slurm or the disk does not answer; nothing is restored then.
    """
    clock = SystemClock()
    with _left_over(settings, clock) as (remains, scheduler):
        findings = search(site=settings.site, remains=remains, scheduler=scheduler, clock=clock)
        with open_journal(settings.journal, clock=clock) as journal:
            fill(journal, findings, remains, hold_lock=journal.lock.renew)
    return findings


@contextmanager
def _left_over(settings: SiteSettings, clock: Clock) -> Iterator[tuple[Remains, Scheduler]]:
    """What a rebuild asks, within no budget."""
    access = settings.scheduler.access
    if access is not None:
        with login_node(settings, access, clock) as node:
            yield node.remains, SlurmCommandLine(node.runner, settings.scheduler)
        return
    remains = LocalRemains(settings.site.work_root, clock)
    if settings.scheduler.kind is SchedulerKind.LOCAL:
        yield remains, local_processes(settings, clock)
    else:
        yield remains, SlurmCommandLine(LocalRunner(), settings.scheduler)
