"""Status events as they come, one after the other."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Self

from bridge.adapters.rabbitmq import Begin, HistoryReader
from bridge.client.follow import of_jobs, status_events
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings
from bridge.wire.event import CloudEvent

_AT_ONCE = 500
_LOOK_UP = timedelta(seconds=0.5)


class Watching(Iterator[CloudEvent]):
    """An iterator with a connection of its own, which it closes when it ends or is closed."""

    def __init__(
        self,
        broker: BrokerSettings,
        *,
        job_id: str | None,
        site: str | None,
        since: datetime | None,
        quiet: timedelta | None,
        patience: timedelta,
    ) -> None:
        """As Bridge.watch. Raises UnavailableError when the broker cannot be reached."""
        self._is_closed = False
        self._quiet = quiet
        self._history = HistoryReader(broker, begin=Begin.NEXT if since is None else since)
        self._history.start()
        try:
            self._history.listen_within(patience)
        except UnavailableError:
            self.close()
            raise
        events = (it for it in self._told() if site is None or it.data.site == site)
        self._events = events if job_id is None else of_jobs(events, [job_id])

    def __next__(self) -> CloudEvent:
        """The next event. Raises StopIteration when there will be none."""
        try:
            return next(self._events)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Watch no longer; an iteration that waits ends soon."""
        if not self._is_closed:
            self._is_closed = True
            self._history.close()

    def _told(self) -> Iterator[CloudEvent]:
        heard_at = time.monotonic()
        while not self._is_closed:
            for delivery in self._history.take(_AT_ONCE, timeout=_LOOK_UP):
                heard_at = time.monotonic()
                yield from status_events([delivery.body])
                self._history.done([delivery])
            silence = timedelta(seconds=time.monotonic() - heard_at)
            if self._quiet is not None and silence > self._quiet:
                return
