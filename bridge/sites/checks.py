"""What no field shows by itself: places where a site's file contradicts itself or its machines."""

from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bridge.core.batch_options import read_option
from bridge.core.job_description import never_told
from bridge.core.quantity import write_walltime
from bridge.core.settings import SchedulerKind
from bridge.core.site import (
    CACHE_VARIABLES,
    GPU_FLAGS,
    PULLED_BEFORE,
    PULLED_IN_JOBS,
    PULLED_TO_FILES,
    WITHOUT_CONTAINER,
    PullPolicy,
    Runtime,
)
from bridge.sites.document import Document, Place
from bridge.sites.fields import ELSEWHERE_VARIABLES
from bridge.sites.model import SiteFile

if TYPE_CHECKING:
    from bridge.sites.offer import LimitsSection

_HIDDEN_FROM_SHIFTER = ("/etc", "/var", "/dev", "/proc", "/opt/udiImage")


def report_contradictions(model: SiteFile, document: Document) -> None:
    """Records every contradiction in `document`."""
    _report_broker(model, document)
    _report_scheduler(model, document)
    _report_containers(model, document)
    _report_mounts(model, document)
    _report_caches(model, document)
    _report_pull(model, document)
    _report_memory(model, document)
    _report_work_root(model, document)
    _report_polling(model, document)
    _report_walltimes(model, document)
    _report_priorities(model, document)
    _report_secrets(model, document)
    if model.templates is not None and not Path(model.templates).is_dir():
        document.report(("templates",), f"there is no folder {model.templates}")


def _report_walltimes(model: SiteFile, document: Document) -> None:
    default, limits = model.defaults.walltime, model.limits
    if limits.walltime is not None and default > limits.walltime:
        document.report(
            ("defaults", "walltime"),
            f"{write_walltime(default)} is more than the {write_walltime(limits.walltime)} "
            "of limits.walltime",
        )
    if limits.min_walltime is not None and default < limits.min_walltime:
        document.report(
            ("defaults", "walltime"),
            f"{write_walltime(default)} is less than the {write_walltime(limits.min_walltime)} "
            "of limits.min_walltime",
        )
    sections: dict[Place, LimitsSection] = {("limits",): limits}
    for name, profile in model.profiles.items():
        sections["profiles", name, "limits"] = profile.limits
    for place, own in sections.items():
        least = max(filter(None, (own.min_walltime, limits.min_walltime)), default=None)
        most = min(filter(None, (own.walltime, limits.walltime)), default=None)
        if least is not None and most is not None and least > most:
            document.report(
                (*place, "min_walltime" if own.min_walltime == least else "walltime"),
                f"no job could be here: {write_walltime(least)} at least, "
                f"{write_walltime(most)} at most",
            )


def _report_priorities(model: SiteFile, document: Document) -> None:
    choices = model.choices
    if choices.lowest_priority == choices.highest_priority:
        return
    for index, text in enumerate(model.directives):
        if read_option(text).name == "nice":
            document.report(
                ("directives", index), f"{text}: jobs say it themselves, within choices"
            )


def _report_secrets(model: SiteFile, document: Document) -> None:
    containers = model.containers
    seen = (model.work_root, *containers.visible, *(it.path for it in containers.bind_roots))
    for name, secret in model.secrets.items():
        for root in seen:
            if PurePosixPath(secret.file).is_relative_to(root):
                document.report(("secrets", name, "file"), f"jobs can see what is in {root}")
        if secret.users and containers.runtime in WITHOUT_CONTAINER:
            document.report(
                ("secrets", name, "users"),
                f"has no effect with runtime: {containers.runtime}, whose jobs can read every file "
                "that the user can",
            )


def _report_broker(model: SiteFile, document: Document) -> None:
    if model.broker.certificate_authority is not None and not model.broker.tls:
        document.report(("broker", "certificate_authority"), "has no effect without tls: true")
    if model.broker.heartbeat % timedelta(seconds=1):
        document.report(("broker", "heartbeat"), "whole seconds are wanted")


def _report_scheduler(model: SiteFile, document: Document) -> None:
    scheduler = model.scheduler
    fields = {"local_jobs": SchedulerKind.LOCAL, "pyslurm_fallback": SchedulerKind.PYSLURM}
    for field, kind in fields.items():
        if scheduler.kind is not kind and field in scheduler.model_fields_set:
            document.report(("scheduler", field), f"has no effect without kind: {kind}")
    for name in sorted(ELSEWHERE_VARIABLES & scheduler.environment.keys()):
        document.report(
            ("scheduler", "environment", name),
            "sends jobs where nobody looks for them; for another cluster, name its slurm.conf in "
            "SLURM_CONF",
        )
    if scheduler.kind is SchedulerKind.PYSLURM:
        _report_pyslurm(model, document)
    if scheduler.kind is not SchedulerKind.LOCAL:
        return
    for field in ("access", "environment", "queries_per_minute", "submissions_per_minute"):
        if field in scheduler.model_fields_set:
            document.report(
                ("scheduler", field), "has no effect with kind: local, which calls no Slurm"
            )


