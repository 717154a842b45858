"""Processes of this machine, told apart also where a number was given out again; proc(5)."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep

_PROC = Path("/proc")
_STATE, _SESSION, _STARTED = 0, 3, 19
# Of the fields of /proc/PID/stat after the program's name.
_DEAD = ("Z", "X")
_PASSES = 50
_BETWEEN_PASSES_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process, and no later one with its number."""

    number: int
    started: int
    """In clock ticks since the machine was started."""
    boot: str
    """The kernel's name for that start of the machine."""


def process_of(number: int) -> Process:
    """The process that has this number now. Raises ProcessLookupError when there is none."""
    stat = _stat(number)
    if stat is None:
        raise ProcessLookupError(f"there is no process {number}")
    return Process(number=number, started=int(stat[_STARTED]), boot=_boot())


def is_alive(process: Process) -> bool:
    """Whether it still runs; a process that ended and was not waited for does not."""
    stat = _stat(process.number) if process.boot == _boot() else None
    return stat is not None and int(stat[_STARTED]) == process.started and stat[_STATE] not in _DEAD


def send(process: Process, number: int) -> None:
    """Send a signal, if it is still alive; never to another process."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process.number)
        try:
            # The descriptor is of whoever had the number then: now it can be asked who that was.
            if is_alive(process):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def send_to_session(leader: Process, number: int) -> None:
    """Send a signal to all processes of the session that `leader` leads, or led."""
    for member in _members(leader):
        send(member, number)


def end_session(leader: Process) -> bool:
    """Kill all processes of a session; whether none is left. It may have to kill what is new."""
    for _ in range(_PASSES):
        members = list(_members(leader))
        if not members:
            return True
        for member in members:
            send(member, signal.SIGKILL)
        sleep(_BETWEEN_PASSES_SECONDS)
    return not list(_members(leader))


def _members(leader: Process) -> Iterator[Process]:
    """Those that live. A session's number is not given out while it has processes (setsid(2))."""
    boot = _boot()
    now_leading = _stat(leader.number)
    if leader.boot != boot:
        return
    if now_leading is not None and int(now_leading[_STARTED]) != leader.started:
        return
    for entry in _PROC.iterdir():
        stat = _stat(int(entry.name)) if entry.name.isdecimal() else None
        if stat is None or stat[_STATE] in _DEAD or int(stat[_SESSION]) != leader.number:
            continue
        if int(stat[_STARTED]) >= leader.started:
            yield Process(number=int(entry.name), started=int(stat[_STARTED]), boot=boot)


def _stat(number: int) -> list[str] | None:
    try:
        text = (_PROC / str(number) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in parentheses and may hold anything, parentheses too.
    return text.rpartition(")")[2].split()


def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
