"""A look at all that a site's file names: broker, journal, login, Slurm, folders, images."""

import re
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
from bridge.core.job import ArgumentList, Checkpoint, JobId, JobKind, JobSpec, Resources
from bridge.core.placement import place
from bridge.core.settings import SchedulerKind, SiteSettings, SshSettings
from bridge.core.site import Site
from bridge.ports import Clock, Runner
from bridge.script import render
from bridge.wiring import local_jobs_folder, open_pyslurm, open_runner

_JOB = JobId("00000000-0000-4000-8000-000000000000")
_WILD = re.compile(r"\[!?(.)[^]]*\]|[*?]")


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
        samples = list(samples_for(settings))
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
    why = scheduler.refusal(_sample(settings, Resources(), wish))
    if why is None:
        return ok(subject, "pyslurm can be told of it")
    if settings.scheduler.pyslurm_fallback:
        return note(subject, f"sbatch submits it instead: {why}")
    return wrong(subject, f"would be refused: {why}", f"install a newer pyslurm, or {INSTEAD}")


def samples_for(settings: SiteSettings) -> Iterator[Sample]:
    """The scripts of jobs that ask for nothing, for each profile, and for each choice there is.

    Raises InvalidRequestError and ConfigurationError when one cannot be written.
    """
    site = settings.site
    for name, resources in _wishes(site):
        if not place(resources, site).problems:
            yield Sample(name=name, script=_sample(settings, resources))


def _sample(
    settings: SiteSettings, resources: Resources, checkpoint: Checkpoint | None = None
) -> str:
    spec = JobSpec(
        job_id=_JOB,
        name="check",
        kind=JobKind.OTHER,
        image=_image(settings.site),
        command=ArgumentList(arguments=("true",)),
        resources=resources,
        checkpoint=checkpoint,
    )
    return render(spec, settings, 1)


def _wishes(site: Site) -> Iterator[tuple[str, Resources]]:
    choices, defaults = site.choices, site.defaults
    yield "a job that asks for nothing", Resources()
    for profile in site.profiles:
        yield f"profile {profile.name}", Resources(profile=profile.name)
    for partition in choices.partitions:
        if partition != defaults.partition:
            yield f"partition {partition}", Resources(partition=partition)
    for qos in choices.qos:
        if qos != defaults.qos:
            yield f"QOS {qos}", Resources(qos=qos)
    for account in choices.accounts:
        if account != defaults.account:
            yield f"account {account}", Resources(account=account)
    for constraint in choices.constraints:
        if constraint != defaults.constraint:
            yield f"constraint {constraint}", Resources(constraint=constraint)


def _image(site: Site) -> str:
    """A name that the first pattern takes."""
    return _WILD.sub(lambda it: it[1] or "x", site.containers.images[0])
