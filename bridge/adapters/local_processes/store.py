"""The records of local jobs on disk: one folder a job, each file there whole or not at all.

NUMBER/script         what is run
NUMBER/submitted.json written before the folder gets its name
NUMBER/run.json       by the supervisor that has the run; nobody writes it twice
NUMBER/cancel         somebody wants it to end
NUMBER/end.json       by the supervisor, or by whoever finds that it is gone
lock                  held by whoever starts a job, until that job's supervisor has the run
at-once               how many may run at the same time
"""

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

from bridge.adapters.local_processes.records import (
    End,
    LocalJob,
    Run,
    Submitted,
    read_end,
    read_run,
    read_submitted,
    write_end,
    write_run,
    write_submitted,
)
from bridge.core.errors import SubmissionUncertainError, UnavailableError

T = TypeVar("T")

PATIENCE = timedelta(seconds=20)
"""How long to wait for the lock: for as long as a supervisor may take to start."""

_BETWEEN_TRIES_SECONDS = 0.02
_UNFINISHED = ".new-"
_FORGOTTEN = ".old-"


class Store:
    """The records below `folder`. Every method may raise OSError, and ValueError for a record
    that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._over: dict[int, LocalJob] = {}

    def open(self, *, at_once: int) -> None:
        """Make the folder, say how many jobs may run at once, and clear away what a crash left."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _put(self.folder, "at-once", str(at_once))
        for entry in self.folder.iterdir():
            if entry.name.startswith((_UNFINISHED, _FORGOTTEN)):
                shutil.rmtree(entry, ignore_errors=True)

    @property
    def at_once(self) -> int:
        """How many jobs may run at the same time."""
        return int((self.folder / "at-once").read_text(encoding="ascii"))

    def script(self, number: int) -> Path:
        """Where a job's script lies."""
        return self._job(number) / "script"

    def add(self, script: str, record: Submitted) -> int:
        """Take a job; its number. It is there once its folder has its name, and not before.

        Raises SubmissionUncertainError when it may be gone after a power cut.
        """
        new = self.folder / f"{_UNFINISHED}{secrets.token_hex(8)}"
        new.mkdir(mode=0o700)
        try:
            _put(new, "script", script, mode=0o700)
            _put(new, "submitted.json", write_submitted(record))
            number = self._name(new)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            raise
        try:
            _sync(self.folder)
        except OSError as error:
            raise SubmissionUncertainError(f"{self.folder}: {error.strerror}") from error
        return number

    def jobs(self) -> list[LocalJob]:
        """All jobs, in the order in which they came."""
        numbers = self._numbers()
        self._over = {number: job for number, job in self._over.items() if number in numbers}
        return [job for it in sorted(numbers) if (job := self.job(it)) is not None]

    def job(self, number: int) -> LocalJob | None:
        """The job's records; None where there is no such job."""
        if (over := self._over.get(number)) is not None:
            return over
        # The end is read first: a run that is then missing never was, and one that is there
        # without an end has not ended, or not long ago.
        end = self._read(number, "end.json", read_end)
        run = self._read(number, "run.json", read_run)
        submitted = self._read(number, "submitted.json", read_submitted)
        if submitted is None:
            return None
        job = LocalJob(number=number, submitted=submitted, run=run, end=end)
        if end is not None:
            self._over[number] = job
        return job

    def claim(self, number: int, run: Run) -> bool:
        """Write who runs the job; False when somebody has it already."""
        return _put_once(self._job(number), "run.json", write_run(run))

    def finish(self, number: int, end: End) -> bool:
        """Write how the job ended; False when that is written already."""
        return _put_once(self._job(number), "end.json", write_end(end))

    def request_cancel(self, number: int) -> None:
        """Remember that the job is to end."""
        _put(self._job(number), "cancel", "")

    def is_cancelled(self, number: int) -> bool:
        """Whether the job is to end."""
        return (self._job(number) / "cancel").exists()

    def forget(self, *, before: datetime) -> None:
        """Remove jobs that ended before then; never the newest, whose number was given out."""
        for job in self.jobs()[:-1]:
            if job.end is not None and job.end.at < before:
                old = self.folder / f"{_FORGOTTEN}{secrets.token_hex(8)}"
                self._job(job.number).rename(old)
                shutil.rmtree(old, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the lock; what is given is its descriptor, which may be handed to a process.

        The lock is held until the last who has the descriptor closes it (flock(2)). Raises
        UnavailableError when it cannot be had in time.
        """
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            ends = monotonic() + PATIENCE.total_seconds()
            while not _lock(descriptor):
                if monotonic() >= ends:
                    raise UnavailableError(f"{self.folder}: a local job takes long to start")
                sleep(_BETWEEN_TRIES_SECONDS)
            yield descriptor
        finally:
            os.close(descriptor)

    def _job(self, number: int) -> Path:
        return self.folder / str(number)

    def _numbers(self) -> set[int]:
        with os.scandir(self.folder) as entries:
            return {int(it.name) for it in entries if it.name.isdecimal()}

    def _name(self, new: Path) -> int:
        number = max(self._numbers(), default=0) + 1
        while True:
            try:
                new.rename(self._job(number))
            except OSError as error:
                # A folder takes the place of an empty one only, and none of ours is (rename(2)).
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
                number += 1
            else:
                return number

    def _read(self, number: int, name: str, read: Callable[[str], T]) -> T | None:
        path = self._job(number) / name
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            return read(text)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _put(folder: Path, name: str, text: str, *, mode: int = 0o600) -> None:
    unfinished = _written(folder, text, mode)
    unfinished.rename(folder / name)
    _sync(folder)


def _put_once(folder: Path, name: str, text: str) -> bool:
    unfinished = _written(folder, text, 0o600)
    try:
        # In one step, and only one can do it (link(2)).
        os.link(unfinished, folder / name)
    except FileExistsError:
        return False
    finally:
        unfinished.unlink()
    _sync(folder)
    return True


def _written(folder: Path, text: str, mode: int) -> Path:
    path = folder / f".{secrets.token_hex(8)}.unfinished"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return path


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
