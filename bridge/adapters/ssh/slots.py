"""How many channels of one connection may be open at once."""

from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import Generic, Protocol, TypeVar

GROW_AGAIN_SECONDS = 60
"""How long after the last refusal one more is tried: a refusal may have been about a channel whose
end the server had not noticed yet."""


class Closable(Protocol):
    """A channel that lies idle, to be used again."""

    def close(self) -> None:
        """End it."""
        ...


Idle = TypeVar("Idle", bound=Closable)


class Slots(Generic[Idle]):
    """A bound that is learnt from the server's refusals; a channel that lies idle makes way.

    sshd refuses channels beyond its MaxSessions (sshd_config(5)), and nobody can ask how many that
    is. Whoever wants a channel takes a slot, tells whether the server opened it, and gives the slot
    back when the channel is closed. Threads share it.
    """

    def __init__(self, most: int) -> None:
        self._configured = self._most = most
        self._refused_at = 0.0
        self._taken = 0
        self._open = 0
        self._idle: list[Idle] = []
        self._changed = Condition()

    def take(self, deadline: float) -> bool:
        """Wait for a slot, until `deadline` on the monotonic clock; whether there is one."""
        with self._changed:
            self._grow_again()
            while self._taken >= self._most:
                if self._idle:
                    self._close_idle()
                    continue
                left = deadline - monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            self._taken += 1
            return True

    def opened(self) -> None:
        """The server opened a channel in a slot that was taken."""
        with self._changed:
            self._open += 1

    def refused(self) -> bool:
        """The server refused a channel; whether one of ours is open that will make way."""
        with self._changed:
            if self._idle:
                self._close_idle()
            return self._open > 0

    def learn(self) -> None:
        """It keeps to refusing: give the slot back, and take no more than are open."""
        with self._changed:
            self._most = max(self._open, 1)
            self._refused_at = monotonic()
            self._taken -= 1
            self._changed.notify_all()

    def give_up(self) -> None:
        """Give back a slot without a channel."""
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()

    def closed(self) -> None:
        """The channel of a slot is closed, and the slot given back."""
        with self._changed:
            self._taken -= 1
            self._open -= 1
            self._changed.notify_all()

    def keep(self, idle: Idle) -> None:
        """Let an open channel lie idle; it keeps its slot until somebody wants one."""
        with self._changed:
            self._idle.append(idle)
            self._changed.notify_all()

    def take_idle(self, is_usable: Callable[[Idle], bool]) -> Idle | None:
        """An idle channel together with its slot; None when there is none."""
        with self._changed:
            while self._idle:
                if is_usable(self._idle[-1]):
                    return self._idle.pop()
                self._close_idle()
            return None

    def _close_idle(self) -> None:
        self._idle.pop().close()
        self._taken -= 1
        self._open -= 1

    def _grow_again(self) -> None:
        now = monotonic()
        if self._most < self._configured and now - self._refused_at > GROW_AGAIN_SECONDS:
            self._most += 1
            self._refused_at = now
