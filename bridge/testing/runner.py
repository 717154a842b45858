"""A runner that runs nothing."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bridge.core.errors import BridgeError
from bridge.ports import Completed


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a FakeRunner was asked to run."""

    argv: tuple[str, ...]
    stdin: str
    timeout: timedelta


class FakeRunner:
    """A Runner that gives scripted answers in order, and keeps what it was asked.

    An answer that is an error is raised. Raises IndexError when there is no answer left.
    """

    def __init__(self, *answers: Completed | BridgeError) -> None:
        self.commands: list[Command] = []
        self._answers = deque(answers)

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: timedelta) -> Completed:
        """Give the next answer."""
        self.commands.append(Command(argv=tuple(argv), stdin=stdin, timeout=timeout))
        answer = self._answers.popleft()
        if isinstance(answer, BridgeError):
            raise answer
        return answer


def completed(return_code: int | None = 0, *, stdout: str = "", stderr: str = "") -> Completed:
    """An answer for a FakeRunner; a return code of None is a command that ran out of time."""
    return Completed(return_code=return_code, stdout=stdout, stderr=stderr)
