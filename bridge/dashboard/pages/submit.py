"""The page that sends a job: a form within the site's limits."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from bridge.core.errors import BridgeError, InvalidRequestError, Problem, UnavailableError
from bridge.dashboard.bounds import Bounds
from bridge.dashboard.desk import Desk
from bridge.dashboard.examples import TRAINED, Example
from bridge.dashboard.form import FIELDS, LINES, MORE, NUMBERS, by_field, read_form, write_form
from bridge.dashboard.parts import (
    attributes,
    board_away,
    choice,
    empty,
    field,
    heading,
    notice,
    way,
)

TITLES: Mapping[str, str] = {
    "site": "Site",
    "name": "Name",
    "kind": "Kind",
    "image": "Container image",
    "command": "Command",
    "params": "Parameters",
    "profile": "Profile",
    "nodes": "Nodes",
    "tasks": "Tasks",
    "cpus_per_task": "CPUs per task",
    "gpus": "GPUs per node",
    "gpu_type": "Type of GPU",
    "memory": "Memory",
    "walltime": "Time limit",
    "mounts": "Folders",
    "env": "Environment",
    "labels": "Labels",
    "user": "Sent by",
    MORE: "All else",
}
HINTS: Mapping[str, str] = {
    "name": "for people; need not be unique",
    "command": 'one line for the shell in the container, or a list such as ["python3", "train.py"]',
    "params": "as YAML; the container finds them in the file that $BRIDGE_PARAMS names",
    "mounts": "one a line: folder on the site:folder in the container:ro",
    "env": "one a line: NAME=value",
    "labels": "one a line: name=value; told again in every list of jobs",
    "user": "who wants the job, for people",
    MORE: "other fields of the job message, as JSON",
    "memory": "per node, such as 2G",
    "walltime": "as HH:MM:SS",
    "image": "as the site's container runtime names it",
}
KINDS = {"training": "Training", "deployment": "Deployment", "other": "Other"}
"""What jobs are for, as the form offers it."""
BOUNDED = ("image", *NUMBERS, "gpu_type", "memory", "walltime")
"""The fields under which a site's limits are told."""


