"""A pyslurm that talks to no Slurm; as a program, a worker that has it.

What a job of that program meets is said in its comment.
"""

import os
import signal
import sys
import time
from types import SimpleNamespace
from typing import Any, ClassVar

from bridge.adapters.pyslurm import worker


class RPCError(Exception):
    """What Slurm answers when it is not content."""


class JobSubmitDescription:
    """Attributes as those of the real one: others cannot be set."""

    submitted: ClassVar[list[dict[str, Any]]] = []
    __slots__ = (
        *("name", "comment", "nodes", "ntasks", "cpus_per_task", "priority", "standard_output"),
        *("script", "environment", "get_user_environment", "time_limit", "signal"),
        *("profile_types", "account", "qos", "partitions", "working_directory", "standard_error"),
        *("log_files_open_mode", "is_requeueable", "kill_on_invalid_dependency", "gres_per_node"),
        *("memory_per_node", "memory_per_cpu"),
    )

    def submit(self) -> int:
        """Give the job a number, or what its comment says."""
        told = {it: getattr(self, it) for it in self.__slots__ if hasattr(self, it)}
        with open(told["script"], encoding="utf-8", newline="") as file:  # noqa: PTH123
            told["script"] = file.read()
        self.submitted.append(told)
        return meet(str(told.get("comment", "")))


def meet(comment: str) -> int:
    """The number of a job, after whatever the comment says."""
    match comment.split(":", 1):
        case ["die"]:
            os.kill(os.getpid(), signal.SIGKILL)
        case ["sleep"]:
            time.sleep(600)
        case ["fail", words]:
            raise RPCError(words)
        case ["print", words]:
            sys.stderr.write(f"python: error: {words}\n")
            raise RPCError("Job violates accounting/QOS policy (job submit limit, ...)")
        case ["chatter"]:
            sys.stdout.write("a line that is no answer\n")
            sys.stdout.flush()
        case ["wrong", words]:
            raise ValueError(words)
        case ["bug"]:
            raise KeyError("bug")
    return os.getpid()


def module(version: str = "22.5.3") -> Any:
    """What `import pyslurm` gives."""
    return SimpleNamespace(
        __version__=version, JobSubmitDescription=JobSubmitDescription, RPCError=RPCError
    )


if __name__ == "__main__":
    sys.modules["pyslurm"] = module(*sys.argv[1:])
    worker.main()
