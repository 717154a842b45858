"""What comes of sending the form."""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from bridge.core.errors import InvalidRequestError, Problem, UnavailableError
from bridge.dashboard.bounds import Bounds
from bridge.dashboard.desk import Desk
from bridge.dashboard.form import by_field, read_form
from bridge.dashboard.pages.submit.fields import TITLES
from bridge.dashboard.parts import notice


def send(
    desk: Desk, job_id: str, site: str, values: Mapping[str, Any]
) -> tuple[Component | None, dict[str, list[str]], str]:
    """What came of sending the form: a summary, what is wrong by field, and where to go on."""
    filled = read_form(values)
    problems = list(filled.problems)
    if (limits := desk.limits(site)) is not None:
        problems += Bounds.of(limits, values["profile"] or "").problems(filled.job)
    try:
        problems += desk.problems(filled.job, job_id)
        told = by_field(_each_once(problems))
        if told:
            return _summary(told), told, ""
        desk.submit(site, filled.job, job_id)
    except InvalidRequestError as error:
        told = by_field(error.problems)
        return _summary(told), told, ""
    except UnavailableError as error:
        return _not_sent(error), {}, ""
    return None, {}, f"/jobs/{job_id}?sent_to={site}"


def _each_once(problems: Sequence[Problem]) -> list[Problem]:
    """Of several that are wrong with one field, the first: the rest may follow from it."""
    return list({it.where.removeprefix("resources."): it for it in reversed(problems)}.values())[
        ::-1
    ]


def _summary(told: Mapping[str, Sequence[str]]) -> Component:
    lines = [
        html.Li(
            html.A(f"{TITLES[name]}: {' '.join(what)}", href=f"#f-{name}")
            if name
            else " ".join(what)
        )
        for name, what in told.items()
    ]
    return notice("The job was not sent", html.Ul(lines))


def _not_sent(error: Exception) -> Component:
    return notice(
        "The job is not known to have been sent",
        f"{error}.",
        "Press the button again: it has an id of its own, and however often it is sent, it runs "
        "once.",
    )