def layout(desk: Desk, *, example: str, again: str) -> Component:
    """The page as it is first shown: with an example, or with a job that is to run again."""
    try:
        sites = desk.sites()
    except UnavailableError as error:
        return html.Div([heading("Submit a job"), board_away(error)])
    trouble: Component | None = None
    try:
        start = _start(desk, example=example, again=again)
    except BridgeError as error:
        start = Example(title="")
        trouble = notice("That job cannot be copied now", str(error))
    if not sites:
        return html.Div(
            [
                heading("Submit a job"),
                empty(
                    "No site is known yet",
                    "A site appears here as soon as its bridge says a word at this broker.",
                    way("Look at the sites", "/sites"),
                ),
            ]
        )
    site = start.site if start.site in sites else sites[0]
    filled = write_form(start.job)
    return html.Div(
        [
            heading("Submit a job"),
            trouble,
            _examples(desk.examples, chosen=example, again=again),
            html.Div(id="submit-problems", tabIndex="-1"),
            _form(sites, site, filled, _trainings(desk, start)),
            dcc.Store(id="submit-id", data=str(uuid.uuid4())),
            dcc.Location(id="submit-way", refresh="callback-nav"),
            html.Div(id="submit-focus", hidden=True),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    """The page's callbacks."""

    @app.callback(
        output={
            "hints": {it: Output(f"h-{it}", "children") for it in BOUNDED},
            "profiles": Output("f-profile", "options"),
            "has_none": Output("w-profile", "hidden"),
            "said": Output("submit-limits", "children"),
        },
        inputs={"site": Input("f-site", "value"), "profile": Input("f-profile", "value")},
    )
    def bound(site: str, profile: str | None) -> Any:
        return _bounded(desk, site, profile or "")

    @app.callback(
        Output("f-mounts", "value"),
        Input("submit-trained", "value"),
        State("submit-mounts", "data"),
    )
    def take_model(folder: str | None, mounts: str) -> Any:
        return mounts.replace(TRAINED, folder) if folder else no_update

    @app.callback(
        output={
            "summary": Output("submit-problems", "children"),
            "errors": {it: Output(f"e-{it}", "children") for it in FIELDS},
            "looks": {it: Output(f"w-{it}", "className") for it in FIELDS},
            "address": Output("submit-way", "href"),
        },
        inputs={"clicks": Input("submit-send", "n_clicks")},
        state={
            "job_id": State("submit-id", "data"),
            "site": State("f-site", "value"),
            "values": {it: State(f"f-{it}", "value") for it in FIELDS},
        },
        prevent_initial_call=True,
    )
    def press(clicks: int, job_id: str, site: str, values: dict[str, Any]) -> Any:
        del clicks
        summary, problems, address = send(desk, job_id, site, values)
        return {
            "summary": summary,
            "errors": {it: " ".join(problems.get(it, ())) for it in FIELDS},
            "looks": {it: "field wrong" if it in problems else "field" for it in FIELDS},
            "address": address or no_update,
        }

    app.clientside_callback(
        ClientsideFunction("bridge", "show_problems"),
        Output("submit-focus", "children"),
        Input("submit-problems", "children"),
    )


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


def _bounded(desk: Desk, site: str, profile: str) -> dict[str, Any]:
    limits = desk.limits(site)
    said: Mapping[str, str] = {}
    profiles: tuple[str, ...] = ()
    if limits is not None:
        bounds = Bounds.of(limits, profile)
        said, profiles = bounds.hints(), bounds.profiles
    options = {"": "as the site picks", **{it: it for it in profiles}}
    return {
        "hints": {it: said.get(it) or HINTS.get(it, "") for it in BOUNDED},
        "profiles": [{"label": title, "value": value} for value, title in options.items()],
        "has_none": not profiles,
        "said": ""
        if limits
        else "The site does not say now what it allows. It checks the job when it gets it.",
    }


def _start(desk: Desk, *, example: str, again: str) -> Example:
    """What the form begins with."""
    if again:
        job = desk.board.job(again)
        if job is None:
            raise UnavailableError(f"nobody has heard of a job {again} here")
        return Example(title=job.name, job=desk.request(job), site=job.site)
    if example.isdecimal() and int(example) < len(desk.examples):
        return desk.examples[int(example)]
    return Example(title="")


def _trainings(desk: Desk, start: Example) -> Component | None:
    """A choice of what was trained, for an example that wants it."""
    mounts = write_form(start.job)["mounts"]
    if TRAINED not in mounts:
        return None
    folders = desk.trained()
    if not folders:
        return notice(
            "Nothing has been trained yet",
            "This example takes the model of a training. Run the training first, and come back.",
            kind="hint",
        )
    newest = next(iter(folders))
    control = field("Model of", "submit-trained", choice("submit-trained", folders, newest))
    return html.Div([control, dcc.Store(id="submit-mounts", data=mounts)])


def _examples(examples: Sequence[Example], *, chosen: str, again: str) -> Component | None:
    if not examples:
        return None
    ways = [
        _example(
            it.title, f"/submit?example={number}", is_chosen=not again and chosen == str(number)
        )
        for number, it in enumerate(examples)
    ]
    ways.append(_example("Nothing", "/submit", is_chosen=not again and not chosen))
    return html.Nav(
        [html.Span("Start from", className="fine"), *ways],
        className="chips",
        **attributes(aria_label="What the form begins with"),
    )


def _example(title: str, address: str, *, is_chosen: bool) -> Component:
    # Dash knows no aria-current on its own links: the class says it to the eye.
    return dcc.Link(title, href=address, className="chip chosen" if is_chosen else "chip")


def _form(
    sites: Sequence[str], site: str, filled: Mapping[str, Any], trainings: Component | None
) -> Component:
    offered = {it: it for it in sites}
    return html.Form(
        [
            html.Fieldset(
                [
                    html.Legend("The job"),
                    html.Div(
                        [
                            field("Site", "f-site", choice("f-site", offered, site)),
                            _text("name", filled),
                        ],
                        className="grid",
                    ),
                    _kind(filled),
                    _text("image", filled),
                    _area("command", filled, rows=2),
                    _area("params", filled, rows=7),
                    trainings,
                ]
            ),
            html.Fieldset(
                [
                    html.Legend("What it needs"),
                    html.P(id="submit-limits", className="hint-text", role="status"),
                    html.Div(
                        [
                            _field(
                                "profile",
                                choice("f-profile", {"": "as the site picks"}, filled["profile"]),
                            ),
                            _text("walltime", filled),
                            _text("memory", filled),
                            *(_text(it, filled) for it in NUMBERS),
                            _text("gpu_type", filled),
                        ],
                        className="grid",
                    ),
                ]
            ),
            html.Details(
                [
                    html.Summary("Folders, environment, labels and all else"),
                    *(_area(it, filled, rows=2) for it in LINES),
                    _text("user", filled),
                    _area(MORE, filled, rows=2),
                ],
                open=any(filled[it] for it in (*LINES, MORE)),
            ),
            html.Div(
                html.Button(
                    "Submit", id="submit-send", type="submit", className="button main large"
                ),
                className="ways",
            ),
        ],
        className="form",
        noValidate="novalidate",
    )


def _kind(filled: Mapping[str, Any]) -> Component:
    control = dcc.RadioItems(
        id="f-kind",
        options=[{"label": title, "value": kind} for kind, title in KINDS.items()],
        value=filled["kind"] or "other",
        inline=True,
        className="tabs",
    )
    return _field("kind", control)


def _text(name: str, filled: Mapping[str, Any]) -> Component:
    # Numbers too: Dash passes a number that is too large on as nothing at all.
    control = dcc.Input(
        id=f"f-{name}",
        value=filled[name],
        inputMode="numeric" if name in NUMBERS else "verbatim",
        autoComplete="off",
    )
    return _field(name, control)


def _area(name: str, filled: Mapping[str, Any], *, rows: int) -> Component:
    control = dcc.Textarea(
        id=f"f-{name}", value=filled[name], rows=rows, spellCheck=False, className="code"
    )
    return _field(name, control)


def _field(name: str, control: Component) -> Component:
    return html.Div(
        [
            html.Label(TITLES[name], htmlFor=f"f-{name}", id=f"l-{name}"),
            control,
            html.Span(HINTS.get(name, ""), id=f"h-{name}", className="hint-text"),
            html.Span(id=f"e-{name}", className="error", role="alert"),
        ],
        id=f"w-{name}",
        className="field",
        role="group",
        **attributes(aria_labelledby=f"l-{name}"),
    )
