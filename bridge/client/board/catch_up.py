"""Fills a board with what the broker has kept, once."""

from datetime import datetime, timedelta

from bridge.adapters.rabbitmq import Begin, HistoryReader
from bridge.client.board.board import Board
from bridge.client.follow import status_events
from bridge.core.settings import BrokerSettings

_AT_ONCE = 1_000
_QUIET = timedelta(seconds=1)


def read_history(
    broker: BrokerSettings,
    board: Board,
    *,
    since: datetime | None = None,
    patience: timedelta = timedelta(seconds=10),
) -> None:
    """Record the events that came to the broker since then, or all that it has kept.

    Ends when none comes any more. Raises UnavailableError.
    """
    begin = Begin.FIRST if since is None else since
    with HistoryReader(broker, begin=begin) as history:
        history.listen_within(patience)
        while deliveries := history.take(_AT_ONCE, timeout=_QUIET):
            board.record(list(status_events(it.body for it in deliveries)))
            history.done(deliveries)
