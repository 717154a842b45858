"""The page of all sites: which bridges are there, how much they have to do, what they allow."""

from typing import Any

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from bridge.client.board import BoardSite, SetAside
from bridge.core.errors import UnavailableError
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
        sites, is_hearing = desk.board.sites(), desk.is_hearing()
        latest = desk.board.set_aside(at_most=1)
    except UnavailableError as error:
        return board_away(error)
    said = [_not_heard(desk)] if not is_hearing else []
    if latest:
        said.append(_set_aside(desk.board.number_set_aside(), latest[0]))
    if not sites:
        said.append(
            empty(
                "No site has been heard of yet",
                "A site appears here as soon as its bridge says a word at this broker: "
                "hpc-bridge run SITE.yaml starts one.",
            )
        )
    cards = [_site(desk, it, is_hearing=is_hearing) for it in sites]
    return html.Div([*said, html.Div(cards, className="sites")])


def _not_heard(desk: Desk) -> Component:
    until = desk.board.heard_until()
    since = f"since {words.moment(until)}" if until else "yet"
    return notice(
        "The broker cannot be reached",
        f"Nothing has been heard of any bridge {since}. What is shown here was so then.",
    )


def _set_aside(number: int, latest: SetAside) -> Component:
    return notice(
        f"{words.count_of(number, 'event', 'events')} could not be taken in",
        f"The latest, {latest.event_id} of {latest.site}: {latest.error}",
        "All others were. What is missing is taken in by a version of the bridge in which that "
        "is put right.",
        kind="hint",
    )


def _site(desk: Desk, site: BoardSite, *, is_hearing: bool) -> Component:
    facts: list[tuple[str, str]] = []
    is_there = site.is_there(desk.now())
    if site.presence is not None and (is_there or not is_hearing):
        running = words.span(desk.now() - site.presence.running_since)
        facts += [
            ("Jobs in Slurm", f"{site.presence.live:,}"),
            ("Jobs that wait for Slurm", f"{site.presence.waiting:,}"),
            ("Bridge", f"{site.presence.bridge_version}, running for {running}"),
        ]
    if not is_there:
        facts.append(("Last heard of", words.ago(site.heard_at, desk.now())))
    if site.limits is not None:
        facts += limit_facts(site.limits)
    title, kind = _health(site, is_there=is_there, is_hearing=is_hearing)
    return html.Section(
        [
            html.Div(
                [
                    html.H2(site.name),
                    html.Span(
                        [html.Span(className="dot", **attributes(aria_hidden="true")), title],
                        className=f"badge state-{kind}",
                    ),
                ],
                className="beside",
            ),
            html.P(site.detail, className="fine") if site.detail else None,
            pairs(facts),
        ],
        className="card",
    )


def _health(site: BoardSite, *, is_there: bool, is_hearing: bool) -> tuple[str, str]:
    if not is_hearing:
        return "not known", "cancelled"
    if not is_there or site.presence is None:
        return "away", "failed"
    is_reached = site.presence.is_reached
    return ("there", "complete") if is_reached else ("its Slurm does not answer", "queued")
