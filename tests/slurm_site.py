"""The real Slurm of the testbed, as the bridge's user sees it."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar
from uuid import uuid4

from testbed import Testbed

from bridge.adapters.run_local import LocalRunner
from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.core.facts import Sighting
from bridge.core.job import SlurmId, SubmissionTag
from bridge.core.settings import SchedulerSettings
from bridge.ports import Completed, Scheduler

PATIENCE_SECONDS = 120
T = TypeVar("T")


class UserRunner:
    """A Runner that becomes the testbed's ordinary user first: tests are run by root."""

    def __init__(self, testbed: Testbed, runner: LocalRunner) -> None:
        self._testbed = testbed
        self._runner = runner

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: timedelta) -> Completed:
        return self._runner.run(self._testbed.as_user(argv), stdin=stdin, timeout=timeout)


def command_line(testbed: Testbed, settings: SchedulerSettings | None = None) -> SlurmCommandLine:
    """The scheduler as that user; SLURM_CONF comes with `as_user`."""
    return SlurmCommandLine(UserRunner(testbed, LocalRunner()), settings or SchedulerSettings())


def controller_port(testbed: Testbed) -> int:
    """Where slurmctld listens."""
    found = re.search(r"^SlurmctldPort=(\d+)$", testbed.slurm_conf.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def slurm_conf_through(testbed: Testbed, folder: Path, port: int) -> Path:
    """A slurm.conf in the folder, by which slurmctld is reached at another port."""
    conf = folder / "slurm.conf"
    text = testbed.slurm_conf.read_text(encoding="utf-8")
    text = re.sub(r"^SlurmctldPort=.*$", f"SlurmctldPort={port}", text, flags=re.MULTILINE)
    conf.write_text(text, encoding="utf-8")
    for extra in testbed.slurm_conf.parent.glob("*cgroup.conf"):
        (folder / extra.name).write_text(extra.read_text(encoding="utf-8"))
    return conf


def a_tag() -> SubmissionTag:
    """A name that no other job has."""
    return SubmissionTag(f"test-{uuid4()}-1")


def a_script(tag: str, body: str, *options: str) -> str:
    """A batch script that writes no output file; of an option that stands twice the last counts."""
    size = ("--nodes=1", "--ntasks=1", "--cpus-per-task=1")
    lines = (f"--job-name={tag}", "--export=NIL", "--output=/dev/null", *size, *options)
    return "#!/bin/sh\n" + "".join(f"#SBATCH {it}\n" for it in lines) + body + "\n"


def eventually(look: Callable[[], T | None]) -> T:
    """The first answer of `look` that is true; AssertionError when there is none for long."""
    over = monotonic() + PATIENCE_SECONDS
    while monotonic() < over:
        if seen := look():
            return seen
        sleep(0.3)
    raise AssertionError(f"not seen in {PATIENCE_SECONDS} s")


def in_queue(scheduler: Scheduler, slurm_id: SlurmId, *words: str) -> Sighting | None:
    """The job's row in squeue, once it shows one of these words."""
    rows = (it for it in scheduler.queue() if it.slurm_id == slurm_id)
    return next((it for it in rows if it.word in words), None)
