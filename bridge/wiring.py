"""The only place where adapters, flows and the daemon are put together."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from bridge.adapters.budget import BudgetedRunner
from bridge.adapters.clock import SystemClock
from bridge.adapters.escapes import refuse_escapes
from bridge.adapters.local_folders import LocalFiles, LocalFolders, LocalRemains
from bridge.adapters.local_processes.scheduler import LocalProcesses
from bridge.adapters.pyslurm.scheduler import PyslurmScheduler
from bridge.adapters.rabbitmq import (
    Consumer,
    ControlConsumer,
    FrontEndConsumer,
    Publisher,
    QuestionConsumer,
    RabbitEventSink,
    RabbitReturnChannel,
)
from bridge.adapters.run_local import LocalRunner
from bridge.adapters.site_images import SiteImages
from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.adapters.sqlite_journal import SqliteJournal, open_journal
from bridge.core.errors import (
    ConfigurationError,
    InvalidRequestError,
    Problem,
    UnavailableError,
)
from bridge.core.job import JobId, JobSpec, SweepTask
from bridge.core.lifecycle import Job
from bridge.core.placement import limits_for
from bridge.core.policy import within_budget
from bridge.core.retry import RetryPolicy, grown, policy_for
from bridge.core.settings import (
    PollingSettings,
    SchedulerKind,
    SchedulerSettings,
    SiteSettings,
    SshSettings,
)
from bridge.core.site import PullPolicy
from bridge.daemon import Daemon, Verbs
from bridge.flows.answer import Answers
from bridge.flows.answer_files import FileAnswers
from bridge.flows.cancel import Cancellation
from bridge.flows.intake import Intake
from bridge.flows.leavings import Leavings
from bridge.flows.messages import Messages, MlexchangeMessages, OwnMessages
from bridge.flows.presence import PresenceTeller
from bridge.flows.progress import Progress
from bridge.flows.pull import Pulls
from bridge.flows.reach import Reachability
from bridge.flows.rebuild import Findings, Remains, fill, search
from bridge.flows.record import Recorder
from bridge.flows.relay import Relay
from bridge.flows.release import Release
from bridge.flows.reply import Replies
from bridge.flows.submit import ParallelMap, Prepared, Submission
from bridge.flows.sweep import Sweep
from bridge.flows.tail import Tail
from bridge.flows.watch import Watch
from bridge.ports import (
    CancelJournal,
    Clock,
    DeliverySource,
    DependencyJournal,
    EventSink,
    Images,
    IntakeJournal,
    JobFiles,
    JobFolders,
    LifecycleJournal,
    NoticeJournal,
    Outbox,
    ProgressJournal,
    PullJournal,
    QueryJournal,
    ReturnChannel,
    Runner,
    Scheduler,
)
from bridge.script import is_pulled, job_files, mounts_files, refusals, script_name
from bridge.wire.mlexchange import Setting
from bridge.wire.outcome import write_outcome
from bridge.wire.request import read_job
from bridge.wire.sweep import task_requests
from bridge.worker import Worker

log = structlog.get_logger()


class Journal(
    IntakeJournal,
    LifecycleJournal,
    DependencyJournal,
    PullJournal,
    CancelJournal,
    NoticeJournal,
    Outbox,
    ProgressJournal,
    QueryJournal,
    Protocol,
):
    """Every role of the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside the bridge that its flows reach, through the ports."""

    clock: Clock
    scheduler: Scheduler
    folders: JobFolders
    files: JobFiles
    images: Images
    journal: Journal
    jobs: DeliverySource
    control: DeliverySource
    questions: DeliverySource
    events: EventSink
    channel: ReturnChannel
    front_ends: tuple[DeliverySource, ...] = ()
    """Queues of their own, with jobs."""


def _in_a_thread(work: Callable[[], None]) -> None:
    """Nobody waits for it: a pull that is cut off leaves nothing that counts as an image."""
    threading.Thread(target=work, name="pull", daemon=True).start()


def _lacks_no_image(_: Job) -> bool:
    return False


def _as_it_is(world: World) -> World:
    return world


@contextmanager
def open_daemon(
    settings: SiteSettings, *, dress: Callable[[World], World] = _as_it_is
) -> Iterator[Daemon]:
    """The daemon of a site, ready to run; its journal is open, and nobody else's, until the end.

    `dress` may put something between the flows and the world, such as a count of the calls.
    Raises ConfigurationError when the journal cannot be had.
    """
    broker, site = settings.broker, settings.site
    clock = SystemClock()
    publisher = Publisher(broker)
    jobs, control = Consumer(broker, site.name), ControlConsumer(broker, site.name)
    questions = QuestionConsumer(broker, site.name)
    rules = settings.mlexchange
    replies = Publisher(broker, name=f"{broker.namespace} replies") if rules else None
    front_ends = [FrontEndConsumer(broker, it) for it in (rules.queues if rules else ())]
    # Twice as many as may ask Slurm: the others write folders, or wait for the disk.
    threads = 2 * settings.scheduler.parallel_submissions
    pool = ThreadPoolExecutor(threads, thread_name_prefix="submit")
    with (
        open_journal(settings.journal, clock=clock) as journal,
        _reached(settings, clock) as reached,
    ):
        world = World(
            clock=clock,
            scheduler=reached.scheduler,
            folders=reached.folders,
            files=reached.files,
            images=reached.images,
            journal=journal,
            jobs=jobs,
            control=control,
            questions=questions,
            events=RabbitEventSink(broker, publisher, replies=replies),
            channel=RabbitReturnChannel(broker, publisher),
            front_ends=tuple(front_ends),
        )
        flows = _Flows(settings=settings, world=dress(world))
        progress = flows.progress()
        verbs = flows.verbs(
            progress=progress,
            parallel=pool.map,
            keep_house=partial(_keep_house, journal, reached.scheduler, clock, settings),
            hold_lock=journal.lock.renew,
        )
        try:
            yield Daemon(
                site=site.name,
                verbs=verbs,
                source=flows.world.jobs,
                control=flows.world.control,
                front_ends=flows.world.front_ends,
                connections=(
                    publisher,
                    *(() if replies is None else (replies,)),
                    questions,
                    control,
                    jobs,
                    *front_ends,
                ),
                clock=clock,
                polling=_within_budget(settings),
                beside=flows.return_channel(verbs.reachability, progress),
            )
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reached:
    """What runs the scripts, the jobs' folders and the images."""

    scheduler: Scheduler
    folders: JobFolders
    files: JobFiles
    images: Images


