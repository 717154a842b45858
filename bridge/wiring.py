"""The only place where adapters, flows and the daemon are put together."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import structlog

from bridge.adapters.budget import BudgetedRunner
from bridge.adapters.clock import SystemClock
from bridge.adapters.local_folders import LocalFolders
from bridge.adapters.rabbitmq import Consumer, ControlConsumer, Publisher, RabbitEventSink
from bridge.adapters.run_local import LocalRunner
from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.adapters.sqlite_journal import SqliteJournal, open_journal
from bridge.core.errors import UnavailableError
from bridge.core.job import JobId, JobSpec
from bridge.core.lifecycle import Job
from bridge.core.policy import within_budget
from bridge.core.retry import RetryPolicy, grown, policy_for
from bridge.core.settings import PollingSettings, SchedulerSettings, SiteSettings
from bridge.daemon import Daemon, Verbs
from bridge.flows.cancel import Cancellation
from bridge.flows.intake import Intake
from bridge.flows.reach import Reachability
from bridge.flows.record import Recorder
from bridge.flows.relay import Relay
from bridge.flows.submit import Prepared, Submission
from bridge.flows.watch import Watch
from bridge.ports import Clock, JobFolders, Scheduler
from bridge.script import job_files, render, script_name
from bridge.wire.request import read_job

log = structlog.get_logger()


@contextmanager
def open_daemon(settings: SiteSettings) -> Iterator[Daemon]:
    """The daemon of a site, ready to run; its journal is open, and nobody else's, until the end.

    Raises ConfigurationError when the journal cannot be had.
    """
    clock = SystemClock()
    runner = BudgetedRunner(LocalRunner(), clock, _budgets(settings.scheduler))
    scheduler = SlurmCommandLine(runner, settings.scheduler)
    folders = LocalFolders(settings.site.work_root, clock)
    pool = ThreadPoolExecutor(settings.scheduler.parallel_submissions, thread_name_prefix="sbatch")
    with open_journal(settings.journal, clock=clock) as journal:
        world = _World(
            settings=settings,
            clock=clock,
            scheduler=scheduler,
            folders=folders,
            journal=journal,
            pool=pool,
        )
        try:
            yield world.daemon()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _budgets(settings: SchedulerSettings) -> list[tuple[frozenset[str], int | None]]:
    return [
        (frozenset({"squeue", "sacct"}), settings.queries_per_minute),
        (frozenset({"sbatch", "scancel"}), settings.submissions_per_minute),
    ]


def _within_budget(settings: SiteSettings) -> PollingSettings:
    polling, budget = settings.polling, settings.scheduler.queries_per_minute
    return replace(polling, looks=within_budget(polling.looks, queries_per_minute=budget))


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    settings: SiteSettings
    clock: Clock
    scheduler: Scheduler
    folders: JobFolders
    journal: SqliteJournal
    pool: ThreadPoolExecutor

    def daemon(self) -> Daemon:
        settings = self.settings
        site, broker = settings.site, settings.broker
        consumer, control = Consumer(broker, site.name), ControlConsumer(broker, site.name)
        publisher = Publisher(broker)
        recorder = Recorder(
            site=site,
            journal=self.journal,
            absence_grace=settings.polling.absence_grace,
            retry_policy=self._retry_policy,
            on_over=self._note_outcome,
            on_news=lambda: daemon.tell_news(),  # noqa: PLW0108 - the daemon is made below
        )
        cancellation = Cancellation(
            site=site,
            scheduler=self.scheduler,
            cancels=self.journal,
            jobs=self.journal,
            notices=self.journal,
            recorder=recorder,
            clock=self.clock,
        )
        daemon = Daemon(
            site=site.name,
            verbs=Verbs(
                intake=Intake(
                    site=site,
                    journal=self.journal,
                    clock=self.clock,
                    render=self._render,
                    on_arrival=cancellation.cancel_arrivals,
                ),
                submission=self._submission(recorder),
                watch=Watch(
                    scheduler=self.scheduler,
                    folders=self.folders,
                    journal=self.journal,
                    recorder=recorder,
                    clock=self.clock,
                ),
                cancellation=cancellation,
                reachability=Reachability(
                    site=site.name,
                    notices=self.journal,
                    clock=self.clock,
                    patience=settings.polling.unreachable_after,
                ),
                relay=Relay(outbox=self.journal, sink=RabbitEventSink(broker, publisher)),
                keep_house=self._keep_house,
                hold_lock=self.journal.lock.renew,
            ),
            source=consumer,
            control=control,
            connections=(publisher, control, consumer),
            clock=self.clock,
            polling=_within_budget(settings),
        )
        return daemon

    def _submission(self, recorder: Recorder) -> Submission:
        return Submission(
            site=self.settings.site,
            scheduler=self.scheduler,
            folders=self.folders,
            journal=self.journal,
            recorder=recorder,
            clock=self.clock,
            prepare=self._prepare,
            settle_time=self.settings.scheduler.settle_time,
            parallel=self.pool.map,
        )

    def _render(self, spec: JobSpec, attempt: int) -> str:
        return render(spec, self.settings, attempt)

    def _prepare(self, job: Job, request: bytes) -> Prepared:
        spec = read_job(request, site=self.settings.site.name)
        policy = policy_for(spec.retry, self.settings.retry)
        resources = grown(spec.resources, job, policy, self.settings.site.limits)
        spec = replace(spec, resources=resources)
        files = job_files(spec, self.settings, job.attempt, request=request)
        return Prepared(script=files[script_name(job.attempt)], files=files)

    def _retry_policy(self, job_id: JobId) -> RetryPolicy:
        spec = read_job(self.journal.request(job_id), site=self.settings.site.name)
        return policy_for(spec.retry, self.settings.retry)

    def _note_outcome(self, job: Job) -> None:
        """What a journal that was lost and is rebuilt must know: this job has told its end."""
        outcome = {
            "event": job.phase.value,
            "sequence": job.sequence,
            "slurm_id": job.slurm_id,
            "attempt": job.attempt,
        }
        try:
            self.folders.create(job.job_id, {"outcome.json": json.dumps(outcome) + "\n"})
        except UnavailableError as error:
            log.warning("outcome_not_noted", job=job.job_id, words=str(error))

    def _keep_house(self) -> None:
        self.journal.prune(self.clock.now() - self.settings.journal.keep)
