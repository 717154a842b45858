"""What templates know of a job."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from bridge.core.job import (
    ArgumentList,
    Checkpoint,
    JobKind,
    JobSpec,
    Mount,
    SweepTask,
    submission_tag,
)
from bridge.core.placement import granted
from bridge.core.quantity import write_walltime
from bridge.core.roots import Confined, confined
from bridge.core.site import (
    CACHE_VARIABLES,
    WITHOUT_CONTAINER,
    Profile,
    Site,
    job_folder,
    spool_folder,
)
from bridge.script.images import Pull, is_a_path, pull_of
from bridge.script.launcher import launcher
from bridge.script.parameters import parameters_mount, parameters_path
from bridge.script.runtimes import MANNERS
from bridge.script.secrets import ScriptSecret, script_secrets
from bridge.script.words import comment


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
    in_array: bool
    """Whether Slurm has it as a task of an array."""
    folder: str
    spool: str
    image: str
    pull: Pull | None
    """How the script fetches the image; None where it is there."""
    image_is_a_path: bool
    """Whether the image is a file or a folder, for which the script can look."""
    command: tuple[str, ...]
    launcher: tuple[str, ...]
    caches: tuple[tuple[str, str], ...]
    """Variables that tell the runtime of folders, and these."""
    environment: tuple[tuple[str, str], ...]
    """For the container: the bridge's own names first, then the job's."""
    confined: tuple[Confined, ...]
    """Paths that the script must find within the site's own folders, wherever links lead."""
    secrets: tuple[ScriptSecret, ...]
    reveals: bool
    """Whether the secrets get their own names inside only."""
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


def script_job(spec: JobSpec, site: Site, profile: Profile | None, attempt: int) -> ScriptJob:
    """The job as templates see it, in this profile of the site."""
    given = granted(spec.resources, site, profile)
    folder = job_folder(site, spec.job_id)
    return ScriptJob(
        id=spec.job_id,
        tag=submission_tag(site.tag_prefix, spec.job_id, attempt),
        title=comment(spec.name),
        kind=spec.kind,
        attempt=attempt,
        in_array=spec.task is not None and attempt == 1,
        folder=folder,
        spool=spool_folder(site),
        image=spec.image,
        pull=pull_of(spec.image, site),
        image_is_a_path=is_a_path(spec.image, site),
        command=_words(spec, folder),
        launcher=launcher(spec, site),
        caches=tuple(_caches(site)),
        environment=(*_own_environment(spec, site, folder, attempt), *spec.environment),
        confined=tuple(confined(spec, site)),
        secrets=script_secrets(spec, site),
        reveals=bool(spec.secrets) and MANNERS[site.containers.runtime].reveals,
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
    task = () if spec.task is None else _task_environment(spec.task)
    return (
        ("BRIDGE_JOB_ID", spec.job_id),
        ("BRIDGE_ATTEMPT", str(attempt)),
        ("BRIDGE_SITE", site.name),
        ("BRIDGE_JOB_DIR", folder),
        *parameters,
        *task,
        ("BRIDGE_PROGRESS", f"{folder}/progress.jsonl"),
        ("BRIDGE_ARTIFACTS", f"{folder}/artifacts"),
    )


def _task_environment(task: SweepTask) -> tuple[tuple[str, str], ...]:
    return ("BRIDGE_SWEEP_ID", task.sweep), ("BRIDGE_SWEEP_INDEX", str(task.index))


def _mounts(spec: JobSpec, site: Site, folder: str) -> list[Mount]:
    if site.containers.runtime in WITHOUT_CONTAINER:
        return []
    wanted = [*spec.mounts, parameters_mount(spec, site), Mount(source=folder, target=folder)]
    return [it for it in wanted if it is not None and not _is_visible(it, site)]


def _is_visible(mount: Mount, site: Site) -> bool:
    if mount.source != mount.target or mount.read_only:
        return False
    path = PurePosixPath(mount.source)
    return any(path.is_relative_to(it) for it in site.containers.visible)
