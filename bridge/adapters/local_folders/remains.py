"""What the jobs' folders still tell when the journal is lost."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bridge.adapters.local_folders.files import (
    FOLDER,
    available,
    make_folder,
    opened,
    read,
    write,
)
from bridge.core.facts import EndMark, StartMark
from bridge.core.job import JobId, SlurmId
from bridge.core.restore import AttemptRemains, JobRemains, Outcome
from bridge.ports import Clock
from bridge.wire.json_text import LONGEST_BYTES
from bridge.wire.mark import LONGEST_MARK, UUID, mark_text, read_mark
from bridge.wire.outcome import read_outcome

_OUTCOME_BYTES = 4096
_JOB = re.compile(UUID)
_SCRIPT = re.compile(r"attempt-([1-9][0-9]{0,5})\.sbatch")
_CLAIM = re.compile(r"attempt-([1-9][0-9]{0,5})\.claim")
_MARK = re.compile(r"attempt-([1-9][0-9]{0,5}\.[0-9]{1,6}\.(?:started|ended))")
_SLURM_ID = re.compile(r"[1-9][0-9]{0,9}")


@dataclass(slots=True)
class _Found:
    """What was found of an attempt so far."""

    begun_at: datetime | None = None
    claimed_by: SlurmId | None = None
    marks: list[StartMark | EndMark] = field(default_factory=list)


class LocalRemains:
    """The folders below `work_root`. Jobs write there too, so nothing in them is trusted."""

    def __init__(self, work_root: str, clock: Clock) -> None:
        self._root = Path(work_root)
        self._clock = clock

    def find(self) -> Iterator[JobRemains | tuple[JobId, str]]:
        """What is left of every job that has a folder, by id, or why that cannot be read.

        Raises UnavailableError when the work root cannot be read.
        """
        with available(self._root), opened(self._root, os.O_RDONLY | os.O_DIRECTORY) as root:
            for name in sorted(filter(_JOB.fullmatch, _names(root))):
                job_id = JobId(name)
                try:
                    with opened(name, FOLDER, root) as folder:
                        yield self._look(job_id, folder)
                except OSError as error:
                    yield job_id, str(error.strerror)
                except ValueError as error:
                    yield job_id, str(error)

    def tell_again(self, job_id: JobId, attempt: int, marks: Iterable[StartMark | EndMark]) -> None:
        """Put markers into the spool once more. Raises UnavailableError."""
        with available(self._root), opened(self._root, os.O_RDONLY | os.O_DIRECTORY) as root:
            make_folder("spool", root)
            with opened("spool", FOLDER, root) as spool:
                texts = {_mark_name(job_id, attempt, it): mark_text(it).encode() for it in marks}
                write(texts, spool)

    def _look(self, job_id: JobId, folder: int) -> JobRemains:
        names = sorted(_names(folder))
        return JobRemains(
            job_id=job_id,
            request=_request(folder),
            written_at=min(_written_at(it, folder) for it in names if _is_of_the_bridge(it)),
            attempts=tuple(self._attempts(job_id, names, folder)),
            outcome=_outcome(folder) if "outcome.json" in names else None,
        )

    def _attempts(
        self, job_id: JobId, names: Iterable[str], folder: int
    ) -> Iterator[AttemptRemains]:
        found: dict[int, _Found] = defaultdict(_Found)
        for name in names:
            if named := _SCRIPT.fullmatch(name):
                found[int(named[1])].begun_at = _written_at(name, folder)
            elif named := _CLAIM.fullmatch(name):
                found[int(named[1])].claimed_by = _claim(name, folder)
            elif named := _MARK.fullmatch(name):
                attempt, mark = self._mark(f"{job_id}.{named[1]}", name, folder)
                found[attempt].marks += mark
        for attempt, it in sorted(found.items()):
            # Without its script, which is written first, all else is not the bridge's doing.
            if it.begun_at is not None:
                yield AttemptRemains(
                    attempt=attempt,
                    begun_at=it.begun_at,
                    claimed_by=it.claimed_by,
                    marks=tuple(sorted(it.marks, key=_order)),
                )

    def _mark(
        self, spool_name: str, name: str, folder: int
    ) -> tuple[int, list[StartMark | EndMark]]:
        said = None
        with suppress(OSError):
            said = read(name, folder, longest=LONGEST_MARK)
        text = "" if said is None else said.decode(errors="replace")
        told = read_mark(spool_name, text, at=self._clock.now())
        return int(spool_name.split(".")[1]), [] if told is None else [told[2]]


def _mark_name(job_id: JobId, attempt: int, mark: StartMark | EndMark) -> str:
    ending = "started" if isinstance(mark, StartMark) else "ended"
    return f"{job_id}.{attempt}.{mark.restart}.{ending}"


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [it.name for it in entries]


def _request(folder: int) -> bytes:
    try:
        body = read("job.json", folder, longest=LONGEST_BYTES)
    except FileNotFoundError:
        raise ValueError("it has no job.json: the job was never submitted") from None
    if body is None:
        raise ValueError("its job.json is no file that can be read, or too long")
    return body


def _outcome(folder: int) -> Outcome:
    said = read("outcome.json", folder, longest=_OUTCOME_BYTES)
    if said is None:
        raise ValueError("its outcome.json is no file that can be read, or too long")
    return read_outcome(said)


def _claim(name: str, folder: int) -> SlurmId | None:
    try:
        owner = os.readlink(name, dir_fd=folder)
    except OSError:
        return None
    return SlurmId(owner) if _SLURM_ID.fullmatch(owner) else None


def _written_at(name: str, folder: int) -> datetime:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _is_of_the_bridge(name: str) -> bool:
    return name == "job.json" or _SCRIPT.fullmatch(name) is not None


def _order(mark: StartMark | EndMark) -> tuple[int, bool]:
    return mark.restart, isinstance(mark, EndMark)
