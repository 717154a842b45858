"""The page of one job: live while it is on its way, and what it left."""

from collections.abc import Sequence
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from bridge.client.board import BoardAttempt, BoardJob, BoardPoint
from bridge.core.errors import BridgeError, UnavailableError
from bridge.core.user_state import OVER, UserState
from bridge.dashboard import curve, words
from bridge.dashboard.desk import Desk
from bridge.dashboard.files import artifact_address, output_address
from bridge.dashboard.output import tail_of
from bridge.dashboard.parts import (
    Children,
    attributes,
    badge,
    board_away,
    card,
    empty,
    heading,
    moment,
    notice,
    pairs,
    paused,
    unless_seen,
    way,
)
from bridge.dashboard.view import (
    JobStatus,
    attempt_cells,
    facts_of,
    folder_of,
    happenings,
    job_status,
    parameters,
)
from bridge.wire.event import CloudEvent

LOOK_MS = 1_000
LOOK_LATER_MS = 10_000
TICKS = ("job-tick", "job-points-tick", "job-log-tick")
LOG_TAIL = 32 * 1024
"""Bytes of the end of a job's output that the page shows."""


def layout(job_id: str, sent_to: str) -> Component:
    """The page as it is first shown; `sent_to` is the site where the job was sent just now."""
    return html.Div(
        [
            html.Div(id="job-top"),
            html.Div(id="job-said", role="status", className="said"),
            html.Div(
                [
                    html.Div(
                        [
                            html.Div(id="job-progress"),
                            _curve_card(),
                            _output_card(),
                            html.Div(id="job-artifacts"),
                        ],
                        className="column wide",
                    ),
                    html.Div(
                        [
                            html.Div(id="job-timeline"),
                            html.Div(id="job-attempts"),
                            html.Div(id="job-request"),
                            html.Div(id="job-facts"),
                        ],
                        className="column",
                    ),
                ],
                id="job-body",
                className="columns",
                hidden=True,
            ),
            html.Div(id="job-scrolled", hidden=True),
            dcc.Store(id="job-id", data={"job": job_id, "sent_to": sent_to}),
            dcc.Store(id="job-seen"),
            dcc.Store(id="job-points", data=0),
            dcc.Store(id="job-log-seen"),
            dcc.Interval(id="job-tick", interval=LOOK_MS),
            dcc.Interval(id="job-points-tick", interval=LOOK_MS),
            dcc.Interval(id="job-log-tick", interval=LOOK_MS),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    """The page's callbacks."""

    @app.callback(
        Output("job-top", "children"),
        Output("job-body", "hidden"),
        Output("job-timeline", "children"),
        Output("job-attempts", "children"),
        Output("job-artifacts", "children"),
        Output("job-facts", "children"),
        *[Output(it, "interval") for it in TICKS],
        Output("job-seen", "data"),
        Input("job-tick", "n_intervals"),
        State("job-id", "data"),
        State("job-seen", "data"),
        running=paused("job-tick"),
    )
    def look(_ticks: int, which: dict[str, str], seen: str | None) -> Any:
        return unless_seen(show(desk, which["job"], which["sent_to"]), seen)

    @app.callback(
        Output("job-progress", "children"),
        Output("job-curve", "figure"),
        Output("card-curve", "hidden"),
        Output("job-points", "data"),
        Input("job-points-tick", "n_intervals"),
        State("job-id", "data"),
        State("job-points", "data"),
        running=paused("job-points-tick"),
    )
    def draw(_ticks: int, which: dict[str, str], drawn: int) -> Any:
        try:
            points = curve.last_run(desk.board.progress(which["job"]))
        except UnavailableError:
            return (no_update,) * 4
        told = points[-1].number if points else 0
        if told == drawn:
            return (no_update,) * 4
        return _progress(points), curve.figure(points), not curve.has_lines(points), told

    @app.callback(
        Output("job-log", "children"),
        Output("job-log-told", "children"),
        Output("job-log-seen", "data"),
        Input("job-log-tick", "n_intervals"),
        Input("job-stream", "value"),
        State("job-id", "data"),
        State("job-log-seen", "data"),
        running=paused("job-log-tick"),
    )
    def read(_ticks: int, stream: str, which: dict[str, str], seen: str | None) -> Any:
        return unless_seen(_output(desk, which["job"], stream), seen)

    @app.callback(
        Output("job-request", "children"),
        Input("job-body", "hidden"),
        State("job-id", "data"),
    )
    def show_request(is_hidden: bool, which: dict[str, str]) -> Any:  # noqa: FBT001
        return no_update if is_hidden else _request(desk, which["job"])

    @app.callback(
        Output("job-said", "children"),
        Input("job-stop", "submit_n_clicks"),
        State("job-id", "data"),
        prevent_initial_call=True,
    )
    def stop(clicks: int | None, which: dict[str, str]) -> Any:
        return _stopped(desk, which["job"]) if clicks else no_update

    app.clientside_callback(
        ClientsideFunction("bridge", "keep_end"),
        Output("job-scrolled", "children"),
        Input("job-log", "children"),
    )


def show(desk: Desk, job_id: str, sent_to: str) -> tuple[Any, ...]:
    """All that the board knows of the job, and how soon to look again."""
    try:
        job = desk.board.job(job_id)
        events = desk.board.events(job_id)
        attempts = desk.board.attempts(job_id)
    except UnavailableError as error:
        return (board_away(error), True, *[no_update] * 4, *[LOOK_MS] * len(TICKS))
    if job is None:
        return (_not_known(job_id, sent_to), True, None, None, None, None, *[LOOK_MS] * len(TICKS))
    status = job_status(job, desk.now())
    return (
        _top(job, status, events),
        False,
        _timeline(events),
        _attempts(attempts, desk) if len(attempts) > 1 else None,
        _artifacts(job),
        card("Details", pairs(facts_of(job))),
        *[LOOK_LATER_MS if status.is_over else LOOK_MS] * len(TICKS),
    )


def _top(job: BoardJob, status: JobStatus, events: Sequence[CloudEvent]) -> Component:
    problems = [it for event in events for it in event.data.problems] if not job.phase else []
    said: list[Component] = [html.P(status.title, className="lead")]
    if status.detail and not problems:
        said.append(html.P(status.detail, className="detail"))
    if problems:
        said.append(html.Ul([html.Li(_problem(it.where, it.what)) for it in problems]))
    if status.advice:
        said.append(html.P(status.advice, className="fine"))
    return html.Div(
        [
            html.Nav(
                [
                    dcc.Link("Jobs", href="/"),
                    html.Span("/", **attributes(aria_hidden="true")),
                    job.kind,
                ],
                className="crumbs",
                **attributes(aria_label="Where this page is"),
            ),
            heading(
                job.name or f"Job {job.job_id[:8]}", html.Div(_ways(job, status), className="ways")
            ),
            html.Div(
                [badge(job.state), html.Div(said)],
                className=f"status state-{job.state}",
                id="job-status",
                role="status",
            ),
        ]
    )


def _problem(where: str, what: str) -> list[Component | str]:
    return [html.Code(where), f" {what}"] if where else [what]


def _ways(job: BoardJob, status: JobStatus) -> list[Component]:
    again = way("Run again", f"/submit?again={job.job_id}", is_main=status.is_over)
    if status.is_over:
        return [again]
    button = html.Button(
        "Stopping\N{HORIZONTAL ELLIPSIS}" if status.is_stopping else "Stop",
        className="button danger",
        type="button",
        disabled=not status.can_stop,
    )
    question = f"Stop \N{LEFT DOUBLE QUOTATION MARK}{job.name}\N{RIGHT DOUBLE QUOTATION MARK}?"
    if job.state is UserState.RUNNING:
        question += " What it has not saved is lost."
    return [dcc.ConfirmDialogProvider(button, id="job-stop", message=question), again]


def _not_known(job_id: str, sent_to: str) -> Component:
    if sent_to:
        return html.Div(
            [
                heading("Sent"),
                html.Div(
                    [
                        html.Span(className="spinner", **attributes(aria_hidden="true")),
                        html.Div(
                            [
                                html.P(f"The job is on its way to {sent_to}", className="lead"),
                                html.P(
                                    "It is safe in the site's queue. This page goes on as soon as "
                                    "the site's bridge has read it, usually within a second.",
                                    className="detail",
                                ),
                                html.P(html.Code(job_id), className="fine"),
                            ]
                        ),
                    ],
                    className="status state-queued",
                    role="status",
                ),
            ]
        )
    return html.Div(
        [
            heading("No such job"),
            empty(
                "Nobody has heard of this job here",
                f"Its id would be {job_id}. It may have been forgotten, as old jobs are, or the "
                "address is not quite right.",
                way("Show all jobs", "/", is_main=True),
            ),
        ]
    )


def _timeline(events: Sequence[CloudEvent]) -> Component:
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


def _attempts(attempts: Sequence[BoardAttempt], desk: Desk) -> Component:
    titles = ("Attempt", "Slurm job", "Nodes", "Took", "Ended")
    return card(
        "Attempts",
        html.Div(
            html.Table(
                [
                    html.Thead(html.Tr([html.Th(it, scope="col") for it in titles])),
                    html.Tbody(
                        [
                            html.Tr([html.Td(it) for it in attempt_cells(attempt, desk.now())])
                            for attempt in attempts
                        ]
                    ),
                ],
                className="small",
            ),
            className="scroll",
        ),
    )


def _artifacts(job: BoardJob) -> Component | None:
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


def _progress(points: Sequence[BoardPoint]) -> Component | None:
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


def _curve_card() -> Component:
    graph = dcc.Graph(
        id="job-curve",
        figure=curve.figure([]),
        responsive=True,
        config={"displayModeBar": False, "displaylogo": False},
        className="curve",
    )
    return card("While it trains", graph, ident="card-curve", is_hidden=True)


def _output_card() -> Component:
    streams = dcc.RadioItems(
        id="job-stream",
        options=[
            {"label": "Output", "value": "stdout"},
            {"label": "Errors", "value": "stderr"},
        ],
        value="stdout",
        inline=True,
        className="tabs",
    )
    return card(
        "What it writes",
        html.Div([streams, html.Span(id="job-log-told", className="fine")], className="beside"),
        html.Pre(
            id="job-log",
            className="log",
            tabIndex="0",
            **attributes(aria_label="Output of the job"),
        ),
        ident="card-output",
    )


def _output(desk: Desk, job_id: str, stream: str) -> tuple[str, Children]:
    """What the job has written last, and what is to be said of it."""
    try:
        job = desk.board.job(job_id)
        if job is None or (job.started_at is None and job.state not in OVER):
            return "", "nothing yet: it has not started"
        piece = desk.tail(job, stream, LOG_TAIL)
    except BridgeError as error:
        return "", f"cannot be fetched now: {error}"
    tail = tail_of(piece.data, piece.start)
    if not tail.text.strip():
        return "", "nothing yet" if job.state not in OVER else "nothing"
    whole = words.size(piece.size)
    link = html.A("download", href=output_address(job_id, stream), download="")
    return tail.text, [f"the end of {whole}, " if tail.left_out else f"{whole}, ", link]


def _request(desk: Desk, job_id: str) -> Component | None:
    """What was asked for, as the site has it."""
    try:
        job = desk.board.job(job_id)
        if job is None or not job.phase:
            return None
        request = desk.request(job)
    except BridgeError as error:
        return card("Parameters", html.P(f"They cannot be fetched now: {error}", className="fine"))
    params = parameters(request.get("params") or {})
    asked = parameters(request.get("resources") or {})
    command = request.get("command")
    shown = [
        card("Parameters", pairs(params, is_code=True))
        if params
        else card("Parameters", html.P("It has none.", className="fine")),
        card(
            "What it asks for",
            html.Pre(
                command if isinstance(command, str) else " ".join(command or ()),
                className="command",
            ),
            pairs(asked),
        ),
    ]
    return html.Div(shown, className="column")


def _stopped(desk: Desk, job_id: str) -> Component:
    try:
        job = desk.board.job(job_id)
        if job is None:
            return notice("It was not stopped", "Nobody has heard of this job here.")
        desk.bridge.cancel(job.site, job_id)
    except BridgeError as error:
        return notice("It is not known to have been stopped", f"{error}. Try again.")
    return notice(
        "The site was asked to stop it", "It ends as soon as Slurm has done so.", kind="done"
    )
