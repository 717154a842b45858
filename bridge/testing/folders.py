"""The jobs' folders, in memory."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from bridge.core.errors import UnavailableError
from bridge.core.facts import EndMark, ScriptMark, StartMark
from bridge.core.job import JobId, SlurmId
from bridge.ports import Clock, Mark


class FakeFolders:
    """JobFolders that keep everything in memory; the job's own script is played by hand."""

    def __init__(self, clock: Clock) -> None:
        self.files: dict[JobId, dict[str, str]] = {}
        """What lies in each job's folder."""
        self.claims: dict[tuple[JobId, int], SlurmId] = {}
        """Which Slurm job has the container of each attempt."""
        self.is_available = True
        """Whether the file system answers; every method raises UnavailableError otherwise."""
        self._clock = clock
        self._spool: dict[str, Mark] = {}

    def create(self, job_id: JobId, files: Mapping[str, str]) -> None:
        """Make the job's folder if it is missing, and write these files into it."""
        self._reach()
        self.files.setdefault(job_id, {}).update(files)

    def claim(self, job_id: JobId, attempt: int, slurm_id: SlurmId) -> SlurmId:
        """Give the attempt's container to this Slurm job unless one has it; the one that has it."""
        self._reach()
        return self.claims.setdefault((job_id, attempt), slurm_id)

    def marks(self) -> tuple[Mark, ...]:
        """The markers that lie in the spool, oldest first."""
        self._reach()
        return tuple(self._spool.values())

    def forget(self, marks: Iterable[Mark]) -> None:
        """Remove markers from the spool; one that is gone already is left alone."""
        self._reach()
        for mark in marks:
            self._spool.pop(mark.file, None)

    def drop_start(
        self,
        job_id: JobId,
        *,
        attempt: int = 1,
        restart: int = 0,
        started_at: datetime | None = None,
        node: str = "n1",
    ) -> Mark:
        """What the script does before the container starts; `started_at` is now if not given."""
        now = self._clock.now()
        fact = StartMark(at=now, restart=restart, started_at=started_at or now, node=node)
        return self._drop(job_id, attempt, fact, f"{restart}.started")

    def drop_end(
        self,
        job_id: JobId,
        *,
        exit_code: int = 0,
        attempt: int = 1,
        restart: int = 0,
        ended_at: datetime | None = None,
    ) -> Mark:
        """What the script does after the container has ended; `ended_at` is now if not given."""
        now = self._clock.now()
        fact = EndMark(at=now, restart=restart, ended_at=ended_at or now, exit_code=exit_code)
        return self._drop(job_id, attempt, fact, f"{restart}.ended")

    def _drop(self, job_id: JobId, attempt: int, fact: ScriptMark, ending: str) -> Mark:
        mark = Mark(job_id=job_id, attempt=attempt, fact=fact, file=f"{job_id}.{attempt}.{ending}")
        self._spool[mark.file] = mark
        return mark

    def _reach(self) -> None:
        if not self.is_available:
            raise UnavailableError("the file system does not answer")
