"""The batch script of a job: the only place where text becomes bash."""

from bridge.script.refusals import refusals
from bridge.script.rendering import job_files, render, script_name

__all__ = ["job_files", "refusals", "render", "script_name"]
