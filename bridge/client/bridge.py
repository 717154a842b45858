"""All that a front end wants of the bridges, from any thread of any process.

bridge = Bridge("amqp://user:password@host/virtual-host")

job_id = bridge.submit("vaughan", {"name": "digits", "image": "...", "command": ["train"]})
for event in bridge.watch(job_id): ...
bridge.cancel("vaughan", job_id)
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from bridge.client.address import broker_at
from bridge.client.ask import Artifact, Asker, LogRange
from bridge.client.completion import AnyJob, checked, complete
from bridge.client.job import Job
from bridge.client.process import OncePerProcess
from bridge.client.submit import NoBridgeError, Submitter
from bridge.client.watching import Watching
from bridge.core.errors import UnavailableError
from bridge.core.settings import DEFAULT_NAMESPACE, BrokerSettings
from bridge.wire.limits import SiteLimits
from bridge.wire.presence import Presence
from bridge.wire.question import Stream

MOST_WAITING = 1_000
_PAUSE_S = 0.2


class TooManyWaitingError(UnavailableError):
    """As many jobs as may wait for the broker already: nothing was sent; send it again later."""


class Bridge:
    """The way to every site behind one broker.

    Threads may share it, and it may be made before a fork: every process has one connection for
    what it sends, made when it first sends something. A thread of its own looks after it: it keeps
    the heartbeat, whatever the application does meanwhile, and connects again.
    """

    def __init__(
        self,
        broker: BrokerSettings | str,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        patience: timedelta = timedelta(seconds=10),
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """`broker` may be an URL, and `namespace` belongs to that.

        `patience` is for how long a call tries before it fails, `most_waiting` how many calls at
        once may do so in this process. Raises ConfigurationError.
        """
        if isinstance(broker, str):
            broker = broker_at(broker, namespace=namespace)
        self._broker = broker
        self._patience = patience
        self._room = OncePerProcess(lambda: threading.Semaphore(most_waiting), lambda _: None)
        self._most_waiting = most_waiting
        self._submitter = OncePerProcess(self._new_submitter, lambda it: it.__exit__())
        self._asker = OncePerProcess(self._new_asker, lambda it: it.__exit__())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close this process's connections; the next call opens new ones."""
        self._submitter.close()
        self._asker.close()

    def submit(self, site: str, job: AnyJob, *, unchecked: bool = False) -> str:
        """Send a job to a site; its id. When this returns, the broker has it safely.

        A job without `job_id` gets a fresh one. Who cannot know whether a call has succeeded, for
        it raised UnavailableError or the process died, sends the same job with the same id again:
        it stays one job.

        Raises InvalidRequestError with everything that is wrong with the job, unless that is left
        to the site (`unchecked`); NoBridgeError, TooManyWaitingError; and UnavailableError when it
        is not known to have arrived.
        """
        body, job_id = complete(job)
        if not unchecked and not isinstance(job, Job):  # which is right since it was built
            job_id = checked(body, site)
        self._send(lambda it: it.submit(site, body, job_id=job_id))
        return job_id

    def cancel(self, site: str, job_id: str) -> None:
        """Ask a site to end a job, whatever it is doing; its events tell what came of it.

        Raises ValueError when `job_id` is no UUID, and else as `submit`.
        """
        self._send(lambda it: it.cancel(site, job_id))

    def watch(
        self,
        job_id: str | None = None,
        *,
        site: str | None = None,
        since: datetime | None = None,
        quiet: timedelta | None = None,
    ) -> Watching:
        """Status events as they come, each once, over reconnects too; of one job up to its last.

        From now on, or as they came to the broker `since` then, as far as it keeps them. Ends when
        none came for the time `quiet`; never, without it. Nothing is missed that is told after
        this has returned. Raises UnavailableError, and ValueError when `job_id` is no UUID.
        """
        wanted = None if job_id is None else str(UUID(job_id))
        return Watching(
            self._broker,
            job_id=wanted,
            site=site,
            since=since,
            quiet=quiet,
            patience=self._patience,
        )

    def sites(self) -> tuple[Presence, ...]:
        """Which sites' bridges are there just now, by name; takes a second. As Asker.sites."""
        return self._asker.get().sites()

    def sites_of(self, job_id: str) -> tuple[str, ...]:
        """The sites that have this job, mostly one. As Asker.sites_of."""
        return self._asker.get().sites_of(job_id)

    def limits(self, site: str) -> SiteLimits:
        """What a site allows: to bound a form by. Raises as Asker does."""
        return self._asker.get().limits(site)

    def logs(
        self,
        site: str,
        job_id: str,
        stream: Stream | str = Stream.STDOUT,
        *,
        start: int = 0,
        length: int | None = None,
    ) -> LogRange:
        """Some of what a job has written. As Asker.logs."""
        return self._asker.get().logs(site, job_id, stream, start=start, length=length)

    def artifact(self, site: str, job_id: str, name: str) -> Artifact:
        """A small file that a job has left. As Asker.artifact."""
        return self._asker.get().artifact(site, job_id, name)

    def request(self, site: str, job_id: str) -> bytes:
        """The job message as the site has it. As Asker.request."""
        return self._asker.get().request(site, job_id)

    def _send(self, send: Callable[[Submitter], None]) -> None:
        """Try until the broker has it or the patience is over: sent twice, it still is once."""
        ends = time.monotonic() + self._patience.total_seconds()
        with self._a_place():
            while True:
                try:
                    send(self._submitter.get())
                except NoBridgeError:
                    raise
                except UnavailableError:
                    if time.monotonic() + _PAUSE_S >= ends:
                        raise
                    time.sleep(_PAUSE_S)
                else:
                    return

    @contextmanager
    def _a_place(self) -> Iterator[None]:
        room = self._room.get()
        if not room.acquire(blocking=False):
            raise TooManyWaitingError(
                f"{self._most_waiting} calls wait for the broker already; send it again later"
            )
        try:
            yield
        finally:
            room.release()

    def _new_submitter(self) -> Submitter:
        return Submitter(self._broker, patience=self._patience).__enter__()

    def _new_asker(self) -> Asker:
        return Asker(self._broker, patience=self._patience).__enter__()
