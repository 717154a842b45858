"""Where a job finds its parameters."""

from bridge.core.job import JobSpec, Mount


def parameters_path(spec: JobSpec, folder: str) -> str | None:
    """Where the job sees the file with its parameters; None for a job without.

    `folder` is the job's own, seen at the same path inside.
    """
    if spec.parameters is None:
        return None
    return spec.parameters.path or f"{folder}/{spec.parameters.file_name}"


def parameters_mount(spec: JobSpec, folder: str) -> Mount | None:
    """What has to be mounted for it besides the job's folder."""
    if spec.parameters is None or spec.parameters.path is None:
        return None
    return Mount(source=f"{folder}/{spec.parameters.file_name}", target=spec.parameters.path)
