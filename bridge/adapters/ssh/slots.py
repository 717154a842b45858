"""How many channels of one connection may be open at once."""

from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """A channel that lies idle, to be used again."""

    def close(self) -> None:
        """End it."""
        ...


Idle = TypeVar("Idle", bound=Closable)


class Slots(Generic[Idle]):
    """A bound that is learnt from the server's refusals; a channel that lies idle makes way.

    sshd refuses channels beyond its MaxSessions (sshd_config(5)), and nobody can ask how many that
    is. Threads share it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._idle: list[Idle] = []
        self._changed = Condition()

    def take(self, deadline: float) -> bool:
        """Wait for a free slot, until `deadline` on the monotonic clock; whether there is one."""
        with self._changed:
            while self._taken >= self._most:
                if self._idle:
                    self._idle.pop().close()
                    return True
                left = deadline - monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            self._taken += 1
            return True

    def give_back(self) -> None:
        """The channel of a slot is closed."""
        with self._changed:
            self._taken -= 1
            self._changed.notify()

    def keep(self, idle: Idle) -> None:
        """Let an open channel lie idle; it keeps its slot until somebody wants one."""
        with self._changed:
            self._idle.append(idle)
            self._changed.notify()

    def take_idle(self, is_usable: Callable[[Idle], bool]) -> Idle | None:
        """An idle channel together with its slot; None when there is none."""
        with self._changed:
            while self._idle:
                idle = self._idle.pop()
                if is_usable(idle):
                    return idle
                self._taken -= 1
                idle.close()
            return None

    def make_room(self) -> bool:
        """Close an idle channel; whether there was one."""
        with self._changed:
            if not self._idle:
                return False
            self._idle.pop().close()
            self._taken -= 1
            return True

    def refused(self) -> bool:
        """The server refused the channel of a slot, which is given back: so many and no more.

        Whether others are open whose end is worth waiting for.
        """
        with self._changed:
            self._taken -= 1
            if self._taken == 0:
                return False
            self._most = min(self._most, self._taken)
            return True
