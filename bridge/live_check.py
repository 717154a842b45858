"""A look at all that a site's file names: broker, journal, login, Slurm, folders, images."""

from collections.abc import Iterator

from bridge.adapters.clock import SystemClock
from bridge.adapters.local_processes.examination import examine_local_processes
from bridge.adapters.pyslurm.scheduler import INSTEAD, PyslurmScheduler
from bridge.adapters.rabbitmq.examination import examine_broker
from bridge.adapters.site_machine import MachineExamination
from bridge.adapters.slurm.examination import Sample, SlurmExamination
from bridge.adapters.sqlite_journal.examination import examine_journal
from bridge.core.errors import ConfigurationError, InvalidRequestError, UnavailableError
from bridge.core.finding import Finding, note, ok, skipped, wrong
from bridge.core.job import Checkpoint, Resources
from bridge.core.settings import SchedulerKind, SiteSettings, SshSettings
from bridge.ports import Clock, Runner
from bridge.script import render
from bridge.script_check import plain_job, plain_scripts
from bridge.wiring import local_jobs_folder, open_pyslurm, open_runner


def look(settings: SiteSettings) -> Iterator[Finding]:
    """Every finding, as soon as it is there, in the order in which a job comes by.

    Nothing is left behind, and no job is submitted.
    """
    rules = settings.mlexchange
    yield from examine_broker(
        settings.broker, settings.site.name, front_ends=None if rules is None else rules.queues
    )
    yield from examine_journal(settings.journal)
    subject = "site" if settings.scheduler.access is None else "login"
    clock = SystemClock()
    try:
        with open_runner(settings, clock) as runner:
            machine = MachineExamination(runner, settings, clock)
            if settings.scheduler.access is not None:
                yield from _certificates(settings.scheduler.access, clock)
            yield from machine.login()
            subject = "site"
            yield from machine.folders()
            yield from machine.runtime()
            yield from machine.images()
            yield from machine.secrets()
            yield from _scripts(settings, runner, machine)
    except ConfigurationError as error:
        yield wrong(subject, str(error), "correct the site's file")
    except UnavailableError as error:
        remedy = (
            "try `ssh` by hand, with the same key and known hosts; see docs/ssh.md"
            if subject == "login"
            else "try it by hand; the rest was not looked at"
        )
        yield wrong(subject, str(error), remedy)


def _certificates(access: SshSettings, clock: Clock) -> Iterator[Finding]:
    # Not above: without paramiko, which sites without a login node need not have, there is none.
    from bridge.adapters.ssh.examination import examine_certificates  # noqa: PLC0415
    from bridge.adapters.ssh.route import our_route  # noqa: PLC0415

    yield from examine_certificates(our_route(access), clock.now())


def _scripts(
    settings: SiteSettings, runner: Runner, machine: MachineExamination
) -> Iterator[Finding]:
    try:
        samples = [Sample(name=name, script=it) for name, it in plain_scripts(settings)]
    except InvalidRequestError as error:
        yield wrong("script", str(error), "correct what the site's file says for all jobs")
        return
    except ConfigurationError as error:
        yield wrong("script", str(error), "correct the site's templates")
        return
    first = samples[0].script
    yield machine.script(first)
    if settings.scheduler.kind is SchedulerKind.LOCAL:
        folder, at_once = local_jobs_folder(settings), settings.scheduler.local_jobs
        yield from examine_local_processes(folder, first, at_once=at_once)
    else:
        yield from SlurmExamination(runner, settings).findings(samples)
    if settings.scheduler.kind is SchedulerKind.PYSLURM:
        yield from _pyslurm(settings)


def _pyslurm(settings: SiteSettings) -> Iterator[Finding]:
    try:
        with open_pyslurm(settings, SystemClock()) as scheduler:
            if scheduler.verify():
                yield ok("pyslurm", "can be used here")
                yield checkpoints(scheduler, settings)
            elif scheduler.unfit is not None:
                yield note("pyslurm", f"sbatch submits instead: {scheduler.unfit}")
            else:
                yield skipped("pyslurm", "Slurm does not answer it now")
    except ConfigurationError as error:
        yield wrong("pyslurm", str(error), INSTEAD)


def checkpoints(scheduler: PyslurmScheduler, settings: SiteSettings) -> Finding:
    """Whether jobs get the signal that they ask for. Raises UnavailableError."""
    subject = "pyslurm, a job with a checkpoint"
    wish = Checkpoint(signal="USR1", seconds_before=60)
    script = render(plain_job(settings.site, Resources(), wish), settings, 1)
    why = scheduler.refusal(script)
    if why is None:
        return ok(subject, "pyslurm can be told of it")
    if settings.scheduler.pyslurm_fallback:
        return note(subject, f"sbatch submits it instead: {why}")
    return wrong(subject, f"would be refused: {why}", f"install a newer pyslurm, or {INSTEAD}")
