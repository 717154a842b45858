"""What happened to a job: its events and its runs."""

from collections.abc import Sequence
from datetime import datetime

from dash import html
from dash.development.base_component import Component

from bridge.client.board import BoardAttempt
from bridge.dashboard.happenings import attempt_cells, happenings
from bridge.dashboard.parts import card, moment
from bridge.wire.event import CloudEvent


def timeline(events: Sequence[CloudEvent]) -> Component:
    """The events, one after the other."""
    shown = [
        html.Li(
            [
                html.Div(
                    [
                        html.Span(it.title, className="what"),
                        html.Span(it.after, className="fine") if it.after else None,
                    ],
                    className="first",
                ),
                html.P(it.detail, className="fine") if it.detail else None,
                html.P(moment(it.at), className="fine"),
            ],
            className=f"event event-{it.kind}",
        )
        for it in happenings(events)
    ]
    return card("Timeline", html.Ol(shown, className="timeline"))


def attempts_card(attempts: Sequence[BoardAttempt], now: datetime) -> Component:
    """The runs of a job."""
    titles = ("Attempt", "Slurm job", "Nodes", "Took", "Ended")
    return card(
        "Attempts",
        html.Div(
            html.Table(
                [
                    html.Thead(html.Tr([html.Th(it, scope="col") for it in titles])),
                    html.Tbody(
                        [
                            html.Tr([html.Td(it) for it in attempt_cells(attempt, now)])
                            for attempt in attempts
                        ]
                    ),
                ],
                className="small",
            ),
            className="scroll",
        ),
    )
