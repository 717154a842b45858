"""What the jobs' folders tell when the journal is lost, in memory."""

from collections.abc import Iterable, Iterator, Sequence

from bridge.core.errors import UnavailableError
from bridge.core.facts import ScriptMark
from bridge.core.job import JobId
from bridge.core.restore import JobRemains


class FakeRemains:
    """Remains that a test has put together."""

    def __init__(self, *found: JobRemains | tuple[JobId, str]) -> None:
        """`found` is what is left of each job, or why its folder cannot be read."""
        self.found: Sequence[JobRemains | tuple[JobId, str]] = found
        self.is_available = True
        """Whether the file system answers; every method raises UnavailableError otherwise."""
        self.told_again: list[tuple[JobId, int, ScriptMark]] = []
        """The markers that were put into the spool."""

    def find(self) -> Iterator[JobRemains | tuple[JobId, str]]:
        """What is left of every job that has a folder, or why that cannot be read."""
        self._reach()
        yield from self.found

    def tell_again(self, job_id: JobId, attempt: int, marks: Iterable[ScriptMark]) -> None:
        """Put markers into the spool once more."""
        self._reach()
        self.told_again += [(job_id, attempt, it) for it in marks]

    def _reach(self) -> None:
        if not self.is_available:
            raise UnavailableError("the file system does not answer")
