"""The form's fields: their titles, what is said below them, and their controls."""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from bridge.dashboard.bounds import Bounds
from bridge.dashboard.desk import Desk
from bridge.dashboard.form import LINES, MORE, NUMBERS
from bridge.dashboard.parts import attributes, choice, field

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


def form_of(
    sites: Sequence[str], site: str, filled: Mapping[str, Any], trainings: Component | None
) -> Component:
    """The whole form, filled."""
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


def bounded(desk: Desk, site: str, profile: str) -> dict[str, Any]:
    """What a site and one of its profiles make of the fields' hints and choices."""
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
