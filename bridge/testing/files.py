"""What jobs have written, in memory."""

from collections.abc import Sequence

from bridge.core.errors import UnavailableError
from bridge.core.job import JobId
from bridge.core.job_file import parts_of
from bridge.ports import FileRange, JobFile, Piece


class FakeFiles:
    """JobFiles in memory; the job's container is played by hand."""

    def __init__(self) -> None:
        self.contents: dict[tuple[JobId, str], bytes] = {}
        """What each job has written, by its path below the job's folder."""
        self.is_available = True
        """Whether the file system answers; every method raises UnavailableError otherwise."""
        self.looks = 0
        """Of how many files the size was asked."""
        self.reads = 0
        """How many ranges were read."""

    def append(self, job_id: JobId, name: str, data: bytes) -> None:
        """What the job does: it writes on."""
        self.contents[job_id, name] = self.contents.get((job_id, name), b"") + data

    def sizes(self, files: Sequence[JobFile]) -> tuple[int | None, ...]:
        """How many bytes each has."""
        self._reach()
        self.looks += len(files)
        found = map(self._content, files)
        return tuple(None if it is None else len(it) for it in found)

    def read(self, ranges: Sequence[FileRange]) -> tuple[Piece | None, ...]:
        """The bytes that each range has now."""
        self._reach()
        self.reads += len(ranges)
        return tuple(map(self._read, ranges))

    def _read(self, wanted: FileRange) -> Piece | None:
        content = self._content(wanted.file)
        if content is None:
            return None
        data = content[wanted.start : wanted.start + wanted.length]
        return Piece(data=data, size=len(content))

    def _content(self, file: JobFile) -> bytes | None:
        parts = parts_of(file.name)
        return None if parts is None else self.contents.get((file.job_id, "/".join(parts)))

    def _reach(self) -> None:
        if not self.is_available:
            raise UnavailableError("the file system does not answer")
