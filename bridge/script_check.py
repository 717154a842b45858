"""A look at the scripts that a site's file and its templates make, with nothing but bash."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from bridge.adapters.run_local import LocalRunner
from bridge.core.errors import ConfigurationError, InvalidRequestError, Problem, UnavailableError
from bridge.core.job import (
    ArgumentList,
    Checkpoint,
    JobId,
    JobKind,
    JobSpec,
    Mount,
    Parameters,
    Resources,
    ShellLine,
    Sweep,
)
from bridge.core.placement import place
from bridge.core.settings import SiteSettings
from bridge.core.site import BindRoot, Site
from bridge.ports import Runner
from bridge.script import refusals, render, template_problems

_JOB = JobId("00000000-0000-4000-8000-000000000000")
_WILD = re.compile(r"\[!?(.)[^]]*\]|[*?]")
_PATIENCE = timedelta(seconds=30)
_SAID = re.compile(r"line ([0-9]+): (.*)")
_OPEN_DOCUMENT = re.compile(r"here-document at line ([0-9]+) delimited by end-of-file.*")


def check_scripts(
    settings: SiteSettings, setup_line: Callable[[int], str], runner: Runner | None = None
) -> int | None:
    """How many scripts bash can read: of every profile and choice, and of jobs with everything.

    None where there is no bash to ask: then only the templates were looked at. `setup_line` says
    where a line of `setup`, from 1, stands. Raises ConfigurationError with every problem: each
    template of the site's own folder that is wrong, each line of `setup` that bash cannot read.
    """
    broken = tuple(template_problems(settings))
    scripts, unwritten = ({}, ()) if broken else _written(settings)
    if broken or unwritten:
        raise ConfigurationError(*broken, *unwritten)
    asked = runner or LocalRunner()
    try:
        in_setup = _setup_problem(settings.site, setup_line, asked)
        if in_setup is not None:
            raise ConfigurationError(in_setup)
        found = [_script_problem(name, script, asked) for name, script in scripts.items()]
    except UnavailableError:
        return None
    if problems := [it for it in found if it is not None]:
        raise ConfigurationError(*problems)
    return len(scripts)


def _written(settings: SiteSettings) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """The scripts, by the kind of job, and what keeps others from being written; each once."""
    scripts: dict[str, str] = {}
    problems: dict[Problem, None] = {}
    for name, spec in (*_plain_jobs(settings.site), *_full_jobs(settings.site)):
        try:
            scripts[name] = render(spec, settings, 1)
        except (ConfigurationError, InvalidRequestError) as error:
            problems |= dict.fromkeys(error.problems)
    return scripts, tuple(problems)


def _setup_problem(site: Site, setup_line: Callable[[int], str], runner: Runner) -> Problem | None:
    """What stands under `setup` has to be whole: nothing in the script after it is a part of it."""
    said = _unreadable("\n".join([*site.setup, ""]), runner) if site.setup else None
    if said is None:
        return None
    number, words = said
    return Problem(where=setup_line(min(number, len(site.setup))), what=words)


def _script_problem(name: str, script: str, runner: Runner) -> Problem | None:
    said = _unreadable(script, runner)
    if said is None:
        return None
    number, words = said
    lines = script.splitlines()
    text = lines[min(number, len(lines)) - 1].strip()
    return Problem(
        where=f"the script of {name}, line {number}",
        what=f"{words}; the line is {text!r}: correct the site's templates",
    )


def _unreadable(text: str, runner: Runner) -> tuple[int, str] | None:
    """The line, from 1, at which bash gives up, and its words; None where it can read it all.

    Raises UnavailableError where it cannot be asked.
    """
    argv = ("env", "LC_ALL=C", "bash", "-n", "/dev/stdin")
    answer = runner.run(argv, stdin=text, timeout=_PATIENCE)
    if answer.return_code is None:
        raise UnavailableError("bash did not end")
    if found := _OPEN_DOCUMENT.search(answer.stderr):
        # Bash only warns of it, and takes all that follows for its text.
        return int(found[1]), f"bash cannot read this: {found[0]}"
    if answer.return_code == 0:
        return None
    found = _SAID.search(answer.stderr)
    if found is None:
        return 1, f"bash cannot read this: {answer.stderr.strip()}"
    return int(found[1]), f"bash cannot read this: {found[2]}"


def plain_scripts(settings: SiteSettings) -> Iterator[tuple[str, str]]:
    """The scripts of jobs that ask for nothing, for each profile, and for each choice there is.

    Each with a word for the job. Raises InvalidRequestError and ConfigurationError when one cannot
    be written.
    """
    for name, spec in _plain_jobs(settings.site):
        yield name, render(spec, settings, 1)


def plain_job(site: Site, resources: Resources, checkpoint: Checkpoint | None = None) -> JobSpec:
    """A job that asks for this, and for nothing else."""
    return JobSpec(
        job_id=_JOB,
        name="check",
        kind=JobKind.OTHER,
        image=_image(site),
        command=ArgumentList(arguments=("true",)),
        resources=resources,
        checkpoint=checkpoint,
    )


def _plain_jobs(site: Site) -> Iterator[tuple[str, JobSpec]]:
    for name, resources in _wishes(site):
        if not place(resources, site).problems:
            yield name, plain_job(site, resources)


def _full_jobs(site: Site) -> Iterator[tuple[str, JobSpec]]:
    """A job that uses as much of the templates as it can at this site, and a sweep of such jobs."""
    spec = next((it for _, it in _plain_jobs(site)), None)
    if spec is None:
        return
    for richer in _RICHER:
        fuller = richer(spec, site)
        if not any(refusals(fuller, site)) and not place(fuller.resources, site).problems:
            spec = fuller
    yield "a job with everything", spec
    yield "a sweep", replace(spec, sweep=Sweep(tasks=2))


_RICHER: tuple[Callable[[JobSpec, Site], JobSpec], ...] = (
    lambda it, _: replace(it, command=ShellLine(text="true")),
    lambda it, _: replace(it, environment=(("CHECK", "1"),)),
    lambda it, site: replace(it, secrets=tuple(("TOKEN", s.reference) for s in site.secrets[:1])),
    lambda it, site: replace(it, mounts=tuple(map(_mount, site.containers.bind_roots[:1]))),
    lambda it, _: replace(it, parameters=Parameters(text="{}", as_argument=True)),
    lambda it, _: replace(it, checkpoint=Checkpoint(signal="USR1", seconds_before=60)),
    lambda it, _: replace(it, resources=replace(it.resources, gpus=1)),
    lambda it, _: replace(it, resources=replace(it.resources, nodes=2, tasks=2)),
    lambda it, _: replace(it, resources=replace(it.resources, memory_mib=64)),
)


def _mount(root: BindRoot) -> Mount:
    return Mount(source=root.path, target="/check", read_only=root.read_only)


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
