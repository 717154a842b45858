"""Fills a board with what the broker has kept, once."""

from datetime import datetime, timedelta

from bridge.client.board.board import Board
from bridge.client.kept import kept_events
from bridge.core.settings import BrokerSettings


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
    for events in kept_events(broker, since=since, patience=patience):
        board.record(events)
