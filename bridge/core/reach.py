"""Whether a site answers: told once when it falls silent for long, and once when it is back."""

from dataclasses import dataclass, replace
from datetime import timedelta

from bridge.core.lifecycle import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What is known of a site's scheduler."""

    silent_since: timedelta | None = None
    """In uptime: the time of day may be set meanwhile."""
    told_silent: bool = False


def hear(reach: Reach) -> tuple[Reach, EventKind | None]:
    """The site has answered."""
    return Reach(), EventKind.RECOVERED if reach.told_silent else None


def miss(reach: Reach, *, at: timedelta, patience: timedelta) -> tuple[Reach, EventKind | None]:
    """The site has not answered; told once it was silent for longer than `patience`."""
    since = at if reach.silent_since is None else reach.silent_since
    silent = replace(reach, silent_since=since)
    if reach.told_silent or at - since < patience:
        return silent, None
    return replace(silent, told_silent=True), EventKind.UNREACHABLE
