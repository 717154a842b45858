"""The page that sends a job, as it is first shown, and what it does."""

import uuid
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from bridge.core.errors import BridgeError, UnavailableError
from bridge.dashboard.desk import Desk
from bridge.dashboard.examples import TRAINED, Example
from bridge.dashboard.form import FIELDS, write_form
from bridge.dashboard.pages.submit.fields import BOUNDED, bounded, form_of
from bridge.dashboard.pages.submit.sending import send
from bridge.dashboard.pages.submit.start import example_links, start_of, trainings_choice
from bridge.dashboard.parts import board_away, empty, heading, notice, way


def layout(desk: Desk, *, example: str, again: str) -> Component:
    """The page as it is first shown: with an example, or with a job that is to run again."""
    try:
        sites = desk.sites()
    except UnavailableError as error:
        return html.Div([heading("Submit a job"), board_away(error)])
    trouble: Component | None = None
    try:
        start = start_of(desk, example=example, again=again)
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
            example_links(desk.examples, chosen=example, again=again),
            html.Div(id="submit-problems", tabIndex="-1"),
            form_of(sites, site, filled, trainings_choice(desk, start)),
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
        return bounded(desk, site, profile or "")

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
