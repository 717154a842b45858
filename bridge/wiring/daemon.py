"""The daemon of a site, with all that it needs."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from bridge.adapters.clock import SystemClock
from bridge.adapters.local_processes.scheduler import LocalProcesses
from bridge.adapters.rabbitmq import (
    Consumer,
    ControlConsumer,
    FrontEndConsumer,
    Publisher,
    QuestionConsumer,
    RabbitEventSink,
    RabbitReturnChannel,
    publishing_topology,
)
from bridge.adapters.sqlite_journal import SqliteJournal, open_journal
from bridge.core.policy import within_budget
from bridge.core.settings import PollingSettings, SchedulerKind, SiteSettings
from bridge.daemon import Daemon
from bridge.ports import Clock, Scheduler
from bridge.wiring.flows import Flows
from bridge.wiring.reach import reached
from bridge.wiring.world import World


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
    publisher = Publisher(broker, topology=publishing_topology(broker))
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
        reached(settings, clock) as site_reached,
    ):
        world = World(
            clock=clock,
            scheduler=site_reached.scheduler,
            folders=site_reached.folders,
            files=site_reached.files,
            images=site_reached.images,
            journal=journal,
            jobs=jobs,
            control=control,
            questions=questions,
            events=RabbitEventSink(broker, publisher, replies=replies),
            channel=RabbitReturnChannel(broker, publisher),
            front_ends=tuple(front_ends),
        )
        flows = Flows(settings=settings, world=dress(world))
        progress = flows.progress()
        verbs = flows.verbs(
            progress=progress,
            spawn=pool.submit,
            keep_house=partial(_keep_house, journal, site_reached.scheduler, clock, settings),
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


def _keep_house(
    journal: SqliteJournal, scheduler: Scheduler, clock: Clock, settings: SiteSettings
) -> None:
    before = clock.now() - settings.journal.keep
    journal.prune(before)
    if isinstance(scheduler, LocalProcesses):
        scheduler.forget(before=before)


def _within_budget(settings: SiteSettings) -> PollingSettings:
    polling, budget = settings.polling, settings.scheduler.queries_per_minute
    if settings.scheduler.kind is SchedulerKind.LOCAL:
        return polling
    return replace(polling, looks=within_budget(polling.looks, queries_per_minute=budget))
