"""Links on this machine that lead out of the folders that jobs may use."""

from collections.abc import Iterator
from os.path import realpath
from pathlib import PurePosixPath

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.job import JobSpec
from bridge.core.roots import confined
from bridge.core.site import Site


def refuse_escapes(spec: JobSpec, site: Site) -> None:
    """Raises InvalidRequestError with every path of the job that leads elsewhere.

    The job's script looks again, on the node: links may change, and what is not seen from here may
    be there.
    """
    problems = tuple(_escapes(spec, site))
    if problems:
        raise InvalidRequestError(*problems, job_id=spec.job_id)


def _escapes(spec: JobSpec, site: Site) -> Iterator[Problem]:
    for it in confined(spec, site):
        path = PurePosixPath(realpath(it.path))
        if not any(path.is_relative_to(realpath(root)) for root in it.roots):
            yield Problem(
                where=it.where,
                what=f"{it.path!r} is a way to {str(path)!r}, outside of {', '.join(it.roots)}",
            )
