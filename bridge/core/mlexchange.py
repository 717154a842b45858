"""What a site says about jobs that MLExchange front ends send: pure look-ups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from bridge.core.job import Command, Mount, Resources

WORK_FOLDER = "/app/work"
"""Where the images of these front ends keep their programs, and start them."""
DATA_FOLDER = "/app/work/data"
"""Where they find what the sender calls `working_directory`."""
PARAMETERS_FILE = "/app/work/config/params.yaml"
"""Where they find their parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueTask:
    """How a site runs one task of a model."""

    model: str
    task: str
    image: str
    """In the words of the site's runtime."""
    command: Command
    environment: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    """Variables, and the site's names for what they hold."""
    mounts: tuple[Mount, ...] = ()
    resources: Resources = field(default_factory=Resources)
    start_in: str | None = None
    """The folder in the container where the command starts; None is the job's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MlexchangeRules:
    """How a site understands what these front ends send."""

    queues: tuple[str, ...] = ()
    """Their own queues, from which the bridge takes jobs besides the site's."""
    on_jobs_queue: bool = False
    """Whether their messages may come to the site's own queue too."""
    hosts: tuple[str, ...] = ()
    """The names by which they know this site."""
    images: tuple[tuple[str, str], ...] = ()
    """What an image of theirs is called here."""
    image_prefix: str = ""
    """Before the name of every other image."""
    folders: tuple[tuple[str, str], ...] = ()
    """What a folder of theirs, with all below it, is called here; the first that fits."""
    mounts: tuple[Mount, ...] = ()
    """What every container of theirs sees besides what it asks for."""
    start_in: str | None = WORK_FOLDER
    """The folder in the container where commands start; None is the job's own."""
    catalogue: tuple[CatalogueTask, ...] = ()

    def image(self, name: str) -> str:
        """What the site calls this image."""
        return dict(self.images).get(name, f"{self.image_prefix}{name}")

    def folder(self, path: str) -> str:
        """What the site calls this folder; as it is where nothing is said of it."""
        for theirs, ours in self.folders:
            if PurePosixPath(path).is_relative_to(theirs):
                return str(PurePosixPath(ours) / PurePosixPath(path).relative_to(theirs))
        return path

    def task(self, model: str, task: str) -> CatalogueTask | None:
        """How the site runs this; None where the catalogue does not have it."""
        return next((it for it in self.catalogue if (it.model, it.task) == (model, task)), None)

    @property
    def offers(self) -> tuple[str, ...]:
        """Everything in the catalogue, in words."""
        return tuple(f"{it.model} {it.task}" for it in self.catalogue)


def last_of(count: int, waits_for: Mapping[int, Sequence[int]]) -> frozenset[int]:
    """Those of so many jobs that no other one waits for: with them, all is over."""
    return frozenset(range(count)) - {it for others in waits_for.values() for it in others}


def in_a_circle(waits_for: Mapping[int, Sequence[int]]) -> frozenset[int]:
    """The jobs that would wait for each other, and those that wait for them; none is best."""
    left = {job: set(others) for job, others in waits_for.items() if others}
    while free := {job for job, others in left.items() if not others & left.keys()}:
        left = {job: others for job, others in left.items() if job not in free}
    return frozenset(left)
