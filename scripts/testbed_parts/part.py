"""What every part of the testbed can do: start, stop, be killed, and say whether it answers."""

import hashlib
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from . import files, process
from .console import SetupFailed
from .layout import Layout
from .process import Launch, Record, Running

_PORT_TAKEN = (
    "another program has taken its port; `testbed down --purge` and `testbed up` choose new ones"
)


class Part(ABC):
    """One daemon (or a few that only make sense together) of the testbed."""

    name: str
    hint: str
    ready_seconds: float = 30.0
    stop_seconds: float = 20.0
    stop_signal: signal.Signals = signal.SIGTERM

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @abstractmethod
    def prepare(self) -> None:
        """Make folders, configuration and first data. Safe to repeat, also while it runs."""

    @abstractmethod
    def launches(self) -> Sequence[Launch]:
        """The processes to start, in order."""

    @abstractmethod
    def probe(self) -> str | None:
        """Ask the part for a real answer: None when it gives one, else what it said instead."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Port or socket, for people."""

    def configuration(self) -> Sequence[Path]:
        """The files whose change needs a restart."""
        return ()

    def children(self) -> Sequence[int]:
        """Processes in sessions of their own that end with the part."""
        return ()

    @property
    def log(self) -> Path:
        """The part's own log."""
        return self.layout.log(self.name)

    @property
    def output(self) -> Path:
        """Where its standard output and error go."""
        return self.log

    @property
    def processes(self) -> tuple[Running, ...]:
        """The recorded processes that still run."""
        record = Record.read(self._record)
        if record is None:
            return ()
        return tuple(one for one in record.processes if one.alive)

    @property
    def alive(self) -> bool:
        """Whether all of its processes run."""
        record = Record.read(self._record)
        return record is not None and all(one.alive for one in record.processes)

    def is_current(self) -> bool:
        """Whether it was started from today's configuration."""
        record = Record.read(self._record)
        return record is not None and record.fingerprint == self._fingerprint()

    def launch(self) -> None:
        """Start it, unless it runs; does not wait for it to answer."""
        if self.alive:
            return
        self.kill()
        self.prepare()
        started: list[Running] = []
        for how in self.launches():
            started.append(process.launch(how))
            record = Record(fingerprint=self._fingerprint(), processes=tuple(started))
            record.write(self._record)

    def wait_until_ready(self) -> None:
        """Wait for a real answer; raises SetupFailed with the part's own log lines."""
        deadline = time.monotonic() + self.ready_seconds
        while True:
            alive = self.alive
            answer = self.probe() if alive else "it has ended"
            if answer is None:
                return
            if not alive or time.monotonic() > deadline:
                raise self._failure(answer)
            time.sleep(0.1)

    def _failure(self, answer: str) -> SetupFailed:
        lines = files.log_tail(self.output)
        taken = any("address already in use" in line.lower() for line in lines)
        return SetupFailed(
            f"{self.name} does not work: {answer}",
            hint=_PORT_TAKEN if taken else self.hint,
            log_lines=lines,
        )

    def stop(self) -> None:
        """End it in an orderly way; SIGKILL only when it does not end in time."""
        children = self.children()
        for one in reversed(self.processes):
            process.send(one, self.stop_signal)
            if not process.gone_within((one,), self.stop_seconds):
                process.send(one, signal.SIGKILL)
        process.kill_ids(children)
        self._forget()

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut would."""
        processes, children = self.processes, self.children()
        for one in processes:
            process.send(one, signal.SIGKILL)
        process.kill_ids(children)
        process.gone_within(processes, 10)
        self._forget()

    def _forget(self) -> None:
        self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self.layout.root / "pids" / f"{self.name}.json"

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(repr(tuple(self.launches())).encode())
        for path in self.configuration():
            digest.update(path.read_bytes() if path.exists() else b"absent")
        return digest.hexdigest()


def ask(
    argv: Sequence[str], *, env: dict[str, str] | None = None, text: str = "", seconds: float = 10
) -> tuple[bool, str]:
    """Run a short command: whether it went well, and what it printed (errors when it did not)."""
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", **(env or {})}
    try:
        done = subprocess.run(
            argv,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"{argv[0]} gave no answer within {seconds:g} s"
    except OSError as error:
        return False, f"{argv[0]}: {error.strerror}"
    if done.returncode == 0:
        return True, done.stdout
    said = done.stderr.strip() or done.stdout.strip()
    return False, said or f"{argv[0]} exited {done.returncode}"
