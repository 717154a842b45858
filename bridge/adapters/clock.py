"""The machine's own clock."""

from datetime import UTC, datetime


class SystemClock:
    """A Clock that tells the time of day of this machine."""

    def now(self) -> datetime:
        """Now, aware, in UTC."""
        return datetime.now(UTC)
