"""From a job and a site to the files in the job's folder."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import takewhile
from traceback import walk_tb

from jinja2 import (
    ChoiceLoader,
    FileSystemLoader,
    PrefixLoader,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
)
from markupsafe import Markup

from bridge.core.errors import ConfigurationError, InvalidRequestError, Problem
from bridge.core.job import JobSpec, Sweep, task_id
from bridge.core.placement import place
from bridge.core.settings import SiteSettings
from bridge.script.bash_templates import BashTemplates
from bridge.script.refusals import refusals
from bridge.script.script_job import script_job
from bridge.shipped import shipped

OURS = "bridge"
"""`{% extends "bridge/apptainer.sbatch.j2" %}` names our template, whatever the site has."""

_FAULTS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a template raises that divides by zero, includes itself or wants too long a range."""


def render(spec: JobSpec, settings: SiteSettings, attempt: int) -> str:
    """The text of the batch script that runs `spec` for the `attempt`th time (from 1).

    Of a sweep it is that of its array.

    Raises InvalidRequestError with every field that the site's runtime cannot be told, and
    ConfigurationError when the site's own templates are wrong.
    """
    if spec.sweep is not None:
        return _array(spec, spec.sweep, settings)
    site = settings.site
    profile = place(spec.resources, site).profile
    problems = tuple(refusals(spec, site))
    if site.profiles and profile is None:
        problems = (*problems, *place(spec.resources, site).problems)
    if problems:
        raise InvalidRequestError(*problems, job_id=spec.job_id)
    return _rendered(
        f"{site.containers.runtime}.sbatch.j2",
        settings,
        job=script_job(spec, site, profile, attempt),
        site=site,
        setup=_verbatim("\n".join(site.setup)),
        directives=[_verbatim(it) for it in site.directives],
    )


def template_problems(settings: SiteSettings) -> Iterator[Problem]:
    """Of each template in the site's own folder that is none, why not, with its file and line."""
    if settings.templates is None:
        return
    for name in FileSystemLoader(settings.templates).list_templates():
        if name.endswith(".j2"):
            try:
                _templates(settings.templates).get_template(name)
            except (TemplateError, UnicodeDecodeError) as error:
                yield _problem(error, name)


def _rendered(name: str, settings: SiteSettings, **values: object) -> str:
    """The text of a template. Raises ConfigurationError with the file and the line at fault."""
    try:
        return _templates(settings.templates).get_template(name).render(**values)
    except _FAULTS as error:
        raise ConfigurationError(_problem(error, name)) from error


def _problem(error: Exception, name: str) -> Problem:
    """What is wrong with a template, and where: by the frames that Jinja gives its errors."""
    if isinstance(error, TemplateSyntaxError):
        where = f"{error.filename or error.name}:{error.lineno}"
        return Problem(where=where, what=str(error.message))
    what = str(error)
    if isinstance(error, TemplateNotFound):
        what = f"there is no template {error.name}"
    places = [
        f"{frame.f_code.co_filename}:{line}"
        for frame, line in walk_tb(error.__traceback__)
        if frame.f_code.co_filename.endswith(".j2")
    ]
    if isinstance(error, RecursionError):
        # Where it happens to be deep enough says nothing.
        places, what = places[:1], "it includes itself, or calls a macro that does, without end"
    return Problem(where=places[-1] if places else f"template {name}", what=what)


def job_files(
    spec: JobSpec, settings: SiteSettings, attempt: int, *, request: bytes
) -> dict[str, str]:
    """The files that have to be in the job's folder before sbatch is called: name to text.

    `request` is the job message, kept as `job.json`. Raises like `render`.
    """
    files = {"job.json": request.decode("utf-8")}
    if spec.parameters is not None:
        files[spec.parameters.file_name] = spec.parameters.text
    files[script_name(attempt)] = render(spec, settings, attempt)
    return files


def _array(spec: JobSpec, sweep: Sweep, settings: SiteSettings) -> str:
    """The script of the array: what a job like its tasks asks of Slurm, and then their own."""
    lines = render(replace(spec, sweep=None), settings, 1).splitlines()
    # Options end at the first command (sbatch(1)).
    head = takewhile(lambda line: not line or line.startswith("#"), lines)
    asked = [it for it in head if it.startswith(("#!", "#SBATCH"))]
    at_once = f"%{sweep.at_once}" if sweep.at_once else ""
    return _rendered(
        "array.sbatch.j2",
        settings,
        directives=_verbatim("\n".join(asked)),
        array=_verbatim(f"0-{sweep.tasks - 1}{at_once}"),
        tasks=[task_id(spec.job_id, index) for index in range(sweep.tasks)],
        work_root=settings.site.work_root,
    )


def script_name(attempt: int) -> str:
    """Under which name an attempt's batch script lies in the job's folder."""
    return f"attempt-{attempt}.sbatch"


@lru_cache(maxsize=8)
def _templates(site_folder: str | None) -> BashTemplates:
    ours = FileSystemLoader(shipped("templates"))
    loaders = [ours] if site_folder is None else [FileSystemLoader(site_folder), ours]
    return BashTemplates(ChoiceLoader([*loaders, PrefixLoader({OURS: ours})]))


def _verbatim(text: str) -> Markup:
    """Text of the site's administrator, who may run anything here anyway."""
    return Markup(text)  # noqa: S704
