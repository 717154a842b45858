"""Tail: what jobs write to stdout and stderr is told as it grows, where somebody follows them."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock

import structlog

from bridge.core.follow import STREAMS, Follow, after, growth, has_ended, shares
from bridge.core.job import JobId
from bridge.ports import (
    Clock,
    FileRange,
    JobFile,
    JobFiles,
    LifecycleJournal,
    Passing,
    ReturnChannel,
)
from bridge.wire.log import LogMessage, log_body

log = structlog.get_logger()

MOST_FOLLOWED = 200
"""How many jobs are followed at once."""
LONGEST_MESSAGE = 64 * 1024
"""Bytes of a job's output in one message."""
BUDGET = 512 * 1024
"""Bytes of all jobs' output that are told at one look."""
_LOOK_EVERY = timedelta(milliseconds=500)
_UNTIL_WOKEN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What one look at a followed job came to; its pairs are of STREAMS."""

    follow: Follow
    data: tuple[bytes, bytes]
    sizes: tuple[int, int]
    is_over: bool

    @property
    def is_last(self) -> bool:
        return has_ended(self.follow, is_over=self.is_over, grows=self.sizes != self.follow.told)


class Tail:
    """Follows jobs while somebody wants it, and costs nothing while nobody does.

    Nothing of it is kept: after a restart of the bridge, who follows asks again.
    """

    def __init__(
        self,
        *,
        site: str,
        files: JobFiles,
        jobs: LifecycleJournal,
        channel: ReturnChannel,
        clock: Clock,
    ) -> None:
        self._site = site
        self._files = files
        self._jobs = jobs
        self._channel = channel
        self._clock = clock
        self._guard = Lock()
        self._follows: dict[JobId, Follow] = {}
        self._on_follow: Callable[[], None] = lambda: None

    def notify(self, listener: Callable[[], None]) -> None:
        """Call `listener` from now on whenever a job is followed."""
        self._on_follow = listener

    def follow(self, job_id: JobId, lease: timedelta) -> tuple[int, int] | None:
        """Follow the job for so long from now on; from which bytes of stdout and stderr on.

        Longer, if it is followed already. None when too many jobs are followed.
        Raises UnavailableError.
        """
        until = self._clock.uptime() + lease
        with self._guard:
            known = self._follows.get(job_id)
            if known is not None:
                self._follows[job_id] = replace(known, until=max(known.until, until))
                return known.told
            if len(self._follows) >= MOST_FOLLOWED:
                return None
        stdout, stderr = self._files.sizes(_files_of(job_id))
        begun = Follow(job_id=job_id, until=until, told=(stdout or 0, stderr or 0))
        with self._guard:
            told = self._follows.setdefault(job_id, begun).told
        self._on_follow()
        return told

    def tell_growth(self) -> timedelta:
        """Tell what has come since the last time; how long to wait until the next time.

        What cannot be told now is told later: no byte is left out. Raises UnavailableError.
        """
        follows = self._present()
        if not follows:
            return _UNTIL_WOKEN
        looks = self._look(follows)
        self._channel.tell_logs([message for it in looks for message in self._messages(it)])
        with self._guard:
            for look in looks:
                self._proceed(look)
        return _LOOK_EVERY

    def _look(self, follows: Sequence[Follow]) -> list[_Look]:
        # Asked before the files are looked at: what a job wrote before its end is there then.
        alive = {it.job_id for it in self._jobs.jobs(f.job_id for f in follows) if not it.is_over}
        files = [file for it in follows for file in _files_of(it.job_id)]
        told = [offset for it in follows for offset in it.told]
        grown = [
            growth(was, size) for was, size in zip(told, self._files.sizes(files), strict=True)
        ]
        wanted = [
            FileRange(file=file, start=start, length=length)
            for file, start, length in zip(
                files, told, shares(grown, budget=BUDGET, most=LONGEST_MESSAGE), strict=True
            )
        ]
        data = self._read(wanted)
        return [
            _Look(
                follow=it,
                data=(data[2 * number], data[2 * number + 1]),
                sizes=(
                    told[2 * number] + grown[2 * number],
                    told[2 * number + 1] + grown[2 * number + 1],
                ),
                is_over=it.job_id not in alive,
            )
            for number, it in enumerate(follows)
        ]

    def _present(self) -> tuple[Follow, ...]:
        now = self._clock.uptime()
        with self._guard:
            self._follows = {it.job_id: it for it in self._follows.values() if it.until > now}
            return tuple(self._follows.values())

    def _read(self, wanted: Sequence[FileRange]) -> list[bytes]:
        asked = [it for it in wanted if it.length]
        read = iter(self._files.read(asked) if asked else ())
        pieces = [next(read) if it.length else None for it in wanted]
        return [it.data if it else b"" for it in pieces]

    def _messages(self, look: _Look) -> list[Passing]:
        job_id = look.follow.job_id
        return [
            Passing(
                routing_key=f"{self._site}.{job_id}",
                body=log_body(
                    LogMessage(
                        site=self._site,
                        job_id=job_id,
                        stream=stream,
                        offset=offset,
                        size=size,
                        data=base64.b64encode(data).decode(),
                        is_last=look.is_last,
                    )
                ),
            )
            for stream, offset, size, data in zip(
                STREAMS, look.follow.told, look.sizes, look.data, strict=True
            )
            if data or look.is_last
        ]

    def _proceed(self, look: _Look) -> None:
        known = self._follows.get(look.follow.job_id)
        if known is None:
            return
        if look.is_last:
            del self._follows[known.job_id]
        else:
            lengths = [len(it) for it in look.data]
            self._follows[known.job_id] = after(known, lengths, is_over=look.is_over)


def _files_of(job_id: JobId) -> list[JobFile]:
    return [JobFile(job_id=job_id, name=it) for it in STREAMS]
