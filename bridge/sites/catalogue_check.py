"""Whether the site itself would take what its catalogue offers."""

from bridge.core.job import JobId, JobKind, JobSpec, Mount
from bridge.core.mlexchange import CatalogueTask
from bridge.core.policy import admission_problems
from bridge.sites.document import Document
from bridge.sites.mlexchange import rules_of
from bridge.sites.model import SiteFile
from bridge.sites.translation import site_of

_ANY_JOB = JobId("00000000-0000-0000-0000-000000000000")
_CATALOGUE = ("mlexchange", "catalogue")


def report_catalogue(model: SiteFile, document: Document) -> None:
    """Records in `document` every task that would be rejected, and every one that stands twice."""
    if model.mlexchange is None:
        return
    site, rules = site_of(model), rules_of(model.mlexchange)
    seen: set[tuple[str, str]] = set()
    for index, task in enumerate(rules.catalogue):
        name = (task.model, task.task)
        if name in seen:
            document.report((*_CATALOGUE, index), f"{task.model} {task.task} stands here twice")
        seen.add(name)
        for reference in {it for _, it in task.secrets} - model.secrets.keys():
            document.report((*_CATALOGUE, index), f"no secret here is called {reference}")
        for problem in admission_problems(_job(task, rules.mounts), site):
            if problem.where != "user":
                document.report((*_CATALOGUE, index), f"its jobs would be rejected: {problem}")


def _job(task: CatalogueTask, mounts: tuple[Mount, ...]) -> JobSpec:
    """The task, without what depends on the user."""
    return JobSpec(
        job_id=_ANY_JOB,
        name=task.model,
        kind=JobKind.OTHER,
        image=task.image,
        command=task.command,
        mounts=(*mounts, *task.mounts),
        resources=task.resources,
    )
