"""Secrets of the site that a job sees in its environment, and nobody anywhere else."""

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.core.errors import Problem
from bridge.core.job import JobSpec
from bridge.core.site import Site
from bridge.script.runtimes import MANNERS


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSecret:
    """A file of the site whose content the job finds in a variable."""

    name: str
    """Of the variable that the job sees."""
    variable: str
    """Of the one that the script exports: none that any program on the node takes for its own."""
    file: str


def script_secrets(spec: JobSpec, site: Site) -> tuple[ScriptSecret, ...]:
    """What the script reads as it runs. Raises KeyError for a secret that the site has not."""
    files = {it.reference: it.file for it in site.secrets}
    prefix = MANNERS[site.containers.runtime].variable_prefix
    return tuple(
        ScriptSecret(name=name, variable=f"{prefix}{name}", file=files[reference])
        for name, reference in spec.secrets
    )


def unknown_secrets(spec: JobSpec, site: Site) -> Iterator[Problem]:
    """Those that the site no longer has, though it did when the job was accepted."""
    known = {it.reference for it in site.secrets}
    for name, reference in spec.secrets:
        if reference not in known:
            yield Problem(where=f"secrets.{name}", what=f"{site.name} has no secret {reference!r}")
