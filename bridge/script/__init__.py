"""The batch script of a job: the only place where text becomes bash."""

from bridge.script.images import is_pulled, pull_of
from bridge.script.refusals import refusals
from bridge.script.rendering import job_files, render, script_name, template_problems
from bridge.script.runtimes import mounts_files

__all__ = [
    "is_pulled",
    "job_files",
    "mounts_files",
    "pull_of",
    "refusals",
    "render",
    "script_name",
    "template_problems",
]