@contextmanager
def _reached(settings: SiteSettings, clock: Clock) -> Iterator[_Reached]:
    """What is on this machine, or on a login node.

    Local jobs are nobody else's while the journal is held.
    """
    access = settings.scheduler.access
    if settings.scheduler.kind is SchedulerKind.LOCAL:
        yield _here(_local_processes(settings, clock), settings, clock)
        return
    if settings.scheduler.kind is SchedulerKind.PYSLURM:
        with open_pyslurm(settings, clock) as through_pyslurm:
            yield _here(through_pyslurm, settings, clock)
        return
    if access is None:
        yield _here(_slurm(LocalRunner(), settings, clock), settings, clock)
        return
    with _login_node(settings, access, clock) as node:
        scheduler = _slurm(node.runner, settings, clock)
        images = SiteImages(node.runner, settings.site)
        yield _Reached(scheduler=scheduler, folders=node.folders, files=node.files, images=images)


def _here(scheduler: Scheduler, settings: SiteSettings, clock: Clock) -> _Reached:
    work_root = settings.site.work_root
    return _Reached(
        scheduler=scheduler,
        folders=LocalFolders(work_root, clock),
        files=LocalFiles(work_root),
        images=SiteImages(LocalRunner(), settings.site),
    )


@contextmanager
def open_runner(settings: SiteSettings, clock: Clock) -> Iterator[Runner]:
    """Where the site's commands are run. Raises ConfigurationError."""
    access = settings.scheduler.access
    if access is None:
        yield LocalRunner()
        return
    with _login_node(settings, access, clock) as node:
        yield node.runner


