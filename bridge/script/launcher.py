"""What starts a job's tasks on its nodes."""

from bridge.core.job import JobSpec
from bridge.core.site import Site


def launcher(spec: JobSpec, site: Site) -> tuple[str, ...]:
    """The words before the container command; empty where the batch script starts it itself.

    A batch script runs once, on the first node: only srun starts every task.
    """
    several = spec.resources.tasks > 1 or spec.resources.nodes > 1
    return site.containers.launcher or (("srun",) if several else ())
