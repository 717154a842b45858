"""A worker: the one process that imports pyslurm, and submits what it is told on stdin.

pyslurm is not for the bridge's own process: it keeps all threads waiting while it talks to Slurm,
and libslurm ends the process when slurm.conf is missing or wrong.
"""

import importlib
import os
import re
import resource
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from bridge.adapters.pyslurm.framing import Frames, Message, frame

CHUNK = 65536
LIMITS = ("AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "RSS", "STACK")
NEEDED = ("JobSubmitDescription", "RPCError")


def hello(load: Callable[[], Any]) -> Message:
    """What pyslurm is here: `version` and `attributes`, or `unfit` with why it cannot be used."""
    try:
        pyslurm = load()
    except Exception as error:  # noqa: BLE001 - a broken extension module may raise anything
        return {"unfit": f"pyslurm cannot be imported by {sys.executable}: {error}"}
    version = str(getattr(pyslurm, "__version__", ""))
    missing = [name for name in NEEDED if not hasattr(pyslurm, name)]
    if missing:
        return {
            "unfit": f"pyslurm {version} has no {' and no '.join(missing)}: 22.5.2 is the first"
        }
    numbers = re.match(r"[0-9]+\.[0-9]+(?:\.[0-9]+)?", version, re.ASCII)
    if numbers is None:
        return {"unfit": f"pyslurm does not say which version it is, but {version!r}"}
    attributes = [it for it in dir(pyslurm.JobSubmitDescription) if not it.startswith("_")]
    return {"version": [int(it) for it in numbers.group().split(".")], "attributes": attributes}


def submit(pyslurm: Any, request: Message) -> Message:
    """`submitted` with the job's id, or `failed` with Slurm's or pyslurm's words, or `doubtful`."""
    try:
        with _script_file(request["script"]) as script:
            job = _described(pyslurm, request, script)
            return {"submitted": int(job.submit())}
    except pyslurm.RPCError as error:
        return {"failed": str(error)}
    except (ValueError, TypeError, AttributeError) as error:
        # It puts the description together before it asks Slurm anything.
        return {"refused": f"pyslurm does not take the job: {error}"}
    except Exception as error:  # noqa: BLE001 - whatever it is, the bridge must hear of it
        return {"doubtful": f"{type(error).__name__}: {error}"}


def _described(pyslurm: Any, request: Message, script: str) -> Any:
    job = pyslurm.JobSubmitDescription()
    for name, value in request["attributes"].items():
        setattr(job, name, value)
    # Truthy, and holds nothing: left alone it becomes NO_VAL, which Slurm 24.11 takes for all
    # profiles there are; sbatch tells 0 (ACCT_GATHER_PROFILE_NOT_SET).
    job.profile_types = iter(())
    job.script = script
    # Never empty: pyslurm takes that for all of our own environment.
    job.environment = {**_as_sbatch_adds(), **request["environment"]}
    job.get_user_environment = request["login_environment"]
    return job


@contextmanager
def _script_file(text: str) -> Iterator[str]:
    """A file without a place on any disk: old versions take a long text for a wrong path."""
    descriptor = os.memfd_create("batch-script")
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


@cache
def _as_sbatch_adds() -> Mapping[str, str]:
    """sbatch(1), OUTPUT ENVIRONMENT VARIABLES and --propagate."""
    soft = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[0] for name in LIMITS}
    return {
        "SLURM_SUBMIT_DIR": str(Path.cwd()),
        "SLURM_SUBMIT_HOST": socket.gethostname(),
        "SLURM_PRIO_PROCESS": str(os.getpriority(os.PRIO_PROCESS, 0)),
        **{f"SLURM_RLIMIT_{name}": str(limit % 2**64) for name, limit in soft.items()},
    }


def serve(
    load: Callable[[], Any], read: Callable[[], bytes], write: Callable[[bytes], Any]
) -> None:
    """Say hello, then answer each request, until there is nothing more to read."""
    greeting = hello(load)
    write(frame(greeting))
    if "unfit" in greeting:
        return
    pyslurm, frames = load(), Frames()
    while piece := read():
        frames.hear(piece)
        while (request := frames.take()) is not None:
            write(frame(submit(pyslurm, request)))


def main() -> None:
    """Talk on stdin and stdout, which from here on nobody else may read or write."""
    requests, answers = os.dup(0), os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)

    def write(data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[answers.write(rest) or 0 :]

    serve(lambda: importlib.import_module("pyslurm"), lambda: os.read(requests, CHUNK), write)


if __name__ == "__main__":
    main()
