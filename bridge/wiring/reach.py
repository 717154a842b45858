"""How a site is reached: what runs its scripts, its folders, its images."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.adapters.budgeted import BudgetedRunner
from bridge.adapters.local_folders import LocalFiles, LocalFolders
from bridge.adapters.local_processes.scheduler import LocalProcesses
from bridge.adapters.pyslurm.scheduler import PyslurmScheduler
from bridge.adapters.run_local import LocalRunner
from bridge.adapters.site_images import SiteImages
from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.core.errors import ConfigurationError, Problem
from bridge.core.settings import SchedulerKind, SchedulerSettings, SiteSettings, SshSettings
from bridge.flows.rebuild import Remains
from bridge.ports import Clock, Images, JobFiles, JobFolders, Runner, Scheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What runs the scripts, the jobs' folders and the images."""

    scheduler: Scheduler
    folders: JobFolders
    files: JobFiles
    images: Images


@contextmanager
def reached(settings: SiteSettings, clock: Clock) -> Iterator[Reached]:
    """What is on this machine, or on a login node.

    Local jobs are nobody else's while the journal is held.
    """
    access = settings.scheduler.access
    if settings.scheduler.kind is SchedulerKind.LOCAL:
        yield _here(local_processes(settings, clock), settings, clock)
        return
    if settings.scheduler.kind is SchedulerKind.PYSLURM:
        with open_pyslurm(settings, clock, spent_in=_spent_in(settings)) as through_pyslurm:
            yield _here(through_pyslurm, settings, clock)
        return
    if access is None:
        with _slurm(LocalRunner(), settings, clock) as scheduler:
            yield _here(scheduler, settings, clock)
        return
    with (
        login_node(settings, access, clock) as node,
        _slurm(node.runner, settings, clock) as scheduler,
    ):
        images = SiteImages(node.runner, settings.site)
        yield Reached(scheduler=scheduler, folders=node.folders, files=node.files, images=images)


def _here(scheduler: Scheduler, settings: SiteSettings, clock: Clock) -> Reached:
    work_root = settings.site.work_root
    return Reached(
        scheduler=scheduler,
        folders=LocalFolders(work_root, clock),
        files=LocalFiles(work_root),
        images=SiteImages(LocalRunner(), settings.site),
    )


@contextmanager
def open_runner(settings: SiteSettings, clock: Clock) -> Iterator[Runner]:
    """Where the site's commands are run. Raises ConfigurationError."""
    access = settings.scheduler.access
    if access is None:
        yield LocalRunner()
        return
    with login_node(settings, access, clock) as node:
        yield node.runner


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginNode:
    """What is reached over one connection."""

    runner: Runner
    folders: JobFolders
    files: JobFiles
    remains: Remains


@contextmanager
def login_node(settings: SiteSettings, access: SshSettings, clock: Clock) -> Iterator[LoginNode]:
    """What is reached over SSH; the connection is made when it is first needed.

    Raises ConfigurationError, also where paramiko is not installed.
    """
    try:
        from bridge.adapters.ssh import (  # noqa: PLC0415
            SshConnection,
            SshFiles,
            SshFolders,
            SshRemains,
            SshRunner,
        )
    except ModuleNotFoundError as error:
        what = f"{error.name} is not installed; it comes with hpc-batch-bridge[ssh]"
        raise ConfigurationError(Problem(where="scheduler.access", what=what)) from error
    with closing(SshConnection(access, clock)) as connection:
        work_root = settings.site.work_root
        yield LoginNode(
            runner=SshRunner(connection),
            folders=SshFolders(connection, work_root, clock),
            files=SshFiles(connection, work_root),
            remains=SshRemains(connection, work_root, clock),
        )


@contextmanager
def open_pyslurm(
    settings: SiteSettings, clock: Clock, *, spent_in: str | None = None
) -> Iterator[PyslurmScheduler]:
    """Submission through pyslurm. Raises ConfigurationError when it cannot be used here.

    `spent_in` is where the daemon keeps what is spent of its budgets.
    """
    budgets = _budgets(settings.scheduler)
    budgeted = BudgetedRunner(LocalRunner(), clock, budgets, kept_in=spent_in)
    command_line = SlurmCommandLine(budgeted, settings.scheduler)
    scheduler = PyslurmScheduler(
        settings.scheduler,
        command_line=command_line,
        client=command_line.client,
        spend=lambda: budgeted.spend(("sbatch",)),
    )
    with closing(budgeted), closing(scheduler):
        scheduler.verify()
        yield scheduler


@contextmanager
def _slurm(runner: Runner, settings: SiteSettings, clock: Clock) -> Iterator[SlurmCommandLine]:
    budgets = _budgets(settings.scheduler)
    with closing(BudgetedRunner(runner, clock, budgets, kept_in=_spent_in(settings))) as budgeted:
        yield SlurmCommandLine(budgeted, settings.scheduler)


def _spent_in(settings: SiteSettings) -> str:
    """Beside the journal, which only one daemon has."""
    return f"{settings.journal.path}.spent"


def local_processes(settings: SiteSettings, clock: Clock) -> LocalProcesses:
    """The scheduler of a site without Slurm."""
    at_once = settings.scheduler.local_jobs
    return LocalProcesses(local_jobs_folder(settings), clock, at_once=at_once)


def local_jobs_folder(settings: SiteSettings) -> Path:
    """Where the records of local jobs lie: beside the journal."""
    return Path(f"{settings.journal.path}.jobs")


def _budgets(settings: SchedulerSettings) -> list[tuple[frozenset[str], int | None]]:
    return [
        (frozenset({"squeue", "sacct"}), settings.queries_per_minute),
        (frozenset({"sbatch", "scancel"}), settings.submissions_per_minute),
    ]
