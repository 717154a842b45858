"""The page of one job: its parts, and what keeps them fresh."""

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from bridge.core.errors import BridgeError, UnavailableError
from bridge.core.user_state import OVER
from bridge.dashboard import curve
from bridge.dashboard.desk import Desk
from bridge.dashboard.pages.job.head import not_known, top
from bridge.dashboard.pages.job.output import last_words, output, output_card
from bridge.dashboard.pages.job.request import Sets, request_card
from bridge.dashboard.pages.job.story import attempts_card, timeline
from bridge.dashboard.pages.job.tasks import tasks_card, tasks_figure
from bridge.dashboard.pages.job.work import artifacts, curve_card, progress
from bridge.dashboard.parts import board_away, card, notice, pairs, paused, unless_seen
from bridge.dashboard.view import facts_of, job_status

LOOK_MS = 1_000
LOOK_TASKS_MS = 2_000
LOOK_LATER_MS = 10_000
TICKS = ("job-tick", "job-points-tick", "job-log-tick")


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
                            html.Div(id="job-why"),
                            html.Div(id="job-tasks"),
                            curve_card(
                                "How they train", ident="card-tasks-curve", graph="job-tasks-curve"
                            ),
                            html.Div(id="job-progress"),
                            curve_card("While it trains", ident="card-curve", graph="job-curve"),
                            output_card(),
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
            dcc.Store(id="job-sets", data=[]),
            dcc.Store(id="job-tasks-seen"),
            dcc.Store(id="job-log-seen"),
            dcc.Interval(id="job-tick", interval=LOOK_MS),
            dcc.Interval(id="job-points-tick", interval=LOOK_MS),
            dcc.Interval(id="job-log-tick", interval=LOOK_MS),
            dcc.Interval(id="job-tasks-tick", interval=LOOK_TASKS_MS),
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
        Output("card-output", "hidden"),
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
        return progress(points), curve.figure(points), not curve.has_lines(points), told

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
        return unless_seen(output(desk, which["job"], stream), seen)

    @app.callback(
        Output("job-request", "children"),
        Output("job-sets", "data"),
        Input("job-body", "hidden"),
        State("job-id", "data"),
    )
    def show_request(is_hidden: bool, which: dict[str, str]) -> Any:  # noqa: FBT001
        return (no_update,) * 2 if is_hidden else request_card(desk, which["job"])

    @app.callback(
        Output("job-why", "children"),
        Input("job-seen", "data"),
        State("job-id", "data"),
    )
    def explain(_seen: str, which: dict[str, str]) -> Any:
        return last_words(desk, which["job"])

    @app.callback(
        Output("job-tasks", "children"),
        Output("job-tasks-curve", "figure"),
        Output("card-tasks-curve", "hidden"),
        Output("job-tasks-tick", "interval"),
        Output("job-tasks-seen", "data"),
        Input("job-tasks-tick", "n_intervals"),
        Input("job-sets", "data"),
        State("job-id", "data"),
        State("job-tasks-seen", "data"),
        running=paused("job-tasks-tick"),
    )
    def look_at_tasks(_ticks: int, sets: Sets, which: dict[str, str], seen: str | None) -> Any:
        return unless_seen(show_tasks(desk, which["job"], sets), seen)

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
        sweep = desk.board.job(job.sweep) if job and job.sweep else None
    except UnavailableError as error:
        return (board_away(error), True, *[no_update] * 5, *[LOOK_MS] * len(TICKS))
    if job is None:
        return (not_known(job_id, sent_to), True, *[None] * 4, True, *[LOOK_MS] * len(TICKS))
    status = job_status(job, desk.now())
    return (
        top(job, status, events, sweep),
        False,
        timeline(events),
        attempts_card(attempts, desk.now()) if len(attempts) > 1 else None,
        artifacts(job),
        card("Details", pairs(facts_of(job))),
        bool(job.tasks),
        *[LOOK_LATER_MS if status.is_over else LOOK_MS] * len(TICKS),
    )


def show_tasks(desk: Desk, job_id: str, sets: Sets) -> tuple[Any, ...]:
    """The tasks of a sweep, their curves, and how soon to look again; nothing for other jobs."""
    try:
        sweep = desk.board.job(job_id)
        if sweep is None or not sweep.tasks:
            return None, no_update, True, LOOK_LATER_MS
        figure = tasks_figure(desk, sweep)
        shown = tasks_card(desk, sweep, sets)
    except UnavailableError:
        return (*[no_update] * 3, LOOK_TASKS_MS)
    soon = LOOK_LATER_MS if sweep.state in OVER else LOOK_TASKS_MS
    return shown, figure or no_update, figure is None, soon


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
