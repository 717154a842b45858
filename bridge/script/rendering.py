"""From a job and a site to the files in the job's folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from jinja2 import (
    ChoiceLoader,
    FileSystemLoader,
    PrefixLoader,
    TemplateError,
    TemplateSyntaxError,
)
from markupsafe import Markup

from bridge.core.errors import ConfigurationError, InvalidRequestError, Problem
from bridge.core.job import (
    ArgumentList,
    Checkpoint,
    JobKind,
    JobSpec,
    Mount,
    submission_tag,
)
from bridge.core.placement import granted, place
from bridge.core.quantity import write_walltime
from bridge.core.settings import SiteSettings
from bridge.core.site import (
    CACHE_VARIABLES,
    WITHOUT_CONTAINER,
    Profile,
    Site,
    job_folder,
    spool_folder,
)
from bridge.script.bash_templates import BashTemplates
from bridge.script.images import Pull, pull_of
from bridge.script.launcher import launcher
from bridge.script.parameters import parameters_mount, parameters_path
from bridge.script.refusals import refusals
from bridge.script.words import comment
from bridge.shipped import shipped

OURS = "bridge"
"""`{% extends "bridge/apptainer.sbatch.j2" %}` names our template, whatever the site has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptJob:
    """What templates know as `job`; None writes no directive."""

    id: str
    tag: str
    """The name by which the bridge finds the job in Slurm."""
    title: str
    """The person's own name for the job, fit for a directive."""
    kind: JobKind
    attempt: int
    folder: str
    spool: str
    image: str
    pull: Pull | None
    """How the script fetches the image; None where it is there."""
    command: tuple[str, ...]
    launcher: tuple[str, ...]
    caches: tuple[tuple[str, str], ...]
    """Variables that tell the runtime of folders, and these."""
    environment: tuple[tuple[str, str], ...]
    """For the container: the bridge's own names first, then the job's."""
    mounts: tuple[Mount, ...]
    """What has to be mounted, the job's folder last, so that nothing hides it."""
    gpu_flag: str | None
    """What tells the runtime of GPUs; None for a job without, and where it needs no telling."""
    modules: str | None
    """Shifter's, as its option wants them."""
    profile: str | None
    """The site's profile that the job runs in."""
    nodes: int
    tasks: int
    cpus_per_task: int
    gpus: int
    gpu_type: str | None
    memory_mib: int | None
    walltime: str
    nice: int
    """For sbatch's --nice: 0 writes no directive."""
    signal: str | None
    """What sbatch's --signal wants: which, to this script, how many seconds before the end."""
    partition: str | None
    qos: str | None
    account: str | None
    constraint: str | None


def render(spec: JobSpec, settings: SiteSettings, attempt: int) -> str:
    """The text of the batch script that runs `spec` for the `attempt`th time (from 1).

    Raises InvalidRequestError with every field that the site's runtime cannot be told, and
    ConfigurationError when the site's own templates are wrong.
    """
    site = settings.site
    profile = place(spec.resources, site).profile
    problems = tuple(refusals(spec, site))
    if site.profiles and profile is None:
        problems = (*problems, *place(spec.resources, site).problems)
    if problems:
        raise InvalidRequestError(*problems, job_id=spec.job_id)
    name = f"{site.containers.runtime}.sbatch.j2"
    try:
        template = _templates(settings.templates).get_template(name)
        return template.render(
            job=_script_job(spec, site, profile, attempt),
            site=site,
            setup=_verbatim("\n".join(site.setup)),
            directives=[_verbatim(it) for it in site.directives],
        )
    except TemplateSyntaxError as error:
        where = f"{error.filename or error.name}:{error.lineno}"
        raise ConfigurationError(Problem(where=where, what=str(error.message))) from error
    except (TemplateError, TypeError, ValueError) as error:
        raise ConfigurationError(Problem(where=f"template {name}", what=str(error))) from error


def job_files(
    spec: JobSpec, settings: SiteSettings, attempt: int, *, request: bytes
) -> dict[str, str]:
    """The files that have to be in the job's folder before sbatch is called: name to text.

    `request` is the job message, kept as `job.json`. Raises like `render`.
    """
    files = {"job.json": request.decode("utf-8")}
    if spec.parameters is not None:
        files[spec.parameters.file_name] = spec.parameters.text
    files[script_name(attempt)] = render(spec, settings, attempt)
    return files


def script_name(attempt: int) -> str:
    """Under which name an attempt's batch script lies in the job's folder."""
    return f"attempt-{attempt}.sbatch"


