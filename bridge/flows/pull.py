"""Pull: jobs that want images which the site does not have wait here, while others go on."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock

import structlog

from bridge.core.errors import ImagePullError, UnavailableError
from bridge.core.facts import ImageFact, ImageThere, PullBegun, PullFailed
from bridge.core.job import JobId
from bridge.core.lifecycle import Job
from bridge.flows.record import Recorder
from bridge.ports import Clock, Images, PullJournal

log = structlog.get_logger()

_BELIEVED_FOR = timedelta(minutes=10)
"""Somebody may clear images away."""
_AFTER_SILENCE = timedelta(seconds=15)

ImageOf = Callable[[JobId], str | None]


@dataclass(slots=True)
class _Work:
    """An image that is looked for, or pulled, in a thread of its own."""

    is_pulled: bool = False


class Pulls:
    """Knows which images are at the site, and fetches those that jobs wait for.

    Each is looked for once, and pulled once, whatever the number of jobs that want it. One that is
    slow holds up those that want it, and nobody else.
    """

    def __init__(
        self,
        *,
        images: Images,
        journal: PullJournal,
        recorder: Recorder,
        clock: Clock,
        image_of: ImageOf,
        spawn: Callable[[Callable[[], None]], None],
        at_once: int = 4,
    ) -> None:
        """`image_of` says what a job wants; None is nothing that could be pulled.

        `spawn` lets something run in a thread of its own, which nobody waits for.
        """
        self._images = images
        self._journal = journal
        self._recorder = recorder
        self._clock = clock
        self._image_of = image_of
        self._spawn = spawn
        self._at_once = at_once
        self._guard = Lock()
        self._wanted: dict[JobId, str | None] = {}
        self._there: dict[str, timedelta] = {}
        """In uptime, when the image was last seen."""
        self._work: dict[str, _Work] = {}
        self._silent: dict[str, timedelta] = {}

    def lacks_image(self, job: Job) -> bool:
        """Whether the job has to wait until its image is seen at the site."""
        image = self._image_of(job.job_id)
        return image is not None and not self._is_there(image)

    def pull_awaited(self) -> int:
        """Begin to look for what jobs wait for, and tell them how far that is; how many there are.

        Raises UnavailableError when the journal cannot be read or written.
        """
        waiting = self._by_image()
        for image, jobs in waiting.items():
            if self._is_there(image):
                self._tell(jobs, ImageThere(at=self._clock.now()))
            elif (work := self._work.get(image)) is not None:
                if work.is_pulled:
                    self._tell_begun(jobs)
            elif self._may_begin(image):
                self._begin(image)
        return sum(map(len, waiting.values()))

    def _by_image(self) -> Mapping[str, list[Job]]:
        jobs = self._journal.pulling()
        known = {it: self._wanted[it] for it in (job.job_id for job in jobs) if it in self._wanted}
        self._wanted = known
        found: dict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            if job.job_id not in known:
                known[job.job_id] = self._image_of(job.job_id)
            image = known[job.job_id]
            if image is None:
                # The site's file has changed meanwhile: nothing is pulled any more.
                self._tell([job], ImageThere(at=self._clock.now()))
            else:
                found[image].append(job)
        return found

    def _is_there(self, image: str) -> bool:
        seen = self._there.get(image)
        return seen is not None and self._clock.uptime() - seen < _BELIEVED_FOR

    def _may_begin(self, image: str) -> bool:
        silent = self._silent.get(image)
        if silent is not None and self._clock.uptime() - silent < _AFTER_SILENCE:
            return False
        return len(self._work) < self._at_once

    def _begin(self, image: str) -> None:
        with self._guard:
            self._work[image] = work = _Work()
        self._spawn(lambda: self._fetch(image, work))

    def _fetch(self, image: str, work: _Work) -> None:
        try:
            if not self._images.has(image):
                log.info("pulling", image=image)
                work.is_pulled = True
                self._tell_begun(self._waiting_for(image))
                self._images.pull(image)
                log.info("pulled", image=image)
            self._there[image] = self._clock.uptime()
        except ImagePullError as error:
            log.warning("not_pulled", image=image, words=str(error))
            self._fail(image, str(error))
        except UnavailableError as error:
            log.warning("image_unknown", image=image, words=str(error))
            self._silent[image] = self._clock.uptime()
        finally:
            with self._guard:
                del self._work[image]

    def _fail(self, image: str, words: str) -> None:
        """Who comes after these has it tried again."""
        try:
            self._tell_begun(self._waiting_for(image))
            self._tell(self._waiting_for(image), PullFailed(at=self._clock.now(), words=words))
        except UnavailableError as error:
            log.warning("failed_pull_not_recorded", image=image, words=str(error))

    def _waiting_for(self, image: str) -> list[Job]:
        return [it for it in self._journal.pulling() if self._image_of(it.job_id) == image]

    def _tell_begun(self, jobs: Iterable[Job]) -> None:
        untold = [it for it in jobs if it.pulling_since is None]
        self._tell(untold, PullBegun(at=self._clock.now()))

    def _tell(self, jobs: Iterable[Job], fact: ImageFact) -> None:
        self._recorder.tell((it, fact) for it in jobs)
