"""The clocks of this machine."""

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The time of day as the system has it, and a time that nobody can set."""

    def now(self) -> datetime:
        """Now, aware, in UTC."""
        return datetime.now(UTC)

    def uptime(self) -> timedelta:
        """Since the machine was started; goes on while it sleeps (clock_gettime(2))."""
        return timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))
