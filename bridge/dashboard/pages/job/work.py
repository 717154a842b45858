"""What a job makes: progress, its curve, and what it leaves."""

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from bridge.client.board import BoardJob, BoardPoint
from bridge.dashboard import curve, words
from bridge.dashboard.files import artifact_address
from bridge.dashboard.parts import attributes, card
from bridge.dashboard.view import folder_of


def artifacts(job: BoardJob) -> Component | None:
    """What it left; None: nothing that is known."""
    if not job.artifacts_total:
        return None
    rows = [
        html.Tr(
            [
                html.Td(html.A(it.name, href=artifact_address(job.job_id, it.name), download="")),
                html.Td(words.size(it.size)),
            ]
        )
        for it in job.artifacts
    ]
    head = html.Thead(html.Tr([html.Th("File", scope="col"), html.Th("Size", scope="col")]))
    more = job.artifacts_total - len(rows)
    return card(
        "What it left",
        html.Div(html.Table([head, html.Tbody(rows)], className="small"), className="scroll"),
        html.P(f"and {words.count_of(more, 'more file', 'more files')}", className="fine")
        if more
        else html.Span(hidden=True),
        html.P(f"All of it lies in {folder_of(job)}/artifacts at {job.site}.", className="fine"),
    )


def progress(points: Sequence[BoardPoint]) -> Component | None:
    """How far a job has come; None: it has not said."""
    share = curve.share_done(points)
    if not points:
        return None
    told: list[Component] = []
    if share is not None:
        last = points[-1]
        told.append(
            html.Div(
                html.Div(className="bar", style={"width": f"{share:.1%}"}),
                className="progress",
                role="progressbar",
                **attributes(
                    aria_valuenow=f"{100 * share:.0f}",
                    aria_valuemin="0",
                    aria_valuemax="100",
                    aria_label="Progress",
                ),
            )
        )
        told.append(html.P(f"step {last.step:g} of {last.total:g}", className="fine"))
    told.append(
        html.Div(
            [
                html.Div([html.Span(name, className="fine"), html.Strong(value)])
                for name, value in curve.latest(points)
            ],
            className="metrics",
        )
    )
    return card("Progress", *told)


def curve_card(title: str, *, ident: str, graph: str) -> Component:
    """A card for curves, before there is one; `graph` is the id of the figure in it."""
    figure = dcc.Graph(
        id=graph,
        figure=curve.figure([]),
        responsive=True,
        config={"displayModeBar": False, "displaylogo": False},
        className="curve",
        style={"height": "20rem"},
    )
    return card(title, figure, ident=ident, is_hidden=True)
