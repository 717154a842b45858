"""Things that a process makes for itself when it first needs them, and its children anew."""

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class OncePerProcess(Generic[T]):
    """One `T`, made by the first thread that asks for it, for all threads of this process.

    A forked child has none: what its parent has made goes on in the parent alone, for threads do
    not survive a fork, and two that write to one socket write nonsense.
    """

    def __init__(self, make: Callable[[], T], end: Callable[[T], None]) -> None:
        self._make = make
        self._end = end
        self._lock = threading.Lock()
        self._made: T | None = None
        _all.add(self)

    def get(self) -> T:
        """This process's own."""
        made = self._made
        if made is not None:
            return made
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def close(self) -> None:
        """End it; whoever asks later gets another one."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            self._end(made)

    def forget(self) -> None:
        """In a child, before anything else: the parent's is not ours, nor is who held its lock."""
        self._lock = threading.Lock()
        if self._made is not None:
            # Not even collected: that would close what is open in it.
            _parents.append(self._made)
            self._made = None


_all: weakref.WeakSet[Any] = weakref.WeakSet()
_parents: list[object] = []


def _forget_all() -> None:
    for it in list(_all):
        it.forget()


os.register_at_fork(after_in_child=_forget_all)
