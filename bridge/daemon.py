"""The daemon: one thread a verb, which meet only in the journal and in wake-up signals."""

import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import Protocol

import structlog

from bridge.core.errors import OverBudgetError, SupersededError, UnavailableError
from bridge.core.policy import back_off, next_look
from bridge.core.settings import PollingSettings
from bridge.flows.cancel import Cancellation
from bridge.flows.intake import Intake
from bridge.flows.pull import Pulls
from bridge.flows.reach import Reachability
from bridge.flows.record import Recorder
from bridge.flows.relay import Relay
from bridge.flows.release import Release
from bridge.flows.submit import Submission
from bridge.flows.sweep import Sweep
from bridge.flows.watch import Watch
from bridge.ports import Clock, Delivery, DeliverySource, Settlement
from bridge.worker import Worker

log = structlog.get_logger()

_AT_ONCE = timedelta(0)
_UNTIL_WOKEN = timedelta(seconds=5)
_NEXT_ATTEMPTS = timedelta(seconds=1)
_GATHER = timedelta(milliseconds=20)
# Events told in a burst go out, and are marked as sent, together.
_NEXT_IMAGES = timedelta(seconds=1)
_PULL_AGAIN = timedelta(milliseconds=200)
_SETTLE_AGAIN = timedelta(seconds=1)
_FIRST_PAUSE = timedelta(seconds=2)
_OBSTACLE_PAUSE = timedelta(seconds=15)
_TAKE_AT_ONCE = 200
_TAKE_WAIT = timedelta(seconds=1)
_HOUSEKEEPING = timedelta(minutes=10)
_LOCK_RENEWAL = timedelta(seconds=10)


class Connection(Protocol):
    """Something that looks after a connection in a thread of its own."""

    def start(self) -> None:
        """Begin to connect, and stay connected."""
        ...

    def close(self, timeout: timedelta) -> None:
        """Let out what is in flight, within the time, and end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbs:
    """What the daemon does, put together elsewhere."""

    recorder: Recorder
    intake: Intake
    front_end_intake: Intake
    """The same for front ends' own queues."""
    release: Release
    submission: Submission
    watch: Watch
    sweep: Sweep
    cancellation: Cancellation
    relay: Relay
    reachability: Reachability
    keep_house: Callable[[], object]
    hold_lock: Callable[[], None]
    """Says that we still have the journal. Raises SupersededError when somebody else has it."""
    pulls: Pulls | None = None
    """None where images have to be there, or jobs fetch them."""


class _Inbox:
    """Keeps deliveries until they are recorded: a disk that is full now may have room later."""

    def __init__(
        self,
        source: DeliverySource,
        receive: Callable[[Sequence[Delivery]], tuple[Settlement, ...]],
    ) -> None:
        self._source = source
        self._receive = receive
        self._taken: Sequence[Delivery] = ()

    def empty_some(self) -> int:
        """Wait for deliveries, have them recorded and settle them; how many there were."""
        self._taken = self._taken or self._source.take(_TAKE_AT_ONCE, timeout=_TAKE_WAIT)
        if self._taken:
            settlements = self._receive(self._taken)
            self._source.settle(list(zip(self._taken, settlements, strict=True)))
        count, self._taken = len(self._taken), ()
        return count


