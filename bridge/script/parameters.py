"""Where a job finds its parameters."""

from pathlib import PurePosixPath

from bridge.core.job import JobSpec, Mount
from bridge.core.site import Site, job_folder
from bridge.script.runtimes import MANNERS


def parameters_path(spec: JobSpec, folder: str) -> str | None:
    """Where the job sees the file with its parameters; None for a job without.

    `folder` is the job's own, seen at the same path inside.
    """
    if spec.parameters is None:
        return None
    return spec.parameters.path or f"{folder}/{spec.parameters.file_name}"


def parameters_mount(spec: JobSpec, site: Site) -> Mount | None:
    """What has to be mounted for it besides the job's folder.

    Where no single file can be mounted, it is the whole folder once more, with the file in it.
    """
    if spec.parameters is None or spec.parameters.path is None:
        return None
    folder, path = job_folder(site, spec.job_id), spec.parameters.path
    if MANNERS[site.containers.runtime].mounts_files:
        return Mount(source=f"{folder}/{spec.parameters.file_name}", target=path)
    return Mount(source=folder, target=str(PurePosixPath(path).parent))