@dataclass(frozen=True, slots=True, kw_only=True)
class _LoginNode:
    """What is reached over one connection."""

    runner: Runner
    folders: JobFolders
    files: JobFiles
    remains: Remains


@contextmanager
def _login_node(settings: SiteSettings, access: SshSettings, clock: Clock) -> Iterator[_LoginNode]:
    try:
        from bridge.adapters.ssh import (  # noqa: PLC0415
            SshConnection,
            SshFiles,
            SshFolders,
            SshRemains,
            SshRunner,
        )
    except ModuleNotFoundError as error:
        what = f"{error.name} is not installed; it comes with hpc-batch-bridge[ssh]"
        raise ConfigurationError(Problem(where="scheduler.access", what=what)) from error
    with closing(SshConnection(access, clock)) as connection:
        work_root = settings.site.work_root
        yield _LoginNode(
            runner=SshRunner(connection),
            folders=SshFolders(connection, work_root, clock),
            files=SshFiles(connection, work_root),
            remains=SshRemains(connection, work_root, clock),
        )


@contextmanager
def open_pyslurm(settings: SiteSettings, clock: Clock) -> Iterator[PyslurmScheduler]:
    """Submission through pyslurm. Raises ConfigurationError when it cannot be used here."""
    budgeted = BudgetedRunner(LocalRunner(), clock, _budgets(settings.scheduler))
    command_line = SlurmCommandLine(budgeted, settings.scheduler)
    scheduler = PyslurmScheduler(
        settings.scheduler,
        command_line=command_line,
        client=command_line.client,
        spend=lambda: budgeted.spend(("sbatch",)),
    )
    with closing(scheduler):
        scheduler.verify()
        yield scheduler


def _slurm(runner: Runner, settings: SiteSettings, clock: Clock) -> SlurmCommandLine:
    budgeted = BudgetedRunner(runner, clock, _budgets(settings.scheduler))
    return SlurmCommandLine(budgeted, settings.scheduler)


def _local_processes(settings: SiteSettings, clock: Clock) -> LocalProcesses:
    at_once = settings.scheduler.local_jobs
    return LocalProcesses(local_jobs_folder(settings), clock, at_once=at_once)


def local_jobs_folder(settings: SiteSettings) -> Path:
    """Where the records of local jobs lie: beside the journal."""
    return Path(f"{settings.journal.path}.jobs")


def _keep_house(
    journal: SqliteJournal, scheduler: Scheduler, clock: Clock, settings: SiteSettings
) -> None:
    before = clock.now() - settings.journal.keep
    journal.prune(before)
    if isinstance(scheduler, LocalProcesses):
        scheduler.forget(before=before)


def _budgets(settings: SchedulerSettings) -> list[tuple[frozenset[str], int | None]]:
    return [
        (frozenset({"squeue", "sacct"}), settings.queries_per_minute),
        (frozenset({"sbatch", "scancel"}), settings.submissions_per_minute),
    ]


