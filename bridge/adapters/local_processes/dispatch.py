"""Starts the jobs that wait, and finds those whose supervisor is gone."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bridge.adapters.local_processes.process import end_session, is_alive
from bridge.adapters.local_processes.records import End, LocalJob
from bridge.adapters.local_processes.store import PATIENCE, Store
from bridge.core.errors import UnavailableError
from bridge.core.slurm_state import SlurmState

_SUPERVISOR = "bridge.adapters.local_processes.supervisor"
_PASSED_ON = frozenset(
    {"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"}
    | {"XDG_RUNTIME_DIR"}
)


def environment_for_jobs(environment: Mapping[str, str]) -> dict[str, str]:
    """What jobs get of the bridge's own environment: what a login has, and no secrets."""
    return {
        name: value
        for name, value in environment.items()
        if name in _PASSED_ON or name.startswith("LC_")
    }


def start_waiting(store: Store, *, grace: timedelta, environment: Mapping[str, str]) -> None:
    """Start the oldest jobs that wait, as many as there is room for.

    Whoever ends a job or brings one calls this, also with no daemon there. `grace` is the time
    between SIGTERM and SIGKILL, `environment` what jobs get.
    Raises OSError, ValueError and UnavailableError.
    """
    tried: set[int] = set()
    while True:
        with store.locked() as lock:
            live = [it for it in store.jobs() if it.end is None]
            running = [it for it in live if it.run is not None and not _is_lost(store, it)]
            waiting = [
                it
                for it in live
                if it.run is None and not it.submitted.wishes.held and it.number not in tried
            ]
            if not waiting or len(running) >= store.at_once:
                return
            tried.add(waiting[0].number)
            _start(store, waiting[0].number, lock, grace, environment)


def _is_lost(store: Store, job: LocalJob) -> bool:
    """Whether nobody looks after the job any more; its end is then written.

    To be called with the lock held. What is left of the job is killed first: it must not run on
    while another attempt does.
    """
    if job.run is None or is_alive(job.run.supervisor):
        return False
    now = store.job(job.number)
    if now is not None and now.end is None:
        if not end_session(job.run.leader):
            return False
        reason = "the job's supervisor is gone: it was killed, or the machine was started anew"
        store.finish(
            job.number, End(at=datetime.now(UTC), state=SlurmState.NODE_FAIL, reason=reason)
        )
    return True


def _start(
    store: Store, number: int, lock: int, grace: timedelta, environment: Mapping[str, str]
) -> None:
    """Start a supervisor, which keeps the lock until the run is its own."""
    argv = [sys.executable, "-P", "-m", _SUPERVISOR]
    argv += [str(store.folder), str(number), str(lock), str(grace.total_seconds())]
    try:
        answer = subprocess.run(
            argv,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd=store.folder,
            pass_fds=(lock,),
            timeout=PATIENCE.total_seconds(),
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"the supervisor of local job {number} does not start") from error
    if answer.returncode != 0:
        words = answer.stderr.decode(errors="replace").strip()
        raise UnavailableError(f"the supervisor of local job {number} does not start: {words}")
