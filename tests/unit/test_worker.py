"""Workers: a thread that goes on whatever happens in it, and ends when it is told to."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rabbitmq_management import until
from structlog.testing import capture_logs

from bridge.core.errors import OverBudgetError, UnavailableError
from bridge.worker import Worker

AT_ONCE = timedelta(0)
FOR_EVER = timedelta(hours=1)
PATIENCE = timedelta(seconds=20)


@contextmanager
def at_work(step: Callable[[], timedelta]) -> Iterator[Worker]:
    worker = Worker("test", step)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()
        assert worker.join(PATIENCE)


class Steps:
    """A step that counts; those before the last in `errors` raise."""

    def __init__(self, *errors: Exception, pause: timedelta = FOR_EVER) -> None:
        self.taken = 0
        self._errors = list(errors)
        self._pause = pause

    def __call__(self) -> timedelta:
        self.taken += 1
        if self._errors:
            raise self._errors.pop(0)
        return self._pause


def test_steps_follow_one_another() -> None:
    steps = Steps(pause=AT_ONCE)
    with at_work(steps):
        assert until(lambda: steps.taken >= 100)


def test_a_worker_that_waits_is_woken() -> None:
    steps = Steps()
    with at_work(steps) as worker:
        assert until(lambda: steps.taken == 1)
        worker.wake()
        assert until(lambda: steps.taken == 2)


def test_a_worker_that_is_woken_while_it_works_takes_another_step() -> None:
    began, may_end = threading.Semaphore(0), threading.Semaphore(0)

    def step() -> timedelta:
        began.release()
        may_end.acquire()
        return FOR_EVER

    with at_work(step) as worker:
        assert began.acquire(timeout=20)
        worker.wake()
        may_end.release()
        assert began.acquire(timeout=20)
        may_end.release()


def test_a_worker_that_waits_can_be_stopped() -> None:
    steps = Steps()
    with at_work(steps):
        assert until(lambda: steps.taken == 1)
    assert steps.taken == 1


def test_a_step_that_failed_is_taken_again() -> None:
    steps = Steps(UnavailableError("Slurm does not answer"))
    with capture_logs() as logs, at_work(steps):
        assert until(lambda: steps.taken == 2)
    assert [(it["event"], it["worker"], it["words"]) for it in logs] == [
        ("unavailable", "test", "Slurm does not answer")
    ]


def test_a_step_that_must_wait_for_its_turn_is_taken_again_and_that_is_no_failure() -> None:
    steps = Steps(*[OverBudgetError("too early", wait=AT_ONCE)] * 50)
    with capture_logs() as logs, at_work(steps):
        assert until(lambda: steps.taken == 51)
    assert {it["log_level"] for it in logs} == {"debug"}


def test_a_bug_in_a_step_is_logged_with_its_traceback_and_does_not_end_the_worker() -> None:
    steps = Steps(ZeroDivisionError("a bug"))
    with capture_logs() as logs, at_work(steps):
        assert until(lambda: steps.taken == 2)
    assert [(it["event"], it["worker"], it["exc_info"]) for it in logs] == [
        ("step_failed", "test", True)
    ]


def test_a_worker_that_backs_off_can_be_stopped() -> None:
    steps = Steps(*[UnavailableError("no answer")] * 100)
    with at_work(steps):
        assert until(lambda: steps.taken >= 1)
    assert steps.taken < 100


def test_a_step_that_hangs_is_told_to_who_waits_for_the_end() -> None:
    may_end = threading.Event()

    def step() -> timedelta:
        may_end.wait()
        return AT_ONCE

    worker = Worker("test", step)
    worker.start()
    worker.stop()
    assert not worker.join(timedelta(milliseconds=50))
    assert not worker.join(timedelta(seconds=-1))
    may_end.set()
    assert worker.join(PATIENCE)
