"""What the jobs' folders still tell when the journal is lost."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
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
from bridge.core.facts import ScriptMark
from bridge.core.job import JobId
from bridge.core.restore import JobRemains
from bridge.ports import Clock
from bridge.wire.mark import mark_text
from bridge.wire.remains import (
    LeftBehind,
    bytes_to_read,
    is_claim,
    is_job_folder,
    is_of_the_bridge,
    mark_name,
    read_remains,
)


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
            for name in sorted(filter(is_job_folder, _names(root))):
                job_id = JobId(name)
                try:
                    with opened(name, FOLDER, root) as folder:
                        yield read_remains(job_id, _left_behind(folder), at=self._clock.now())
                except OSError as error:
                    yield job_id, str(error.strerror)
                except ValueError as error:
                    yield job_id, str(error)

    def tell_again(self, job_id: JobId, attempt: int, marks: Iterable[ScriptMark]) -> None:
        """Put markers into the spool once more. Raises UnavailableError."""
        with available(self._root), opened(self._root, os.O_RDONLY | os.O_DIRECTORY) as root:
            make_folder("spool", root)
            with opened("spool", FOLDER, root) as spool:
                texts = {mark_name(job_id, attempt, it): mark_text(it).encode() for it in marks}
                write(texts, spool)


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [it.name for it in entries]


def _left_behind(folder: int) -> LeftBehind:
    names = sorted(_names(folder))
    lengths = {name: length for name in names if (length := bytes_to_read(name)) is not None}
    targets = {name: _target(name, folder) for name in filter(is_claim, names)}
    return LeftBehind(
        written_at={name: _written_at(name, folder) for name in filter(is_of_the_bridge, names)},
        contents={name: _content(name, folder, length) for name, length in lengths.items()},
        targets={name: target for name, target in targets.items() if target is not None},
    )


def _content(name: str, folder: int, longest: int) -> bytes | None:
    with suppress(OSError):
        return read(name, folder, longest=longest)
    return None


def _target(name: str, folder: int) -> str | None:
    with suppress(OSError):
        return os.readlink(name, dir_fd=folder)
    return None


def _written_at(name: str, folder: int) -> datetime:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return datetime.fromtimestamp(status.st_mtime, UTC)