def _report_pyslurm(model: SiteFile, document: Document) -> None:
    """What no version of pyslurm can do, where nothing else is to do it."""
    if "access" in model.scheduler.model_fields_set:
        document.report(("scheduler", "access"), "pyslurm submits on this machine: kind: slurm")
    if model.scheduler.pyslurm_fallback != "none":
        return
    otherwise = "set scheduler.kind: slurm, or scheduler.pyslurm_fallback: command-line"
    for index, text in enumerate(model.directives):
        for _, why in never_told([read_option(text)]):
            document.report(("directives", index), f"{why}; {otherwise}")
    if model.choices.highest_priority > 0:
        place = ("choices", "highest_priority")
        document.report(place, f"pyslurm cannot be told of a negative --nice; {otherwise}")
    if model.containers.runtime is Runtime.SHIFTER and model.templates is None:
        document.report(
            ("containers", "runtime"),
            "our scripts for shifter have #SBATCH --image, an option of a SPANK plugin, and "
            f"pyslurm hands on none: {otherwise}, or templates: that call shifter --image=",
        )


def _report_containers(model: SiteFile, document: Document) -> None:
    containers = model.containers
    accepted = GPU_FLAGS.get(containers.runtime, ())
    flags: dict[Place, str | None] = {("containers", "gpu_flag"): containers.gpu_flag}
    for name, profile in model.profiles.items():
        flags["profiles", name, "gpu_flag"] = profile.gpu_flag
    for place, flag in flags.items():
        if flag is not None and flag not in accepted:
            words = ", ".join(accepted) or "none; Shifter has modules: [gpu]"
            document.report(place, f"is nothing for {containers.runtime}; accepted: {words}")
    if containers.modules and containers.runtime is not Runtime.SHIFTER:
        document.report(
            ("containers", "modules"),
            "is for shifter; modules of the host are loaded in setup: module load NAME",
        )


def _report_caches(model: SiteFile, document: Document) -> None:
    containers = model.containers
    if containers.runtime in CACHE_VARIABLES:
        return
    for field in ("cache", "scratch"):
        if getattr(containers, field) is not None:
            document.report(("containers", field), "is for apptainer and singularity")


def _report_pull(model: SiteFile, document: Document) -> None:
    containers, place = model.containers, ("containers", "pull_folder")
    if containers.pull is not PullPolicy.BEFORE and "pull_timeout" in containers.model_fields_set:
        document.report(("containers", "pull_timeout"), "has no effect without pull: before")
    if containers.pull is PullPolicy.NEVER:
        if containers.pull_folder is not None:
            document.report(place, "has no effect without pull: before, or in-job")
        return
    _report_who_pulls(containers.pull, containers.runtime, document)
    if containers.pull_folder is None:
        if containers.pull is PullPolicy.IN_JOB or containers.runtime in PULLED_TO_FILES:
            document.report(place, f"missing, and required for pull: {containers.pull}")
        return
    written = [it.path for it in containers.bind_roots if not it.read_only]
    for root in (model.work_root, *containers.visible, *written):
        if PurePosixPath(containers.pull_folder).is_relative_to(root):
            document.report(place, f"jobs can write to {root}, and must not to what others run")


def _report_who_pulls(pull: PullPolicy, runtime: Runtime, document: Document) -> None:
    place = ("containers", "pull")
    if runtime not in PULLED_BEFORE:
        document.report(place, f"images for {runtime} cannot be fetched: they have to be there")
    elif pull is PullPolicy.IN_JOB and runtime not in PULLED_IN_JOBS:
        document.report(
            place, f"a job cannot fetch images for {runtime}: let the bridge, with pull: before"
        )


def _report_memory(model: SiteFile, document: Document) -> None:
    given, most = model.defaults.memory, model.limits.memory
    if given is not None and most is not None and given > most:
        document.report(
            ("defaults", "memory"), f"{given} MiB is more than the {most} MiB of limits.memory"
        )


def _report_mounts(model: SiteFile, document: Document) -> None:
    containers = model.containers
    if containers.runtime in WITHOUT_CONTAINER:
        for field in ("bind_roots", "visible", "options"):
            if getattr(containers, field):
                document.report(
                    ("containers", field),
                    f"has no effect with runtime: {containers.runtime}, which starts no container",
                )
    elif containers.runtime is Runtime.CHARLIECLOUD:
        for index, root in enumerate(containers.bind_roots):
            if root.read_only:
                document.report(
                    ("containers", "bind_roots", index),
                    "Charliecloud cannot mount for reading only: say read_only: false, or leave "
                    "the folder out",
                )


def _report_work_root(model: SiteFile, document: Document) -> None:
    """Shifter mounts nothing there (its manual, "Volume Mounts", and udiRoot's own checks)."""
    containers = model.containers
    root = PurePosixPath(model.work_root)
    if containers.runtime is not Runtime.SHIFTER:
        return
    if any(root.is_relative_to(it) for it in containers.visible):
        return
    hidden = any(root.is_relative_to(it) for it in _HIDDEN_FROM_SHIFTER)
    if str(root) == "/opt" or (hidden and not root.is_relative_to("/var/tmp")):  # noqa: S108
        document.report(("work_root",), f"Shifter mounts nothing at {root}")


def _report_polling(model: SiteFile, document: Document) -> None:
    polling = model.polling
    if polling.shortest > polling.longest:
        document.report(("polling", "shortest"), "is longer than polling.longest")
