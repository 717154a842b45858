"""The status events that the broker has kept, once."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from bridge.adapters.rabbitmq import Begin, HistoryReader
from bridge.client.follow import status_events
from bridge.core.settings import BrokerSettings
from bridge.wire.event import CloudEvent

_AT_ONCE = 1_000
_QUIET = timedelta(seconds=1)


def kept_events(
    broker: BrokerSettings, *, since: datetime | None, patience: timedelta
) -> Iterator[list[CloudEvent]]:
    """What came to the broker since then, or all that it has kept, many at once, oldest first.

    Ends with what came before this began, or when none comes any more. Raises UnavailableError.
    """
    begin = Begin.FIRST if since is None else since
    # What comes now tells where that which is kept ends: where much comes there is no silence.
    with (
        HistoryReader(broker, begin=Begin.NEXT) as coming,
        HistoryReader(broker, begin=begin) as history,
    ):
        coming.listen_within(patience)
        history.listen_within(patience)
        end: int | None = None
        while deliveries := history.take(_AT_ONCE, timeout=_QUIET):
            yield list(status_events(it.body for it in deliveries))
            history.done(deliveries)
            if end is None:
                end = next((it.offset for it in coming.take(1, timeout=timedelta(0))), None)
            last = deliveries[-1].offset
            if end is not None and last is not None and last >= end - 1:
                return