class Daemon:
    """Runs the verbs until it is told to stop."""

    def __init__(
        self,
        *,
        site: str,
        verbs: Verbs,
        source: DeliverySource,
        control: DeliverySource,
        connections: Sequence[Connection],
        clock: Clock,
        polling: PollingSettings,
        beside: Sequence[Worker] = (),
        front_ends: Sequence[DeliverySource] = (),
    ) -> None:
        """`source` has the jobs, `control` what is wanted of them, `front_ends` jobs as well.

        The workers `beside` are started and stopped with those of the daemon itself.
        `connections` are started in their order and closed in the reverse one.
        """
        self._site = site
        self._verbs = verbs
        self._sources = (source, *front_ends)
        self._connections = connections
        self._clock = clock
        self._polling = polling
        self._beside = beside
        inboxes = [_Inbox(source, verbs.intake.receive)]
        inboxes += [_Inbox(it, verbs.front_end_intake.receive) for it in front_ends]
        self._control_inbox = _Inbox(control, verbs.cancellation.receive)
        self._last_look = self._last_change = clock.uptime() - polling.looks.longest
        self._submit_from = self._last_sweep = clock.uptime()
        self._is_holding = False
        self._obstacles = 0
        """How many passes in a row the site took no jobs."""
        self._superseded: SupersededError | None = None
        self._stopped = threading.Event()
        # One for each queue: what is wrong with one of them must not keep the others waiting.
        self._intakes = [Worker("intake", partial(self._take_in, it)) for it in inboxes]
        self._control = Worker("control", self._take_control)
        self._cancel = Worker("cancel", verbs.cancellation.cancel_waiting)
        self._release = Worker("release", self._release_some, breath=_GATHER)
        self._pull = Worker("pull", self._pull_some)
        self._submit = Worker("submit", self._submit_some)
        self._look = Worker("look", self._look_at_slurm)
        self._marks = Worker("marks", self._read_marks)
        self._relay = Worker("relay", self._publish_some, breath=_GATHER)
        self._sweep = Worker("sweep", self._sweep_strays)
        self._housekeeping = Worker("housekeeping", self._keep_house)
        self._lock = Worker("lock", self._hold_lock)
        verbs.recorder.notify(self._relay.wake)
        verbs.recorder.notify(self._release.wake)

    def run(self, *, grace: timedelta = timedelta(seconds=20)) -> bool:
        """Work until SIGTERM, SIGINT or `stop`; whether all ended within the grace.

        Raises SupersededError when another daemon has taken the journal over.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        for connection in self._connections:
            connection.start()
        for worker in self._workers:
            worker.start()
        log.info("ready", site=self._site)
        self._stopped.wait()
        is_clean = self._shut_down(grace)
        if self._superseded is not None:
            raise self._superseded
        return is_clean

    def stop(self) -> None:
        """End the run. Returns at once."""
        self._stopped.set()

    @property
    def _workers(self) -> tuple[Worker, ...]:
        return (
            *self._intakes,
            self._control,
            self._cancel,
            self._release,
            *((self._pull,) if self._verbs.pulls is not None else ()),
            self._submit,
            self._look,
            self._marks,
            self._relay,
            self._sweep,
            self._housekeeping,
            self._lock,
            *self._beside,
        )

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        self.stop()

    def _shut_down(self, grace: timedelta) -> bool:
        for worker in self._workers:
            worker.stop()
        ends_at = self._clock.uptime() + grace
        late = [it.name for it in self._workers if not it.join(ends_at - self._clock.uptime())]
        if self._submit.name not in late and not self._verbs.submission.finish(
            within=ends_at - self._clock.uptime()
        ):
            late.append(self._submit.name)
        for connection in reversed(self._connections):
            connection.close(timedelta(seconds=5))
        if late:
            # All that matters is in the journal: the next run takes it up from there.
            log.warning("stopped_before_the_end", workers=late)
        log.info("stopped", site=self._site)
        return not late

    def _take_in(self, inbox: _Inbox) -> timedelta:
        if inbox.empty_some():
            self._release.wake()
            self._submit.wake()
            self._relay.wake()
        return _AT_ONCE

    def _take_control(self) -> timedelta:
        if self._control_inbox.empty_some():
            self._cancel.wake()
            self._relay.wake()
        return _AT_ONCE

    def _release_some(self) -> timedelta:
        done = self._verbs.release.release_waiting()
        if done.changed:
            self._submit.wake()
        return _AT_ONCE if done.changed or done.noted else _UNTIL_WOKEN

    def _pull_some(self) -> timedelta:
        pulls = self._verbs.pulls
        if pulls is None or not pulls.pull_awaited():
            return _NEXT_IMAGES
        self._relay.wake()
        self._submit.wake()
        return _PULL_AGAIN

    def _submit_some(self) -> timedelta:
        too_early = self._submit_from - self._clock.uptime()
        if too_early > _AT_ONCE:
            return too_early
        done = self._verbs.submission.submit_waiting()
        self._hold(paused=done.obstacle is not None)
        if done.away:
            self._tell_silence(done.obstacle or "")
        if done.handled:
            self._hurry_look()
            self._cancel.wake()
        if done.obstacle is not None:
            log.warning("site_takes_no_jobs", full=done.site_full, words=done.obstacle)
            self._obstacles += 1
            pause = back_off(
                self._obstacles, first=_FIRST_PAUSE, longest=_OBSTACLE_PAUSE, jitter=0.0
            )
            self._submit_from = self._clock.uptime() + pause
            return pause
        self._obstacles = 0
        if done.doubtful:
            return _SETTLE_AGAIN
        # Nothing wakes us when the wait before a next attempt is over.
        return _AT_ONCE if done.handled else _NEXT_ATTEMPTS

    def _hold(self, *, paused: bool) -> None:
        if paused != self._is_holding:
            log.info("consumption", paused=paused)
            for source in self._sources:
                source.hold(paused=paused)
            self._is_holding = paused

    def _look_at_slurm(self) -> timedelta:
        now, looks = self._clock.uptime(), self._polling.looks
        too_early = self._last_look + looks.shortest - now
        if too_early > _AT_ONCE:
            return too_early
        self._last_look = now
        # A silence that was told must be seen to end, also when no job is left to ask about.
        in_doubt = self._verbs.reachability.is_in_doubt
        try:
            look = self._verbs.watch.look(anyway=in_doubt)
        except OverBudgetError:
            raise
        except UnavailableError as error:
            self._tell_silence(str(error))
            raise
        if (look.live or in_doubt) and self._verbs.reachability.answered():
            self._relay.wake()
        if look.changed or look.unsettled:
            self._last_change = self._clock.uptime()
        if not look.live:
            return _UNTIL_WOKEN
        return next_look(looks, quiet_for=self._clock.uptime() - self._last_change)

    def _tell_silence(self, words: str) -> None:
        if self._verbs.reachability.silent(words):
            self._relay.wake()

    def _hurry_look(self) -> None:
        self._last_change = self._clock.uptime()
        self._look.wake()

    def _read_marks(self) -> timedelta:
        if self._verbs.watch.read_marks().ended:
            self._hurry_look()
        return self._polling.marks

    def _sweep_strays(self) -> timedelta:
        too_early = self._last_sweep + self._polling.sweep - self._clock.uptime()
        if too_early > _AT_ONCE:
            return too_early
        self._verbs.sweep.sweep()
        self._last_sweep = self._clock.uptime()
        return self._polling.sweep

    def _publish_some(self) -> timedelta:
        return _AT_ONCE if self._verbs.relay.publish_waiting() else _UNTIL_WOKEN

    def _keep_house(self) -> timedelta:
        self._verbs.keep_house()
        return _HOUSEKEEPING

    def _hold_lock(self) -> timedelta:
        try:
            self._verbs.hold_lock()
        except SupersededError as error:
            log.critical("superseded", words=str(error))
            self._superseded = error
            self.stop()
        return _LOCK_RENEWAL
