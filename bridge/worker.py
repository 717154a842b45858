"""A thread that takes steps until it is told to stop."""

import random
import threading
from collections.abc import Callable
from datetime import timedelta

import structlog

from bridge.core.errors import OverBudgetError, UnavailableError
from bridge.core.policy import back_off

log = structlog.get_logger()

_FIRST_RETRY = timedelta(seconds=1)
_LONGEST_RETRY = timedelta(minutes=1)


class Worker:
    """Takes steps in a thread of its own.

    A step that raises is logged and taken again after a back-off: whatever goes wrong in one
    worker, the others go on.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], timedelta],
        *,
        breath: timedelta = timedelta(0),
    ) -> None:
        """`step` does a bounded piece of work and says how long to wait until the next one.

        There is at least a `breath` between two steps, in which work gathers.
        """
        self._breath = breath
        self.name = name
        self._step = step
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to take steps."""
        self._thread.start()

    def wake(self) -> None:
        """Take the next step now: there is something to do. Does not shorten a back-off."""
        self._wake.set()

    def stop(self) -> None:
        """Take no further step."""
        self._stop.set()
        self._wake.set()

    def join(self, timeout: timedelta) -> bool:
        """Whether the thread has ended within the time."""
        self._thread.join(max(timeout.total_seconds(), 0))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            pause = self._take_step()
            if pause is None:
                self._stop.wait(self._retry_after().total_seconds())
            else:
                self._failures = 0
                self._stop.wait(self._breath.total_seconds())
                self._wake.wait(pause.total_seconds())
            self._wake.clear()

    def _take_step(self) -> timedelta | None:
        try:
            return self._step()
        except OverBudgetError as error:
            log.debug("over_budget", worker=self.name, words=str(error))
            return error.wait
        except UnavailableError as error:
            log.warning("unavailable", worker=self.name, words=str(error))
        except Exception:
            # A bug in one worker must not end the others; the log has the traceback.
            log.exception("step_failed", worker=self.name)
        return None

    def _retry_after(self) -> timedelta:
        self._failures += 1
        return back_off(
            self._failures,
            first=_FIRST_RETRY,
            longest=_LONGEST_RETRY,
            jitter=random.random(),  # noqa: S311 - spreads retries, keeps no secret
        )
