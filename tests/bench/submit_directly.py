"""`submit_directly.py WAY PARALLEL <names of scripts`: submits them, and prints how long it took.

Run by bench.direct as the ordinary user; imports nothing of the tests. Its last line is for the
benchmark, those before it are the bridge's log.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from bridge.adapters.clock import SystemClock
from bridge.adapters.pyslurm.scheduler import PyslurmScheduler
from bridge.adapters.run_local import LocalRunner
from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.adapters.ssh import SshConnection, SshRunner
from bridge.core.batch_options import read_options
from bridge.core.errors import BridgeError
from bridge.core.job_description import describe
from bridge.core.settings import SchedulerSettings, SshSettings

SETTINGS = SchedulerSettings(
    environment=(("SLURM_CONF", os.environ["SLURM_CONF"]), ("PATH", os.environ["PATH"]))
)
NEWEST = (99,)


def through_pyslurm() -> PyslurmScheduler:
    command_line = SlurmCommandLine(LocalRunner(), SETTINGS)
    return PyslurmScheduler(SETTINGS, command_line=command_line, client=command_line.client)


def misfit() -> str | None:
    with closing(through_pyslurm()) as scheduler:
        try:
            scheduler.verify()
        except BridgeError as error:
            return str(error)
    return None


def login_node() -> SshSettings:
    return SshSettings(
        host="127.0.0.1",
        port=int(os.environ["BRIDGE_TESTBED_SSH_PORT"]),
        user=os.environ["BRIDGE_TESTBED_USER"],
        key_file=os.environ["BRIDGE_TESTBED_SSH_KEY"],
        known_hosts_file=os.environ["BRIDGE_TESTBED_SSH_KNOWN_HOSTS"],
    )


def timed(submit: Callable[[str], str], parallel: int) -> dict[str, object]:
    scripts = [Path(it).read_text(encoding="utf-8") for it in sys.stdin.read().split()]
    with ThreadPoolExecutor(parallel) as pool:
        began = time.perf_counter()
        slurm_ids = list(pool.map(submit, scripts))
        return {"seconds": time.perf_counter() - began, "slurm_ids": slurm_ids}


def raw_pyslurm() -> dict[str, object]:
    """As one would write it oneself."""
    pyslurm = importlib.import_module("pyslurm")
    names = sys.stdin.read().split()
    told = [describe(read_options(Path(it).read_text(encoding="utf-8")), NEWEST) for it in names]
    slurm_ids = []
    began = time.perf_counter()
    for name, description in zip(names, told, strict=True):
        job = pyslurm.JobSubmitDescription(script=name, **description.attributes)
        job.environment = dict(description.environment)
        slurm_ids.append(job.submit())
    return {"seconds": time.perf_counter() - began, "slurm_ids": slurm_ids}


def answer(way: str, *arguments: str) -> object:
    match way:
        case "misfit":
            return misfit()
        case "raw-pyslurm":
            return raw_pyslurm()
        case "command-line":
            return timed(SlurmCommandLine(LocalRunner(), SETTINGS).submit, int(arguments[0]))
        case "ssh":
            with closing(SshConnection(login_node(), SystemClock())) as connection:
                over_ssh = SlurmCommandLine(SshRunner(connection), SETTINGS)
                return timed(over_ssh.submit, int(arguments[0]))
        case _:
            with closing(through_pyslurm()) as scheduler:
                scheduler.verify()
                return timed(scheduler.submit, int(arguments[0]))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(*sys.argv[1:])))
