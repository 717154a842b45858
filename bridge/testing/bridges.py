"""Bridges that say that they are there, as a board's keeper hears them."""

import threading
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Self

from bridge.core.errors import UnavailableError
from bridge.wire.limits import SiteLimits
from bridge.wire.presence import Presence


class FakeBridges:
    """What bridges say, played by hand. Threads may share it."""

    def __init__(self, limits: Mapping[str, SiteLimits] | None = None) -> None:
        self.is_heard = True
        """Whether what they say reaches whoever listens."""
        self.limits_of: dict[str, SiteLimits] = dict(limits or {})
        """What each site allows; one that is not here does not answer."""
        self._changed = threading.Condition()
        self._said: deque[Presence] = deque()

    def say(self, presence: Presence) -> None:
        """What a bridge does every now and then."""
        with self._changed:
            self._said.append(presence)
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def take(self, *, timeout: timedelta) -> tuple[Presence, ...]:
        """What was said and not taken; waits until there is something, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._said, timeout.total_seconds())
            said = tuple(self._said)
            self._said.clear()
        return said

    def limits(self, site: str) -> SiteLimits:
        """What a site allows. Raises UnavailableError."""
        if site not in self.limits_of:
            raise UnavailableError(f"the bridge of {site!r} did not answer in time")
        return self.limits_of[site]