@lru_cache(maxsize=8)
def _templates(site_folder: str | None) -> BashTemplates:
    ours = FileSystemLoader(shipped("templates"))
    loaders = [ours] if site_folder is None else [FileSystemLoader(site_folder), ours]
    return BashTemplates(ChoiceLoader([*loaders, PrefixLoader({OURS: ours})]))


def _verbatim(text: str) -> Markup:
    """Text of the site's administrator, who may run anything here anyway."""
    return Markup(text)  # noqa: S704


def _script_job(spec: JobSpec, site: Site, profile: Profile | None, attempt: int) -> ScriptJob:
    given = granted(spec.resources, site, profile)
    folder = job_folder(site, spec.job_id)
    return ScriptJob(
        id=spec.job_id,
        tag=submission_tag(site.tag_prefix, spec.job_id, attempt),
        title=comment(spec.name),
        kind=spec.kind,
        attempt=attempt,
        folder=folder,
        spool=spool_folder(site),
        image=spec.image,
        pull=pull_of(spec.image, site),
        command=_words(spec, folder),
        launcher=launcher(spec, site),
        caches=tuple(_caches(site)),
        environment=(*_own_environment(spec, site, folder, attempt), *spec.environment),
        mounts=tuple(_mounts(spec, site, folder)),
        gpu_flag=_gpu_flag(spec, site, profile),
        modules=",".join(site.containers.modules) or None,
        profile=given.profile,
        nodes=given.nodes,
        tasks=given.tasks,
        cpus_per_task=given.cpus_per_task,
        gpus=given.gpus,
        gpu_type=given.gpu_type,
        memory_mib=given.memory_mib,
        walltime=write_walltime(given.walltime or site.defaults.walltime),
        nice=-spec.priority,
        signal=_signal(spec.checkpoint),
        partition=given.partition,
        qos=given.qos,
        account=given.account,
        constraint=given.constraint,
    )


def _signal(checkpoint: Checkpoint | None) -> str | None:
    if checkpoint is None:
        return None
    return f"B:{checkpoint.signal}@{checkpoint.seconds_before}"


def _gpu_flag(spec: JobSpec, site: Site, profile: Profile | None) -> str | None:
    if not spec.resources.gpus:
        return None
    return (profile and profile.gpu_flag) or site.containers.gpu_flag


def _caches(site: Site) -> Iterator[tuple[str, str]]:
    containers = site.containers
    names = CACHE_VARIABLES.get(containers.runtime, ())
    for name, folder in zip(names, (containers.cache, containers.scratch), strict=False):
        if folder is not None:
            yield name, folder


def _words(spec: JobSpec, folder: str) -> tuple[str, ...]:
    command, path = spec.command, parameters_path(spec, folder)
    is_told = spec.parameters is not None and spec.parameters.as_argument
    last = (path,) if path is not None and is_told else ()
    if isinstance(command, ArgumentList):
        return (*command.arguments, *last)
    if not last:
        return ("sh", "-c", command.text)
    # The shell gets it as an argument of its own, so that nothing in it is quoted here.
    return ("sh", "-c", f'{command.text.rstrip()} "$@"', "sh", *last)


def _own_environment(
    spec: JobSpec, site: Site, folder: str, attempt: int
) -> tuple[tuple[str, str], ...]:
    path = parameters_path(spec, folder)
    parameters = () if path is None else (("BRIDGE_PARAMS", path),)
    return (
        ("BRIDGE_JOB_ID", spec.job_id),
        ("BRIDGE_ATTEMPT", str(attempt)),
        ("BRIDGE_SITE", site.name),
        ("BRIDGE_JOB_DIR", folder),
        *parameters,
        ("BRIDGE_PROGRESS", f"{folder}/progress.jsonl"),
        ("BRIDGE_ARTIFACTS", f"{folder}/artifacts"),
    )


def _mounts(spec: JobSpec, site: Site, folder: str) -> list[Mount]:
    if site.containers.runtime in WITHOUT_CONTAINER:
        return []
    wanted = [*spec.mounts, parameters_mount(spec, folder), Mount(source=folder, target=folder)]
    return [it for it in wanted if it is not None and not _is_visible(it, site)]


def _is_visible(mount: Mount, site: Site) -> bool:
    if mount.source != mount.target or mount.read_only:
        return False
    path = PurePosixPath(mount.source)
    return any(path.is_relative_to(it) for it in site.containers.visible)
