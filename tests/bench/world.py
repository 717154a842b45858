"""The testbed as the benchmarks use it: bridges to measure, and Slurm asked directly."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rabbitmq_management import Management
from site_bridge import Configuration, SiteBridge
from testbed import Testbed

from bench.process_cost import Cost

SOME = 2_000
"""So many ended jobs in squeue's answer do not slow a look down noticeably."""
_LAST_LINES = 20
_CONSUMING_SECONDS = 120
_QUIET_SECONDS = 240
_ALL_JOBS = ("squeue", "--me", "--noheader", "--states=all", "--format=%i")


class MeasuredBridge(SiteBridge):
    """A bridge that logs as it does by default, and tells what it costs."""

    def start(self, **variables: str) -> None:
        """Run the daemon, and wait until it takes jobs."""
        self.start_timed(**variables)

    def start_timed(self, **variables: str) -> float:
        """The same; seconds from the start of the program until it takes jobs."""
        began, log_began = time.perf_counter(), self._log_bytes()
        argv = self.command("run", str(self.site_file), **variables)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        consumes = f"queue={self.settings.broker.jobs_queue(self.name)}\n"
        while consumes not in self.logged(log_began):
            if not self.is_alive or time.perf_counter() - began > _CONSUMING_SECONDS:
                raise RuntimeError(f"the daemon does not run: {self.logged(log_began)[-2000:]}")
            time.sleep(0.005)
        return time.perf_counter() - began

    def cost(self) -> Cost:
        return Cost.of(self.process.pid)

    def end(self) -> None:
        """End the daemon if it runs."""
        if self._process is not None:
            self.stop()

    def _log_bytes(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Where a benchmark runs."""

    testbed: Testbed
    quick: bool

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder of the ordinary user, for as long as it is needed."""
        folder = Path(tempfile.mkdtemp(prefix="bench-", dir=self.testbed.work_root))
        folder.chmod(0o755)
        self.give(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    @contextmanager
    def bridge(
        self, configure: Callable[[Configuration], None] = lambda _: None
    ) -> Iterator[MeasuredBridge]:
        """A site of its own that asks Slurm as often as sites do by default; not started yet."""

        def as_by_default(configuration: Configuration) -> None:
            del configuration["polling"], configuration["scheduler"]["queries_per_minute"]
            configure(configuration)

        with self.folder() as folder:
            bridge = MeasuredBridge(self.testbed, folder, configure=as_by_default)
            try:
                yield bridge
            except Exception as error:
                error.add_note(f"The daemon's log ends so:\n{_warnings(bridge.logged())}")
                raise
            finally:
                bridge.end()
                Management(self.testbed.broker).delete_namespace(bridge.name)

    def give(self, folder: Path) -> None:
        """Make all in it the ordinary user's."""
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, self.testbed.user, self.testbed.user)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        seconds: float = 300,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """What a command of the ordinary user prints. CalledProcessError, with its words."""
        try:
            return subprocess.run(
                self.testbed.as_user(argv, environment=environment),
                check=True,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=seconds,
            ).stdout
        except subprocess.CalledProcessError as error:
            error.add_note(error.stderr)
            raise

    def cancel_all(self) -> None:
        """Cancel the ordinary user's jobs."""
        self.run(["scancel", "--quiet", f"--user={self.testbed.user}"])

    def wait_until_forgotten(self, *, but: int = 0) -> None:
        """Wait until squeue lists that many jobs of the user at most, ended ones included.

        TimeoutError.
        """
        ends = time.monotonic() + _QUIET_SECONDS
        while self.run(_ALL_JOBS).count("\n") > but:
            if time.monotonic() > ends:
                raise TimeoutError("Slurm does not forget the jobs of the benchmark before")
            time.sleep(1)


def venv_python(testbed: Testbed) -> str:
    """The interpreter of the environment that holds the built wheel."""
    return str(testbed.bridge_command.with_name("python"))


def testbed_variables() -> dict[str, str]:
    """What the site's YAML refers to."""
    return {name: value for name, value in os.environ.items() if name.startswith("BRIDGE_TESTBED_")}


def _warnings(logged: str) -> str:
    """The last lines, and the last of those that are more than information."""
    lines = logged.splitlines()
    grave = [it for it in lines if "[info" not in it and "[debug" not in it]
    return "\n".join((*grave[-_LAST_LINES:], "...", *lines[-_LAST_LINES:]))
