"""The page of all sites: which bridges are there, how much they have to do, what they allow."""

from typing import Any

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from bridge.client.board import BoardSite
from bridge.core.errors import BridgeError, UnavailableError
from bridge.dashboard import words
from bridge.dashboard.bounds import limit_facts
from bridge.dashboard.desk import Desk
from bridge.dashboard.parts import (
    attributes,
    board_away,
    empty,
    heading,
    notice,
    pairs,
    paused,
    unless_seen,
)
from bridge.wire.presence import Presence

LOOK_MS = 4_000


def layout() -> Component:
    """The page as it is first shown."""
    return html.Div(
        [
            heading("Sites"),
            html.Div(id="sites-shown"),
            dcc.Store(id="sites-seen"),
            dcc.Interval(id="sites-tick", interval=LOOK_MS),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    """The page's callbacks."""

    @app.callback(
        Output("sites-shown", "children"),
        Output("sites-seen", "data"),
        Input("sites-tick", "n_intervals"),
        State("sites-seen", "data"),
        running=paused("sites-tick"),
    )
    def look(_ticks: int, seen: str | None) -> Any:
        return unless_seen((show(desk),), seen)


def show(desk: Desk) -> Component:
    """All that is known of the sites."""
    try:
        known = {it.name: it for it in desk.board.sites()}
    except UnavailableError as error:
        return board_away(error)
    trouble = None
    try:
        there = {it.site: it for it in desk.bridge.sites()}
    except BridgeError as error:
        there = {}
        trouble = notice(
            "The broker cannot be reached", f"Which bridges are there is not known: {error}."
        )
    names = sorted(known.keys() | there.keys())
    if not names and trouble is None:
        return empty(
            "No site has been heard of yet",
            "A site appears here as soon as its bridge says a word at this broker: "
            "hpc-bridge run SITE.yaml starts one.",
        )
    cards = [
        _site(desk, it, known.get(it), there.get(it), is_known=trouble is None) for it in names
    ]
    return html.Div([trouble, html.Div(cards, className="sites")])


def _site(
    desk: Desk, name: str, told: BoardSite | None, there: Presence | None, *, is_known: bool
) -> Component:
    facts: list[tuple[str, str]] = []
    if there is not None:
        running = words.span(desk.now() - there.running_since)
        facts += [
            ("Jobs in Slurm", f"{there.live:,}"),
            ("Jobs that wait for Slurm", f"{there.waiting:,}"),
            (
                "Bridge",
                f"{there.bridge_version}, running for {running}",
            ),
        ]
    elif told is not None:
        facts.append(("Last heard of", words.ago(told.heard_at, desk.now())))
    limits = desk.limits(name) if there is not None else None
    if limits is not None:
        facts += limit_facts(limits)
    title, kind = _health(there, is_known=is_known)
    return html.Section(
        [
            html.Div(
                [
                    html.H2(name),
                    html.Span(
                        [html.Span(className="dot", **attributes(aria_hidden="true")), title],
                        className=f"badge state-{kind}",
                    ),
                ],
                className="beside",
            ),
            html.P(told.detail, className="fine") if told and told.detail else None,
            pairs(facts),
        ],
        className="card",
    )


def _health(there: Presence | None, *, is_known: bool) -> tuple[str, str]:
    if there is None:
        return ("away", "failed") if is_known else ("not known", "cancelled")
    return ("there", "complete") if there.is_reached else ("its Slurm does not answer", "queued")
