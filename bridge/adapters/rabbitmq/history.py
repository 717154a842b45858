"""Reads the stream of status events: what was told before, then what is told now, as one."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bridge.adapters.rabbitmq.bookmark import Begin, Bookmark, StreamPosition, StreamReplacedError
from bridge.adapters.rabbitmq.listening import Listening
from bridge.adapters.rabbitmq.reader import QueueReader, Subscription
from bridge.adapters.rabbitmq.topology import history_topology
from bridge.core.settings import BrokerSettings
from bridge.ports import Delivery, Settlement

log = structlog.get_logger()

_PREFETCH = 1_000
"""Credit for a stream, which is read in chunks."""


class HistoryReader(Listening):
    """Events in the order in which the broker got them, over one connection after the other.

    Nothing is missed and nothing comes twice, but after a restart of whoever reads: then all that
    came after the bookmark, and so does what was taken and not `done`. One thread may use it.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        begin: Begin | datetime = Begin.FIRST,
        bookmark: Bookmark | None = None,
        patience: timedelta = timedelta(seconds=15),
    ) -> None:
        """`begin` counts where there is no bookmark; a time is that of the broker's arrivals.

        A stream that does not show the bookmark's message for so long is taken for another one.
        """
        self._settings = replace(settings, prefetch=_PREFETCH)
        self._position = StreamPosition(begin, bookmark)
        self._patience_s = patience.total_seconds()
        self._asked_at = 0.0
        super().__init__(self._new_reader())

    @property
    def bookmark(self) -> Bookmark | None:
        """What was read last; None: nothing yet."""
        return self._position.bookmark

    def take(self, limit: int, *, timeout: timedelta) -> tuple[Delivery, ...]:
        """Up to `limit` messages that were not read; waits until there is one or the time is over.

        All of them are to be dealt with and told to `done` before the next call.
        """
        deliveries = self._reader.take(limit, timeout=timeout)
        missed = self._position.missed
        try:
            news = self._position.news(deliveries)
        except StreamReplacedError:
            self._begin_anew()
            return ()
        if self._position.waits_for is not None and self._has_waited():
            self._begin_anew()
            return ()
        if self._position.missed > missed:
            log.warning("history_was_shorter", missed=self._position.missed - missed)
        fresh = {it.delivery_tag for it in news}
        self._acknowledge([it for it in deliveries if it.delivery_tag not in fresh])
        return news

    def done(self, deliveries: Sequence[Delivery]) -> None:
        """These were dealt with: they are not read again."""
        if deliveries:
            self._position.read(deliveries[-1])
            self._acknowledge(deliveries)

    def _has_waited(self) -> bool:
        listens = self.wait_until_listening(timedelta(0))
        return listens and time.monotonic() - self._asked_at > self._patience_s

    def _acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        self._reader.settle([(it, Settlement.ACK) for it in deliveries])

    def _begin_anew(self) -> None:
        log.warning("history_replaced", queue=self._settings.history_queue)
        self._reader.close()
        # All of the other stream is news, also to who began with what came from then on.
        self._position = StreamPosition(Begin.FIRST)
        self._reader = self._new_reader()
        self._reader.start()

    def _new_reader(self) -> QueueReader:
        settings = self._settings

        def arguments() -> Mapping[str, object]:
            self._asked_at = time.monotonic()
            return self._position.arguments()

        subscription = Subscription(
            queue=settings.history_queue,
            topology=history_topology(settings),
            arguments=arguments,
        )
        return QueueReader(settings, lambda: subscription, name=f"{settings.namespace} history")
