"""Looks after one local job: `python -m ...supervisor FOLDER NUMBER LOCK GRACE`.

It is a process of its own session, so that the job and its end outlive the daemon. The job's
script waits behind a gate until its run is on record; should this process be killed before that,
the script ends without having begun.
"""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import IO

from bridge.adapters.local_processes.directives import Wishes, file_name
from bridge.adapters.local_processes.dispatch import start_waiting
from bridge.adapters.local_processes.process import (
    Process,
    end_session,
    process_of,
    send,
    send_to_session,
)
from bridge.adapters.local_processes.records import End, LocalJob, Run
from bridge.adapters.local_processes.store import Store
from bridge.core.errors import BridgeError
from bridge.core.slurm_state import SlurmState

GATE = ("/bin/sh", "-c", 'read -r word && exec "$0" </dev/null')
"""Runs the script once it is told a word; without one it ends."""

_NO_OUTPUT = 53
"""The signal that Slurm tells of a job whose output files cannot be opened (seen with 22.05)."""
_SIGNALS = frozenset({signal.SIGCHLD, signal.SIGTERM})
_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.05, 60.0
_BETWEEN_WRITES_SECONDS = 5


@dataclass(slots=True)
class Course:
    """What is to happen to a running job, on the monotonic clock."""

    began: float
    limit: timedelta | None
    notice_before: timedelta | None
    grace: timedelta
    stopped_as: SlurmState | None = None
    _stopped_at: float = 0.0
    _is_noticed: bool = False

    def stop(self, state: SlurmState, now: float) -> bool:
        """End the job as this; False when that has begun already."""
        if self.stopped_as is not None:
            return False
        self.stopped_as, self._stopped_at = state, now
        return True

    def is_out_of_time(self, now: float) -> bool:
        """Whether its time is over."""
        return self.limit is not None and now >= self.began + self.limit.total_seconds()

    def takes_notice(self, now: float) -> bool:
        """Whether its signal before the end is due; once."""
        due = self._notice_at
        if due is None or self._is_noticed or now < due:
            return False
        self._is_noticed = True
        return True

    def is_to_be_killed(self, now: float) -> bool:
        """Whether it has had its grace."""
        return self.stopped_as is not None and now >= self._kill_at

    def next_wait(self, now: float) -> float:
        """For how many seconds nothing is to be done, unless something happens."""
        times = [now + _LONGEST_WAIT_SECONDS]
        if self.stopped_as is not None:
            times.append(self._kill_at)
        elif self.limit is not None:
            times.append(self.began + self.limit.total_seconds())
        if self._notice_at is not None and not self._is_noticed:
            times.append(self._notice_at)
        return max(min(times) - now, _SHORTEST_WAIT_SECONDS)

    @property
    def _kill_at(self) -> float:
        return self._stopped_at + self.grace.total_seconds()

    @property
    def _notice_at(self) -> float | None:
        if self.notice_before is None or self.limit is None:
            return None
        return self.began + (self.limit - self.notice_before).total_seconds()


