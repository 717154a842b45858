"""Looks whether jobs can be run as processes of this machine. Nothing is started."""

from collections.abc import Iterator
from pathlib import Path

from bridge.adapters.local_processes.directives import read_wishes
from bridge.core.errors import SubmissionRefusedError
from bridge.core.finding import Finding, ok, wrong


def examine_local_processes(folder: Path, script: str, *, at_once: int) -> Iterator[Finding]:
    """The folder of their records, and a script as a job would get it."""
    if folder.exists() and not folder.is_dir():
        yield wrong("local jobs", f"{folder} is in the way: it is no folder", f"remove {folder}")
        return
    try:
        read_wishes(script)
    except SubmissionRefusedError as error:
        yield wrong("local jobs", str(error), "correct `directives`, or the site's templates")
        return
    yield ok("local jobs", f"{at_once} at once, their records in {folder}")
