"""A daemon at work while a test tells what happens to it."""

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from bridge.daemon import Daemon
from bridge.ports import Delivery
from bridge.testing.broker import FakeJobsQueue

_PATIENCE = timedelta(seconds=20)


class ImpatientQueue(FakeJobsQueue):
    """Never waits for long, so that a daemon that is stopped ends soon."""

    def take(self, limit: int, *, timeout: timedelta) -> tuple[Delivery, ...]:
        return super().take(limit, timeout=min(timeout, timedelta(milliseconds=20)))


def run_beside(daemon: Daemon, story: Callable[[], None], *, grace: timedelta = _PATIENCE) -> bool:
    """Run the daemon in this thread, since only the main one hears signals, and `story` in another.

    Ends with the story; what went wrong in it is raised here. Whether the daemon ended cleanly.
    """
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.getsignal(it) for it in numbers]

    def tell() -> None:
        try:
            story()
        finally:
            daemon.stop()

    try:
        with ThreadPoolExecutor(1) as beside:
            told = beside.submit(tell)
            is_clean = daemon.run(grace=grace)
            told.result()
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
    return is_clean