def _within_budget(settings: SiteSettings) -> PollingSettings:
    polling, budget = settings.polling, settings.scheduler.queries_per_minute
    if settings.scheduler.kind is SchedulerKind.LOCAL:
        return polling
    return replace(polling, looks=within_budget(polling.looks, queries_per_minute=budget))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flows:
    settings: SiteSettings
    world: World

    def progress(self) -> Progress:
        """Who reads what running jobs write into their progress files."""
        return Progress(
            site=self.settings.site,
            files=self.world.files,
            journal=self.world.journal,
            clock=self.world.clock,
            every=self.settings.polling.progress,
        )

    def verbs(
        self,
        *,
        progress: Progress,
        parallel: ParallelMap,
        keep_house: Callable[[], object],
        hold_lock: Callable[[], None],
    ) -> Verbs:
        world, settings = self.world, self.settings
        site = settings.site
        leavings = Leavings(files=world.files, progress=progress)
        recorder = Recorder(
            site=site,
            journal=world.journal,
            absence_grace=settings.polling.absence_grace,
            retry_policy=self._retry_policy,
            on_over=self._note_outcome,
            leavings=leavings.collect,
            reply=Replies(site=site, journal=world.journal, files=world.files).reply,
        )
        progress.notify(recorder.announce)
        cancellation = Cancellation(
            site=site,
            scheduler=world.scheduler,
            cancels=world.journal,
            jobs=world.journal,
            notices=world.journal,
            recorder=recorder,
            clock=world.clock,
        )
        release = Release(
            dependencies=world.journal,
            jobs=world.journal,
            folders=world.folders,
            recorder=recorder,
            clock=world.clock,
            unknown_grace=settings.polling.unknown_grace,
        )

        pulls = self._pulls(recorder) if self._pulls_before else None

        def announce(arrived: Sequence[JobId]) -> None:
            cancellation.cancel_arrivals(arrived)
            release.arrived(arrived)

        def intake(messages: Messages) -> Intake:
            return Intake(
                site=site,
                journal=world.journal,
                clock=world.clock,
                examine=self._examine,
                on_arrival=announce,
                messages=messages,
            )

        return Verbs(
            recorder=recorder,
            release=release,
            intake=intake(self._messages(on_jobs_queue=True)),
            front_end_intake=intake(self._messages(on_jobs_queue=False)),
            submission=Submission(
                site=site,
                scheduler=world.scheduler,
                folders=world.folders,
                journal=world.journal,
                recorder=recorder,
                clock=world.clock,
                prepare=self._prepare,
                settle_time=settings.scheduler.settle_time,
                parallel=parallel,
                at_once=settings.scheduler.parallel_submissions,
                takes_arrays=settings.scheduler.kind is not SchedulerKind.LOCAL,
                lacks_image=_lacks_no_image if pulls is None else pulls.lacks_image,
            ),
            pulls=pulls,
            watch=Watch(
                scheduler=world.scheduler,
                folders=world.folders,
                journal=world.journal,
                recorder=recorder,
                clock=world.clock,
            ),
            sweep=Sweep(
                site=site,
                scheduler=world.scheduler,
                folders=world.folders,
                journal=world.journal,
                recorder=recorder,
                clock=world.clock,
            ),
            cancellation=cancellation,
            reachability=Reachability(
                site=site.name,
                notices=world.journal,
                clock=world.clock,
                patience=settings.polling.unreachable_after,
            ),
            relay=Relay(outbox=world.journal, sink=world.events),
            keep_house=keep_house,
            hold_lock=hold_lock,
        )

    def return_channel(self, reachability: Reachability, progress: Progress) -> tuple[Worker, ...]:
        """Who looks after all that goes back to front ends beside the events."""
        world, site = self.world, self.settings.site
        tail = Tail(
            site=site.name,
            files=world.files,
            jobs=world.journal,
            channel=world.channel,
            clock=world.clock,
        )
        presence = PresenceTeller(
            site=site,
            load=world.journal.load,
            reachability=reachability,
            channel=world.channel,
            clock=world.clock,
        )
        answers = Answers(
            site=site,
            source=world.questions,
            channel=world.channel,
            journal=world.journal,
            files=FileAnswers(
                site=site, files=world.files, journal=world.journal, tail=tail, clock=world.clock
            ),
            presence=presence.describe,
        )
        follower = Worker("tail", tail.tell_growth)
        tail.notify(follower.wake)
        return (
            Worker("answers", answers.answer_some),
            Worker("answers of files", answers.answer_of_files),
            follower,
            Worker("progress", progress.read_some),
            Worker("presence", presence.announce),
        )

    def _messages(self, *, on_jobs_queue: bool) -> Messages:
        """How what comes to the site's own queue, or to the others, is understood."""
        site, rules = self.settings.site, self.settings.mlexchange
        if rules is None or (on_jobs_queue and not rules.on_jobs_queue):
            return OwnMessages(site)
        runtime, partition = site.containers.runtime, site.defaults.partition
        offered = (*site.choices.partitions, *(() if partition is None else (partition,)))
        setting = Setting(
            site=site.name,
            runtime=runtime,
            mounts_files=mounts_files(runtime),
            partitions=offered,
            rules=rules,
        )
        return MlexchangeMessages(site, setting)

    @property
    def _pulls_before(self) -> bool:
        return self.settings.site.containers.pull is PullPolicy.BEFORE

    def _pulls(self, recorder: Recorder) -> Pulls:
        return Pulls(
            images=self.world.images,
            journal=self.world.journal,
            recorder=recorder,
            clock=self.world.clock,
            image_of=self._pulled_image,
            spawn=_in_a_thread,
        )

    def _pulled_image(self, job_id: JobId) -> str | None:
        try:
            spec = read_job(self.world.journal.request(job_id), site=self.settings.site.name)
        except InvalidRequestError:
            # Accepted under another configuration: whoever writes its script says what is wrong.
            return None
        return spec.image if is_pulled(spec.image, self.settings.site) else None

    def _examine(self, spec: JobSpec) -> Iterator[Problem]:
        return refusals(spec, self.settings.site)

    def _prepare(self, job: Job, request: bytes) -> Prepared:
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

    def _retry_policy(self, job_id: JobId) -> RetryPolicy:
        request = self.world.journal.request(job_id)
        try:
            spec = read_job(request, site=self.settings.site.name)
        except InvalidRequestError as error:
            # Accepted under another configuration: no script could be written for a next attempt.
            log.warning("not_retried", job=job_id, words=str(error))
            return RetryPolicy()
        return policy_for(spec.retry, self.settings.retry)

    def _note_outcome(self, job: Job) -> None:
        """What a journal that was lost and is rebuilt must know: this job has told its end."""
        try:
            self.world.folders.create(job.job_id, {"outcome.json": write_outcome(job)})
        except UnavailableError as error:
            log.warning("outcome_not_noted", job=job.job_id, words=str(error))


