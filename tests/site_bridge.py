"""`hpc-bridge run` of the built wheel, as the site's ordinary user, with a site of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pika
import yaml
from testbed import CHECKOUT, Testbed

from bridge.client import Follower, Submitter
from bridge.sites import load_site
from bridge.wire.event import CloudEvent
from bridge.wire.returned import ProgressData

Configuration = dict[str, Any]
PATIENCE = timedelta(seconds=60)
TERMINAL = {"finished", "failed", "cancelled", "rejected"}
UNTIL_LET_GO = 'until [ -e "$BRIDGE_JOB_DIR/go" ]; do sleep 0.2; done'
"""For a job that ends when the test wants it to, see `let_go`."""


def printed_by(argv: Sequence[str]) -> str:
    """What a command prints that has to go well, and soon."""
    return subprocess.run(
        argv,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE.total_seconds(),
    ).stdout


def _ended(process: subprocess.Popen[bytes], patience: timedelta) -> int:
    """Its exit code; one that does not end is killed, so that it disturbs no other test."""
    try:
        return process.wait(patience.total_seconds())
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


class SiteBridge:
    """A bridge that a test may start, stop and kill, and the front end that talks to it."""

    def __init__(
        self,
        testbed: Testbed,
        folder: Path,
        *,
        configure: Callable[[Configuration], None] = lambda _: None,
        base: str = "testbed.yaml",
    ) -> None:
        """`folder` belongs to the ordinary user; `configure` changes what the YAML says."""
        self.name = f"site-{uuid.uuid4().hex[:8]}"
        self.folder = folder
        self.site_file = folder / "site.yaml"
        self.log = folder / "bridge.log"
        self._testbed = testbed
        self._environment = {
            name: value for name, value in os.environ.items() if name.startswith("BRIDGE_TESTBED_")
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._write_site(base, configure)
        self.settings = load_site(self.site_file, self._environment)
        # Durable: it misses nothing while the broker, or the way to it, is away.
        self._follower = Follower(self.settings.broker, queue=f"{self.name}.history")
        self._submitter = Submitter(self.settings.broker, patience=PATIENCE)
        self._seen: list[CloudEvent] = []
        self._news = threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def open(self) -> None:
        """Start the bridge, and the front end that listens."""
        self._follower.__enter__()
        self._submitter.__enter__()
        self._follower.wait_until_listening()
        self._listener.start()
        self.start()

    def close(self) -> None:
        """End all of it; the bridge's log goes to the test's output."""
        try:
            if self._process is not None:
                self.stop()
        finally:
            self._submitter.__exit__()
            self._follower.__exit__()
            self._listener.join(10)
            if self.log.exists():
                sys.stdout.write(self.log.read_text(encoding="utf-8", errors="replace"))

    def start(self, **variables: str) -> None:
        """Run the daemon, and wait until it takes jobs."""
        began = self.log.stat().st_size if self.log.exists() else 0
        self.launch(**variables)
        broker = self.settings.broker
        queues = (broker.jobs_queue(self.name), broker.control_queue(self.name))
        self.wait_until(
            lambda: all(f"queue={it}\n" in self.logged(began) for it in queues),
            "the daemon consumes",
        )

    def launch(self, **variables: str) -> None:
        """Run the daemon, and wait for nothing."""
        self._launch(self.command("run", str(self.site_file), "--log-level", "debug", **variables))

    def start_crashing(self, point: str, nth: int, armed_by: str) -> None:
        """Run the daemon so that it dies at a point, see fault/crashing_daemon.py."""
        program = self._testbed.folder / "crashing_daemon.py"
        shutil.copyfile(CHECKOUT / "tests" / "fault" / "crashing_daemon.py", program)
        program.chmod(0o644)
        python = self._testbed.bridge_command.with_name("python")
        argv = [str(python), str(program), str(self.site_file), point, str(nth), armed_by]
        self._launch(self._testbed.as_user(argv, environment=self._environment))

    def wait_for_death(self, patience: timedelta = PATIENCE) -> int:
        """Wait until the daemon has ended by itself; its return code as subprocess has it."""
        process, self._process = self.process, None
        return _ended(process, patience)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the daemon in good order; its exit code."""
        process, self._process = self.process, None
        process.send_signal(number)
        return _ended(process, PATIENCE)

    def kill(self) -> None:
        """End the daemon as a power cut would."""
        process, self._process = self.process, None
        process.kill()
        process.wait(PATIENCE.total_seconds())

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the daemon does not run"
        return self._process

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def command(self, *words: str, **variables: str) -> list[str]:
        """argv of `hpc-bridge WORDS` as the ordinary user."""
        return self._testbed.as_user(
            [str(self._testbed.bridge_command), *words],
            environment={**self._environment, **variables},
        )

    def as_user(self, *argv: str) -> str:
        """What a command of the ordinary user prints."""
        return printed_by(self._testbed.as_user(argv))

    def logged(self, since: int = 0) -> str:
        """The daemon's log from this byte on."""
        return self.log.read_bytes()[since:].decode(errors="replace")

    def job(self, *command: str, **changes: object) -> dict[str, object]:
        """A job message that runs the command in the busybox image."""
        asked: dict[str, object] = {
            "version": 1,
            "job_id": str(uuid.uuid4()),
            "name": "test",
            "image": f"{self._testbed.images}/busybox.sif",
            "command": list(command) or ["true"],
            "resources": {"walltime": "00:10:00"},
        }
        return asked | changes

    def submit(self, job: Mapping[str, object]) -> str:
        """Send a job message; its id."""
        return self.send(json.dumps(job).encode(), str(job.get("job_id", "")))

    def send(self, body: bytes, message_id: str = "") -> str:
        """Send any bytes to the site's queue."""
        self._submitter.submit(self.name, body, job_id=message_id)
        return message_id

    def cancel(self, job_id: str) -> None:
        """Send the site a cancel message."""
        self._submitter.cancel(self.name, job_id)

    def let_go(self, job_id: str) -> None:
        """Let a job end that runs UNTIL_LET_GO; its folder is there."""
        self.as_user("touch", f"{self.settings.site.work_root}/{job_id}/go")

    def takes_jobs(self) -> bool:
        """Whether the bridge consumes new jobs at this moment, as the broker tells it."""
        queue = self.settings.broker.jobs_queue(self.name)
        with pika.BlockingConnection(pika.URLParameters(self._testbed.broker.url)) as connection:
            declared = connection.channel().queue_declare(queue, passive=True)
            return bool(declared.method.consumer_count)

    def run(self, *command: str, **changes: object) -> str:
        """Submit a job and wait for its end; its id."""
        job_id = self.submit(self.job(*command, **changes))
        self.wait_for(job_id, TERMINAL)
        return job_id

    def events(self, job_id: str | None = None) -> list[CloudEvent]:
        """The events that came, each once, in the order of their numbers within a job.

        Progress has numbers of its own, and is not among them.
        """
        with self._news:
            found = {it.id: it for it in self._seen if it.data.job_id == job_id}
        numbered = [it for it in found.values() if it.data.progress is None]
        return sorted(numbered, key=lambda it: it.data.sequence)

    def progress(self, job_id: str) -> list[ProgressData]:
        """What came of a job's progress, each once, in the order in which it came."""
        with self._news:
            found = {it.id: it.data.progress for it in self._seen if it.data.job_id == job_id}
        return [it for it in found.values() if it is not None]

    def everything(self) -> list[CloudEvent]:
        """All that came, of all jobs."""
        with self._news:
            return list(self._seen)

    def deliveries(self, job_id: str | None = None) -> list[CloudEvent]:
        """The same in the order in which they came, as often as they came."""
        with self._news:
            return [it for it in self._seen if it.data.job_id == job_id]

    def told(self, job_id: str) -> list[str]:
        """The words of a job's events."""
        return [str(it.data.event) for it in self.events(job_id)]

    def life(self, job_id: str) -> list[str]:
        """The same without `pending`, which comes only where Slurm is asked before the start."""
        return [it for it in self.told(job_id) if it != "pending"]

    def last(self, job_id: str | None) -> CloudEvent:
        return self.events(job_id)[-1]

    def wait_for(
        self, job_id: str | None, kinds: set[str], *, patience: timedelta = PATIENCE
    ) -> CloudEvent:
        """Wait until the job has told one of these events; that event."""

        def find() -> list[CloudEvent]:
            return [it for it in self.events(job_id) if it.data.event in kinds]

        self.wait_until(lambda: bool(find()), f"{job_id} tells {kinds}", patience=patience)
        return find()[0]

    def wait_until(
        self, holds: Callable[[], bool], what: str, *, patience: timedelta = PATIENCE
    ) -> None:
        """Wait until it holds; AssertionError with what was wanted otherwise."""
        ends = time.monotonic() + patience.total_seconds()
        while not holds():
            assert time.monotonic() < ends, f"it did not come about that {what}"
            assert self._process is None or self.is_alive, "the daemon has ended"
            time.sleep(0.05)

    def _launch(self, argv: Sequence[str]) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def _write_site(self, base: str, configure: Callable[[Configuration], None]) -> None:
        text = (CHECKOUT / "site_configs" / base).read_text(encoding="utf-8")
        configuration: Configuration = yaml.safe_load(text)
        configuration["site"]["name"] = self.name
        configuration["broker"]["namespace"] = self.name
        configuration["journal"]["path"] = str(self.folder / "journal.sqlite")
        configuration["work_root"] = str(self.folder)
        configure(configuration)
        self.site_file.write_text(yaml.safe_dump(configuration), encoding="utf-8")

    def _listen(self) -> None:
        for event in self._follower.events():
            with self._news:
                self._seen.append(event)
                self._news.notify_all()


OpenBridge = Callable[..., SiteBridge]
"""The fixture `open_bridge`: opens a bridge, with changes to what its YAML says."""
