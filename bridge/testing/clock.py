"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """A Clock moved by hand, forwards; its time of day may also be set."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._uptime = timedelta(days=1)

    def now(self) -> datetime:
        """The time that the test has come to."""
        return self._now

    def uptime(self) -> timedelta:
        """As much as the clock was moved, and a day."""
        return self._uptime

    def move(self, by: timedelta) -> datetime:
        """Let this much time pass; the new time."""
        self._now += by
        self._uptime += by
        return self._now

    def set(self, to: datetime) -> None:
        """Set the time of day, as an administrator or NTP may, also back. No time passes."""
        self._now = to
