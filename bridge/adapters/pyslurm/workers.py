"""The workers, each busy with one submission at a time; started when needed, never mended."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

import structlog

from bridge.adapters.pyslurm.process import WorkerProcess

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Workers:
    """As many workers as there are submissions at once; threads may share it."""

    def __init__(
        self, start: Callable[[], WorkerProcess], *, harmless: tuple[type[Exception], ...]
    ) -> None:
        """`start` gives a new one, fit for work, or raises UnavailableError.

        After one of the `harmless` errors a worker is as good as before.
        """
        self._start = start
        self._harmless = harmless
        self._idle: list[WorkerProcess] = []
        self._lock = Lock()
        self._is_closed = False

    @contextmanager
    def one(self) -> Iterator[WorkerProcess]:
        """A worker for this thread alone, which is not used again after an error.

        A new one reads slurm.conf anew, which may have changed by then.
        """
        worker = self._take() or self._start()
        try:
            yield worker
        except self._harmless:
            self._put_back(worker)
            raise
        except BaseException:
            worker.close()
            raise
        self._put_back(worker)

    def close(self) -> None:
        """End those that have nothing to do; the others when they have done it."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()

    def _take(self) -> WorkerProcess | None:
        while True:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is None or worker.is_alive:
                return worker
            log.warning("pyslurm_worker_ended")
            worker.close()

    def _put_back(self, worker: WorkerProcess) -> None:
        with self._lock:
            is_kept = not self._is_closed
            if is_kept:
                self._idle.append(worker)
        if not is_kept:
            worker.close()
