"""Presence: says again and again that this bridge is there, and how it is."""

from collections.abc import Callable
from datetime import timedelta

from bridge import __version__
from bridge.core.site import Site
from bridge.flows.reach import Reachability
from bridge.ports import Clock, Load, Passing, ReturnChannel
from bridge.wire.limits import digest_of, limits_of
from bridge.wire.presence import Presence, presence_body

EVERY = timedelta(seconds=20)
_MISSED = 3
"""After so many in a row that did not come, a bridge is not there any more."""


class PresenceTeller:
    """Tells that the bridge is there."""

    def __init__(
        self,
        *,
        site: Site,
        load: Callable[[], Load],
        reachability: Reachability,
        channel: ReturnChannel,
        clock: Clock,
    ) -> None:
        self._site = site
        self._load = load
        self._reachability = reachability
        self._channel = channel
        self._clock = clock
        self._since = clock.now()
        self._limits_digest = digest_of(limits_of(site))

    def describe(self) -> Presence:
        """How the bridge is now. Raises UnavailableError when the journal cannot be read."""
        load = self._load()
        answered = self._reachability.answered_ago
        return Presence(
            site=self._site.name,
            at=self._clock.now(),
            valid_seconds=int((_MISSED * EVERY).total_seconds()),
            bridge_version=__version__,
            running_since=self._since,
            limits_digest=self._limits_digest,
            waiting=load.waiting,
            live=load.live,
            is_reached=not self._reachability.is_in_doubt,
            answered_seconds_ago=None if answered is None else round(answered.total_seconds(), 1),
        )

    def announce(self) -> timedelta:
        """Tell it to whoever listens; how long to wait until the next time.

        Raises UnavailableError.
        """
        body = presence_body(self.describe())
        self._channel.tell_presence(Passing(routing_key=f"{self._site.name}.presence", body=body))
        return EVERY
