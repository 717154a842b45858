"""The flows of a site."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.core.lifecycle import Job
from bridge.core.settings import SchedulerKind, SiteSettings
from bridge.core.site import PullPolicy
from bridge.daemon import Verbs
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
from bridge.flows.record import Recorder
from bridge.flows.relay import Relay
from bridge.flows.release import Release
from bridge.flows.reply import Replies
from bridge.flows.submit import Submission
from bridge.flows.sweep import Sweep
from bridge.flows.tail import Tail
from bridge.flows.watch import Watch
from bridge.script import mounts_files
from bridge.wire.mlexchange import Setting
from bridge.wiring.jobs import Jobs
from bridge.wiring.world import World
from bridge.worker import Worker


def _in_a_thread(work: Callable[[], None]) -> None:
    """Nobody waits for it: a pull that is cut off leaves nothing that counts as an image."""
    threading.Thread(target=work, name="pull", daemon=True).start()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """The verbs of a site's daemon, put together."""

    settings: SiteSettings
    world: World

    @property
    def _jobs(self) -> Jobs:
        return Jobs(settings=self.settings, journal=self.world.journal, folders=self.world.folders)

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
        spawn: Callable[[Callable[[], None]], object],
        keep_house: Callable[[], object],
        hold_lock: Callable[[], None],
    ) -> Verbs:
        """What the daemon's threads do."""
        world, settings = self.world, self.settings
        site = settings.site
        leavings = Leavings(files=world.files, progress=progress)
        recorder = Recorder(
            site=site,
            journal=world.journal,
            absence_grace=settings.polling.absence_grace,
            retry_policy=self._jobs.retry_policy,
            on_over=self._jobs.note_outcome,
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
        recorder.notify_of_tasks(cancellation.cancel_arrivals)
        release = Release(
            dependencies=world.journal,
            jobs=world.journal,
            folders=world.folders,
            recorder=recorder,
            clock=world.clock,
            unknown_grace=settings.polling.unknown_grace,
        )

        pulls = self._pulls(recorder) if self._pulls_before else None

        def announce(arrived: Sequence[Job]) -> None:
            cancellation.cancel_arrivals([it.job_id for it in arrived])
            release.arrived(arrived)

        def intake(messages: Messages) -> Intake:
            return Intake(
                site=site,
                journal=world.journal,
                clock=world.clock,
                examine=self._jobs.examine,
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
                prepare=self._jobs.prepare,
                settle_time=settings.scheduler.settle_time,
                spawn=spawn,
                at_once=settings.scheduler.parallel_submissions,
                takes_arrays=settings.scheduler.kind is not SchedulerKind.LOCAL,
                lacks_image=None if pulls is None else pulls.lacks_image,
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
            image_of=self._jobs.pulled_image,
            spawn=_in_a_thread,
        )