def _task_of(job: Job) -> SweepTask | None:
    if job.sweep is None or job.task_index is None:
        return None
    return SweepTask(sweep=job.sweep, index=job.task_index)


def rebuild_journal(settings: SiteSettings) -> Findings:
    """Make a site's lost journal anew from Slurm and the jobs' folders.

    Raises ConfigurationError when the journal is not lost or a daemon has it, and UnavailableError
    when Slurm or the disk does not answer; nothing is restored then.
    """
    clock = SystemClock()
    with _left_over(settings, clock) as (remains, scheduler):
        findings = search(site=settings.site, remains=remains, scheduler=scheduler, clock=clock)
        with open_journal(settings.journal, clock=clock) as journal:
            fill(journal, findings, remains, hold_lock=journal.lock.renew)
    return findings


@contextmanager
def _left_over(settings: SiteSettings, clock: Clock) -> Iterator[tuple[Remains, Scheduler]]:
    """What a rebuild asks, within no budget."""
    access = settings.scheduler.access
    if access is not None:
        with _login_node(settings, access, clock) as node:
            yield node.remains, SlurmCommandLine(node.runner, settings.scheduler)
        return
    remains = LocalRemains(settings.site.work_root, clock)
    if settings.scheduler.kind is SchedulerKind.LOCAL:
        yield remains, _local_processes(settings, clock)
    else:
        yield remains, SlurmCommandLine(LocalRunner(), settings.scheduler)
