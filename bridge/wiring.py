"""The only place where adapters, flows and the daemon are put together."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from bridge.adapters.clock import SystemClock
from bridge.adapters.local_folders import LocalFolders
from bridge.adapters.rabbitmq import Consumer, Publisher, RabbitEventSink
from bridge.adapters.run_local import LocalRunner
from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.adapters.sqlite_journal import SqliteJournal, open_journal
from bridge.core.job import JobSpec
from bridge.core.lifecycle import Job
from bridge.core.settings import SiteSettings
from bridge.daemon import Daemon, Verbs
from bridge.flows.intake import Intake
from bridge.flows.record import Recorder
from bridge.flows.relay import Relay
from bridge.flows.submit import Prepared, Submission
from bridge.flows.watch import Watch
from bridge.ports import Clock, JobFolders, Scheduler
from bridge.script import job_files, render, script_name
from bridge.wire.request import read_job


@contextmanager
def open_daemon(settings: SiteSettings) -> Iterator[Daemon]:
    """The daemon of a site, ready to run; its journal is open, and nobody else's, until the end.

    Raises ConfigurationError when the journal cannot be had.
    """
    clock = SystemClock()
    scheduler = SlurmCommandLine(LocalRunner(), settings.scheduler)
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
        consumer, publisher = Consumer(broker, site.name), Publisher(broker)
        recorder = Recorder(
            site=site,
            journal=self.journal,
            absence_grace=settings.polling.absence_grace,
            on_news=lambda: daemon.tell_news(),  # noqa: PLW0108 - the daemon is made below
        )
        daemon = Daemon(
            site=site.name,
            verbs=Verbs(
                intake=Intake(
                    site=site, journal=self.journal, clock=self.clock, render=self._render
                ),
                submission=self._submission(recorder),
                watch=Watch(
                    scheduler=self.scheduler,
                    folders=self.folders,
                    journal=self.journal,
                    recorder=recorder,
                    clock=self.clock,
                ),
                relay=Relay(outbox=self.journal, sink=RabbitEventSink(broker, publisher)),
                keep_house=self._keep_house,
                hold_lock=self.journal.lock.renew,
            ),
            source=consumer,
            connections=(publisher, consumer),
            clock=self.clock,
            polling=settings.polling,
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
        files = job_files(spec, self.settings, job.attempt, request=request)
        return Prepared(script=files[script_name(job.attempt)], files=files)

    def _keep_house(self) -> None:
        self.journal.prune(self.clock.now() - self.settings.journal.keep)
