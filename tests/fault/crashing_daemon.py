"""The daemon, made to die by SIGKILL: `crashing_daemon.py SITE.yaml POINT NTH ARMED_BY`.

POINT is `<part of the World>.<method>:before` or `:after`, such as `scheduler.submit:after`. The
process dies at the NTH of those calls, counted from the first call of the point ARMED_BY on, or
from its start where that is `start`. It is the daemon of `hpc-bridge run` in all else.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from bridge.cli.logs import configure_logging
from bridge.sites import load_site
from bridge.wiring import World, open_daemon

START = "start"


class Tripwire:
    """Counts the calls of the point, and ends the process at the last one."""

    def __init__(self, point: str, nth: int, armed_by: str) -> None:
        self._point = point
        self._left = nth
        self._armed_by = armed_by
        self._is_armed = armed_by == START
        self._lock = threading.Lock()

    def pass_by(self, point: str) -> None:
        """Somebody is at a point."""
        with self._lock:
            self._is_armed = self._is_armed or point == self._armed_by
            if not self._is_armed or point != self._point:
                return
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """A part of the World, with the tripwire before and after each of its methods."""

    def __init__(self, name: str, part: object, tripwire: Tripwire) -> None:
        self._name = name
        self._part = part
        self._tripwire = tripwire

    def __getattr__(self, name: str) -> object:
        attribute = getattr(self._part, name)
        return self._watched(name, attribute) if callable(attribute) else attribute

    def _watched(self, method: str, call: Callable[..., object]) -> Callable[..., object]:
        point = f"{self._name}.{method}"

        def watched(*arguments: object, **named: object) -> object:
            self._tripwire.pass_by(f"{point}:before")
            answer = call(*arguments, **named)
            self._tripwire.pass_by(f"{point}:after")
            return answer

        return watched


def dress(world: World, tripwire: Tripwire) -> World:
    """The same World, with the tripwire in it."""
    parts = {it.name: getattr(world, it.name) for it in fields(world)}
    watched = {
        name: tuple(Watched(name, it, tripwire) for it in part)
        if isinstance(part, tuple)
        else Watched(name, part, tripwire)
        for name, part in parts.items()
    }
    # Whatever the part promises, what stands for it does: it hands all calls on.
    return World(**watched)  # type: ignore[arg-type]


def check(point: str) -> None:
    """Raise ValueError for a point that no World has."""
    part, _, rest = point.partition(".")
    method, _, when = rest.partition(":")
    if part not in World.__dataclass_fields__ or when not in {"before", "after"} or not method:
        raise ValueError(f"{point!r} is no point of the World")


def main(site_file: str, point: str, nth: str, armed_by: str) -> None:
    """Serve the site until the point is reached."""
    check(point)
    tripwire = Tripwire(point, int(nth), armed_by)
    configure_logging(as_json=False, level="debug")
    settings = load_site(Path(site_file), os.environ)
    with open_daemon(settings, dress=lambda world: dress(world, tripwire)) as daemon:
        daemon.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
