"""What no field shows by itself: places where a site's file contradicts itself or its machines."""

from datetime import timedelta
from pathlib import Path, PurePosixPath

from bridge.core.quantity import write_walltime
from bridge.core.site import GPU_FLAGS, WITHOUT_CONTAINER, Runtime
from bridge.sites.document import Document
from bridge.sites.model import SiteFile

_HIDDEN_FROM_SHIFTER = ("/etc", "/var", "/dev", "/proc", "/opt/udiImage")


def report_contradictions(model: SiteFile, document: Document) -> None:
    """Records every contradiction in `document`."""
    _report_broker(model, document)
    _report_containers(model, document)
    _report_mounts(model, document)
    _report_work_root(model, document)
    _report_polling(model, document)
    longest = model.limits.walltime
    if longest is not None and model.defaults.walltime > longest:
        document.report(
            ("defaults", "walltime"),
            f"{write_walltime(model.defaults.walltime)} is more than the {write_walltime(longest)} "
            "of limits.walltime",
        )
    if model.templates is not None and not Path(model.templates).is_dir():
        document.report(("templates",), f"there is no folder {model.templates}")


def _report_broker(model: SiteFile, document: Document) -> None:
    if model.broker.certificate_authority is not None and not model.broker.tls:
        document.report(("broker", "certificate_authority"), "has no effect without tls: true")
    if model.broker.heartbeat % timedelta(seconds=1):
        document.report(("broker", "heartbeat"), "whole seconds are wanted")


def _report_containers(model: SiteFile, document: Document) -> None:
    containers = model.containers
    accepted = GPU_FLAGS.get(containers.runtime, ())
    if containers.gpu_flag is not None and containers.gpu_flag not in accepted:
        words = ", ".join(accepted) or "none; Shifter has modules: [gpu]"
        document.report(
            ("containers", "gpu_flag"), f"is nothing for {containers.runtime}; accepted: {words}"
        )
    if containers.modules and containers.runtime is not Runtime.SHIFTER:
        document.report(
            ("containers", "modules"),
            "is for shifter; modules of the host are loaded in setup: module load NAME",
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
