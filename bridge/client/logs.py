"""Follow what a job writes to stdout and stderr, while it writes it.

with LogFollower(broker_at("amqp://..."), "vaughan", job_id) as lines:
    for chunk in lines.chunks():
        page.append(chunk.stream, chunk.data)
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import structlog

from bridge.adapters.rabbitmq import PassingListener
from bridge.client.ask import Asker, NoAnswerError
from bridge.core.errors import InvalidRequestError, UnavailableError
from bridge.core.follow import STREAMS, OutputStream
from bridge.core.settings import BrokerSettings
from bridge.wire.log import LogMessage, read_log
from bridge.wire.question import LONGEST_RANGE

log = structlog.get_logger()

_LEASE = timedelta(seconds=60)
_ASK_AGAIN = timedelta(seconds=10)
_TAKE = timedelta(seconds=0.5)
_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """Some of what a job has written."""

    stream: OutputStream
    start: int
    """Where it begins in the file, in bytes: a page that keeps `start + len(data)` can resume."""
    data: bytes
    """Unmodified; perhaps not whole characters, perhaps no text at all."""


class LogFollower:
    """What one job writes, without a gap and without repetition, from given bytes on.

    What was there before is asked for; then the site's bridge tells what comes, as long as this
    asks it to. What is missed while the broker or the bridge is away is asked for again.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        site: str,
        job_id: str,
        *,
        start: Mapping[OutputStream, int] | None = None,
        patience: timedelta = timedelta(seconds=10),
    ) -> None:
        """`start` says from which byte on, of each stream; from the first one if it does not."""
        self._site = site
        self._job_id = job_id
        self._asker = Asker(broker, patience=patience)
        self._listener = PassingListener.of_logs(broker, f"{site}.{job_id}")
        self._patience = patience
        self._read: dict[OutputStream, int] = {it: (start or {}).get(it, 0) for it in STREAMS}
        self._over: set[OutputStream] = set()
        self._asked_at: float | None = None

    def __enter__(self) -> Self:
        self._asker.__enter__()
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._asker.__exit__()

    def chunks(self, *, quiet: timedelta | None = None) -> Iterator[LogChunk]:
        """Chunk by chunk, until the job is over and all is read, or nothing came for so long.

        Raises what Asker.follow raises while nothing was heard yet; a bridge that is away later is
        waited for.
        """
        self._begin()
        for stream in STREAMS:
            yield from self._missed(stream, None)
        heard_at = time.monotonic()
        while len(self._over) < len(STREAMS):
            for message in self._heard():
                for chunk in self._chunks_of(message):
                    heard_at = time.monotonic()
                    yield chunk
            if quiet is not None and time.monotonic() - heard_at > quiet.total_seconds():
                return
            if self._is_due():
                yield from self._renew()

    def _begin(self) -> Mapping[OutputStream, int]:
        """Ask the bridge to tell what comes; from which bytes on it does."""
        # The queue is there before the bridge begins to tell, so that nothing falls in between.
        self._listener.listen_within(self._patience)
        told = self._asker.follow(self._site, self._job_id, lease=_LEASE)
        self._asked_at = time.monotonic()
        return {"stdout": told.stdout, "stderr": told.stderr}

    def _is_due(self) -> bool:
        asked = self._asked_at
        return asked is None or time.monotonic() - asked > _ASK_AGAIN.total_seconds()

    def _renew(self) -> Iterator[LogChunk]:
        """Ask the bridge to go on, and for what was written while it did not tell us."""
        try:
            for stream, told in self._begin().items():
                yield from self._missed(stream, told)
        except (UnavailableError, NoAnswerError) as error:
            log.warning("not_followed", site=self._site, job=self._job_id, words=str(error))
            self._asked_at = time.monotonic()

    def _heard(self) -> Iterator[LogMessage]:
        for delivery in self._listener.take(_AT_ONCE, timeout=_TAKE):
            try:
                yield read_log(delivery.body)
            except InvalidRequestError as error:
                log.warning("not_a_log", problems=[str(it) for it in error.problems])

    def _chunks_of(self, message: LogMessage) -> Iterator[LogChunk]:
        stream = message.stream
        try:
            yield from self._missed(stream, message.offset)
        except (UnavailableError, NoAnswerError) as error:
            # What this message says is then asked for, too, and its end is told again.
            log.warning("not_caught_up", site=self._site, job=self._job_id, words=str(error))
            self._asked_at = None
            return
        # Further on than what could be read only where somebody has cut the file.
        self._read[stream] = max(self._read[stream], message.offset)
        data = message.bytes[self._read[stream] - message.offset :]
        if data:
            yield self._chunk(stream, data)
        if message.is_last:
            self._over.add(stream)

    def _missed(self, stream: OutputStream, end: int | None) -> Iterator[LogChunk]:
        """What is in the file and was not read yet, up to `end`, or to where the file ends."""
        while end is None or self._read[stream] < end:
            start = self._read[stream]
            length = LONGEST_RANGE if end is None else min(end - start, LONGEST_RANGE)
            found = self._asker.logs(self._site, self._job_id, stream, start=start, length=length)
            if found.data:
                yield self._chunk(stream, found.data)
            if not found.data or (end is None and self._read[stream] >= found.size):
                return

    def _chunk(self, stream: OutputStream, data: bytes) -> LogChunk:
        start = self._read[stream]
        self._read[stream] = start + len(data)
        return LogChunk(stream=stream, start=start, data=data)
