"""Who keeps the board: one at a time, however many would."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, update

from bridge.adapters.rabbitmq import Bookmark
from bridge.client.board import schema
from bridge.client.board.database import Database
from bridge.client.board.setting_aside import set_message_aside, write_or_set_aside
from bridge.client.board.writing import write_events
from bridge.core.errors import SupersededError
from bridge.wire.event import CloudEvent

LEASE = timedelta(seconds=30)
"""How long a keeper may be silent before another one takes its place."""


class Lease:
    """One would-be keeper's claim.

    What is written is written only while the claim holds, whatever the clocks of several machines
    say. Every method raises UnavailableError when the database does not answer.
    """

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder

    def take(self, now: datetime) -> bool:
        """Take the board, or go on keeping it; False: another one keeps it."""

        def take(connection: Connection, board: Row[Any]) -> bool:
            is_free = board.keeper is None or board.kept_until is None or board.kept_until < now
            if board.keeper == self._holder or is_free:
                self._hold(connection, now)
                return True
            return False

        return self._database.write(take)

    def give_back(self) -> None:
        """Let the next one take it at once."""

        def give_back(connection: Connection, board: Row[Any]) -> None:
            if board.keeper == self._holder:
                connection.execute(update(schema.board).values(keeper=None, kept_until=None))

        self._database.write(give_back)

    def bookmark(self) -> Bookmark | None:
        """What the keepers before have read last."""

        def read(_: Connection, board: Row[Any]) -> Bookmark | None:
            if board.stream_offset is None:
                return None
            return Bookmark(offset=board.stream_offset, message_id=board.stream_message)

        return self._database.write(read)

    def record(
        self, events: Sequence[CloudEvent], *, bookmark: Bookmark | None, now: datetime
    ) -> None:
        """Take in events, and where the keeper is in the stream.

        Raises SupersededError when another one keeps the board.
        """

        def record(connection: Connection, board: Row[Any]) -> None:
            self._keep(connection, board, now)
            write_events(connection, events)
            if bookmark is not None:
                place = {
                    "stream_offset": bookmark.offset,
                    "stream_message": bookmark.message_id,
                }
                connection.execute(update(schema.board).values(**place))

        self._database.write(record)

    def record_alone(self, event: CloudEvent, *, now: datetime) -> Exception | None:
        """Take in one event, or set it aside with what is wrong with it; what was wrong.

        Raises SupersededError when another one keeps the board.
        """

        def record(connection: Connection, board: Row[Any]) -> Exception | None:
            self._keep(connection, board, now)
            return write_or_set_aside(connection, event, now=now)

        return self._database.write(record)

    def set_aside(self, body: bytes, error: Exception, *, now: datetime) -> None:
        """Set a message aside that could not even be read, with what is wrong with it.

        Raises SupersededError when another one keeps the board.
        """

        def record(connection: Connection, board: Row[Any]) -> None:
            self._keep(connection, board, now)
            set_message_aside(connection, body, error, now=now)

        self._database.write(record)

    def _keep(self, connection: Connection, board: Row[Any], now: datetime) -> None:
        if board.keeper != self._holder:
            raise SupersededError(f"{board.keeper} keeps the board now")
        self._hold(connection, now)

    def _hold(self, connection: Connection, now: datetime) -> None:
        held = update(schema.board).values(keeper=self._holder, kept_until=now + LEASE)
        connection.execute(held)