class Supervisor:
    """Runs one job from its claim to its end."""

    def __init__(self, store: Store, job: LocalJob, *, grace: timedelta) -> None:
        self._store = store
        self._job = job
        self._grace = grace

    def run(self, lock: int) -> None:
        """Run the job, unless somebody has it already; `lock` is given back once it is ours."""
        number, wishes = self._job.number, self._job.submitted.wishes
        try:
            gate = self._behind_the_gate(wishes)
        except OSError as error:
            self._finish(
                End(
                    at=_now(),
                    state=SlurmState.FAILED,
                    signal=_NO_OUTPUT,
                    reason=f"{error.filename}: {error.strerror}",
                )
            )
            os.close(lock)
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        leader = process_of(gate.pid)
        run = Run(
            at=_now(),
            node=socket.gethostname(),
            supervisor=process_of(os.getpid()),
            leader=leader,
        )
        is_ours = self._store.claim(number, run)
        os.close(lock)
        with suppress(BrokenPipeError):
            _open_gate(gate, is_ours=is_ours)
        if is_ours:
            self._finish(self._see_through(gate, leader))
        else:
            gate.wait()

    def _behind_the_gate(self, wishes: Wishes) -> subprocess.Popen[bytes]:
        number, folder = self._job.number, Path(wishes.chdir or Path.home())
        how = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if wishes.append else os.O_TRUNC)

        def opened(pattern: str) -> IO[bytes]:
            path = folder / file_name(pattern, number=number, name=wishes.name)
            return os.fdopen(os.open(path, how | os.O_CLOEXEC, 0o666), "wb")

        with opened(wishes.output) as output, opened(wishes.error or wishes.output) as error:
            return subprocess.Popen(
                [*GATE, str(self._store.script(number))],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=error if wishes.error else output,
                cwd=folder,
                env={
                    **os.environ,
                    "SLURM_JOB_ID": str(number),
                    "SLURM_JOB_NAME": wishes.name,
                    "SLURM_RESTART_COUNT": "0",
                    "SLURMD_NODENAME": socket.gethostname(),
                },
                start_new_session=True,
            )

    def _see_through(self, batch: subprocess.Popen[bytes], leader: Process) -> End:
        wishes = self._job.submitted.wishes
        course = Course(
            began=monotonic(),
            limit=wishes.limit,
            notice_before=wishes.notice.before if wishes.notice else None,
            grace=self._grace,
        )
        while not _has_ended(batch.pid):
            now = monotonic()
            if course.is_out_of_time(now):
                self._stop(course, SlurmState.TIMEOUT, leader)
            elif wishes.notice and course.takes_notice(now):
                send(leader, signal.Signals[f"SIG{wishes.notice.signal}"])
            if course.is_to_be_killed(now):
                send_to_session(leader, signal.SIGKILL)
            got = signal.sigtimedwait(_SIGNALS, course.next_wait(monotonic()))
            if self._store.is_cancelled(self._job.number):
                self._stop(course, SlurmState.CANCELLED, leader)
            elif got is not None and got.si_signo == signal.SIGTERM:
                # Nobody cancelled it: the machine is being shut down.
                self._stop(course, SlurmState.NODE_FAIL, leader)
        # Before the leader is waited for: till then its number is nobody else's.
        end_session(leader)
        code = batch.wait()
        return _end(code, course.stopped_as)

    def _stop(self, course: Course, state: SlurmState, leader: Process) -> None:
        if course.stop(state, monotonic()):
            send_to_session(leader, signal.SIGTERM)

    def _finish(self, end: End) -> None:
        """Write it down, however long the disk is full or away, unless the record is gone."""
        while True:
            try:
                self._store.finish(self._job.number, end)
            except FileNotFoundError:
                return
            except OSError:
                sleep(_BETWEEN_WRITES_SECONDS)
            else:
                return


def main(words: list[str]) -> None:
    """Go into the background, and look after the job."""
    store, number, lock = Store(Path(words[0])), int(words[1]), int(words[2])
    grace = timedelta(seconds=float(words[3]))
    # Whoever started us waits for this process alone.
    if os.fork():
        os._exit(0)
    os.setsid()
    errors = os.open(store.folder / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(errors, sys.stderr.fileno())
    job = store.job(number)
    if job is not None and job.run is None and job.end is None:
        Supervisor(store, job, grace=grace).run(lock)
    else:
        os.close(lock)
    # Where it cannot be done now, the daemon's next look at the queue does it.
    with suppress(BridgeError, OSError, ValueError):
        start_waiting(store, grace=grace, environment=os.environ)


def _open_gate(gate: subprocess.Popen[bytes], *, is_ours: bool) -> None:
    assert gate.stdin is not None  # noqa: S101 - it is a pipe
    with gate.stdin as stdin:
        if is_ours:
            stdin.write(b"go\n")


def _has_ended(process: int) -> bool:
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process, options) is not None


def _end(code: int, stopped_as: SlurmState | None) -> End:
    """From the script's return code as subprocess has it."""
    usual = SlurmState.FAILED if code else SlurmState.COMPLETED
    state = stopped_as or usual
    reason = "the machine was shut down" if state is SlurmState.NODE_FAIL else None
    return End(at=_now(), state=state, exit_code=max(code, 0), signal=max(-code, 0), reason=reason)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main(sys.argv[1:])
