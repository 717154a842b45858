"""A clock that is moved by hand."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """A Clock that stands still until somebody moves it."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        """The time it was moved to, aware, in UTC."""
        return self._now

    def move(self, by: timedelta) -> datetime:
        """Let so much time pass; answers the new time."""
        self._now += by
        return self._now
