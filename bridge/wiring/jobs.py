"""One job at one site: admitted, rendered, tried again, noted."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import structlog

from bridge.adapters.escapes import refuse_escapes
from bridge.core.errors import InvalidRequestError, Problem, UnavailableError
from bridge.core.job import JobId, JobSpec, SweepTask
from bridge.core.lifecycle import Job
from bridge.core.placement import limits_for
from bridge.core.retry import RetryPolicy, grown, policy_for
from bridge.core.settings import SiteSettings
from bridge.flows.submit import Prepared
from bridge.ports import JobFolders, LifecycleJournal
from bridge.script import is_pulled, job_files, refusals, script_name
from bridge.wire.outcome import write_outcome
from bridge.wire.request import read_job
from bridge.wire.sweep import task_requests

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """What the site's configuration makes of one job."""

    settings: SiteSettings
    journal: LifecycleJournal
    folders: JobFolders

    def examine(self, spec: JobSpec) -> Iterator[Problem]:
        """Everything for which the site does not take the job."""
        return refusals(spec, self.settings.site)

    def prepare(self, job: Job, request: bytes) -> Prepared:
        """Its script and its files, grown by what earlier attempts lacked.

        Raises InvalidRequestError when no script can be written.
        """
        spec = read_job(request, site=self.settings.site.name)
        policy = policy_for(spec.retry, self.settings.retry)
        limits = limits_for(spec.resources, self.settings.site)
        resources = grown(spec.resources, job, policy, limits)
        spec = replace(spec, resources=resources, task=_task_of(job))
        if self.settings.scheduler.access is None:
            refuse_escapes(spec, self.settings.site)
        files = job_files(spec, self.settings, job.attempt, request=request)
        tasks = self._task_files(spec, request) if spec.sweep else {}
        return Prepared(script=files[script_name(job.attempt)], files=files, tasks=tasks)

    def _task_files(self, spec: JobSpec, request: bytes) -> dict[JobId, dict[str, str]]:
        tasks: dict[JobId, dict[str, str]] = {}
        for index, body in enumerate(task_requests(request)):
            task = SweepTask(sweep=spec.job_id, index=index)
            own = replace(read_job(body, site=self.settings.site.name), task=task)
            tasks[own.job_id] = job_files(own, self.settings, 1, request=body)
        return tasks

    def retry_policy(self, job_id: JobId) -> RetryPolicy:
        """When it is tried again, as the job and the site have it. Raises UnavailableError."""
        request = self.journal.request(job_id)
        try:
            spec = read_job(request, site=self.settings.site.name)
        except InvalidRequestError as error:
            # Accepted under another configuration: no script could be written for a next attempt.
            log.warning("not_retried", job=job_id, words=str(error))
            return RetryPolicy()
        return policy_for(spec.retry, self.settings.retry)

    def note_outcome(self, job: Job) -> None:
        """What a journal that was lost and is rebuilt must know: this job has told its end."""
        try:
            self.folders.create(job.job_id, {"outcome.json": write_outcome(job)})
        except UnavailableError as error:
            log.warning("outcome_not_noted", job=job.job_id, words=str(error))

    def pulled_image(self, job_id: JobId) -> str | None:
        """The image that must be fetched before it is submitted; None for none."""
        try:
            spec = read_job(self.journal.request(job_id), site=self.settings.site.name)
        except InvalidRequestError:
            # Accepted under another configuration: whoever writes its script says what is wrong.
            return None
        return spec.image if is_pulled(spec.image, self.settings.site) else None


def _task_of(job: Job) -> SweepTask | None:
    if job.sweep is None or job.task_index is None:
        return None
    return SweepTask(sweep=job.sweep, index=job.task_index)
