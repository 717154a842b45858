"""The page of all jobs: a live table that is narrowed, sorted and turned over on the server."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from bridge.client.board import JobSort
from bridge.core.errors import UnavailableError
from bridge.core.user_state import UserState
from bridge.dashboard import words
from bridge.dashboard.desk import Desk
from bridge.dashboard.parts import (
    attributes,
    badge,
    board_away,
    choice,
    empty,
    field,
    heading,
    moment,
    paused,
    unless_seen,
    way,
)
from bridge.dashboard.query import PAGE_SIZE, JobsQuery, pages_of
from bridge.dashboard.view import JobRow, job_row, state_counts

LOOK_MS = 1_500
KINDS = {"": "every kind", "training": "training", "deployment": "deployment", "other": "other"}
COLUMNS: tuple[tuple[str, JobSort | None], ...] = (
    ("State", JobSort.STATE),
    ("Job", JobSort.NAME),
    ("Kind", JobSort.KIND),
    ("Site", JobSort.SITE),
    ("Sent by", JobSort.USER),
    ("Sent", JobSort.ACCEPTED),
    ("Took", None),
)


def layout(desk: Desk, query: JobsQuery) -> Component:
    """The page as it is first shown."""
    return html.Div(
        [
            heading("Jobs", way("Submit a job", "/submit", is_main=True)),
            _of_sweep(query),
            html.Div(
                id="jobs-counts", className="chips", role="group", **attributes(aria_label="States")
            ),
            _controls(desk, query),
            html.Div(id="jobs-table"),
            html.Div(id="jobs-pager", className="pager"),
            dcc.Store(id="jobs-query", data=query.write()),
            dcc.Store(id="jobs-seen"),
            dcc.Interval(id="jobs-tick", interval=LOOK_MS),
            html.Div(id="jobs-address", hidden=True),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    """The page's callbacks."""

    @app.callback(
        Output("jobs-query", "data"),
        Input("jobs-text", "value"),
        Input("jobs-site", "value"),
        Input("jobs-kind", "value"),
        Input({"type": "jobs-state", "state": ALL}, "n_clicks"),
        Input({"type": "jobs-sort", "column": ALL}, "n_clicks"),
        Input({"type": "jobs-turn", "page": ALL, "word": ALL}, "n_clicks"),
        State("jobs-query", "data"),
        prevent_initial_call=True,
    )
    def choose(text: str, site: str, kind: str, *rest: Any) -> Any:
        before = _read(rest[-1])
        after = _chosen(replace(before, text=text or "", site=site or "", kind=kind or ""), before)
        return no_update if after == before else after.write()

    @app.callback(
        Output("jobs-table", "children"),
        Output("jobs-pager", "children"),
        Output("jobs-counts", "children"),
        Output("jobs-seen", "data"),
        Input("jobs-query", "data"),
        Input("jobs-tick", "n_intervals"),
        State("jobs-seen", "data"),
        running=paused("jobs-tick"),
    )
    def look(query: str, _ticks: int, seen: str | None) -> Any:
        return unless_seen(show(desk, _read(query)), seen)

    app.clientside_callback(
        ClientsideFunction("bridge", "keep_address"),
        Output("jobs-address", "children"),
        Input("jobs-query", "data"),
    )


def show(desk: Desk, query: JobsQuery) -> tuple[Component, list[Component], list[Component]]:
    """The table, what turns its pages, and the states with their counts."""
    now = desk.now()
    try:
        counts = desk.board.counts(replace(query, states=frozenset()).wanted)
        page = desk.board.jobs(
            query.wanted,
            sort=query.sort,
            descending=query.is_descending,
            size=PAGE_SIZE,
            offset=query.offset,
        )
    except UnavailableError as error:
        return board_away(error), [], []
    chips = _chips(counts, query)
    if not page.total:
        return _nothing(query), [], chips
    rows = [job_row(it, now) for it in page.jobs]
    return _table(rows, query), _pager(query, page.total, len(page.jobs)), chips


def _read(query: str) -> JobsQuery:
    return JobsQuery.read(dict(parse_qsl(query.removeprefix("?"))))


def _chosen(after: JobsQuery, before: JobsQuery) -> JobsQuery:
    """What was asked for, with what a button that was pressed adds to it."""
    # Buttons that are drawn anew trigger too, without having been pressed.
    if isinstance(ctx.triggered_id, dict) and ctx.triggered[0]["value"]:
        match ctx.triggered_id:
            case {"type": "jobs-state", "state": "all"}:
                after = replace(after, states=frozenset())
            case {"type": "jobs-state", "state": "tasks"}:
                after = replace(after, with_tasks=not after.with_tasks)
            case {"type": "jobs-state", "state": str(state)}:
                after = replace(after, states=after.states ^ {UserState(state)})
            case {"type": "jobs-sort", "column": str(column)}:
                return after.sorted_by(JobSort(column))
            case {"type": "jobs-turn", "page": int(page)}:
                return replace(after, page=page)
    return after if after == before else replace(after, page=1)


def _of_sweep(query: JobsQuery) -> Component | None:
    if not query.sweep:
        return None
    ways: list[Component | str] = [
        dcc.Link("the sweep itself", href=f"/jobs/{query.sweep}"),
        ", ",
        dcc.Link("all jobs", href="/"),
    ]
    return html.P(["Only the tasks of one sweep are shown: ", *ways], className="fine of-sweep")


def _controls(desk: Desk, query: JobsQuery) -> Component:
    try:
        sites = desk.sites()
    except UnavailableError:
        sites = []
    offered = {"": "every site", **{it: it for it in sites}}
    return html.Div(
        [
            field(
                "Find",
                "jobs-text",
                dcc.Input(
                    id="jobs-text",
                    type="search",
                    value=query.text,
                    debounce=0.3,
                    placeholder="name, id or image",
                ),
            ),
            field("Site", "jobs-site", choice("jobs-site", offered, query.site)),
            field("Kind", "jobs-kind", choice("jobs-kind", KINDS, query.kind)),
        ],
        className="controls",
        role="search",
    )


def _chips(counts: Mapping[UserState, int], query: JobsQuery) -> list[Component]:
    every = sum(counts.values())
    return [
        _chip("all", "All", every, is_on=not query.states),
        *(
            _chip(str(state), title, number, is_on=state in query.states)
            for state, title, number in state_counts(counts)
        ),
        _chip("tasks", "Tasks of sweeps too", None, is_on=query.wanted.with_tasks),
    ]


def _chip(state: str, title: str, number: int | None, *, is_on: bool) -> Component:
    return html.Button(
        [
            html.Span(className="dot", **attributes(aria_hidden="true")),
            title,
            None if number is None else html.Span(f"{number:,}", className="number"),
        ],
        id={"type": "jobs-state", "state": state},
        className=f"chip state-{state}",
        type="button",
        **attributes(aria_pressed=str(is_on).lower()),
    )


def _table(rows: Sequence[JobRow], query: JobsQuery) -> Component:
    head = html.Thead(html.Tr([_column(title, sort, query) for title, sort in COLUMNS]))
    body = html.Tbody([_row(it) for it in rows])
    return html.Div(
        html.Table(
            [html.Caption("Jobs, with the way to each", className="unseen"), head, body],
            className="jobs",
        ),
        className="scroll",
    )


def _column(title: str, sort: JobSort | None, query: JobsQuery) -> Component:
    if sort is None:
        return html.Th(title, scope="col")
    is_sorted = sort is query.sort
    order = "descending" if query.is_descending else "ascending"
    arrow = (
        ("\N{DOWNWARDS ARROW}" if query.is_descending else "\N{UPWARDS ARROW}") if is_sorted else ""
    )
    return html.Th(
        html.Button(
            [title, html.Span(arrow, className="arrow", **attributes(aria_hidden="true"))],
            id={"type": "jobs-sort", "column": str(sort)},
            type="button",
        ),
        scope="col",
        **attributes(aria_sort=order if is_sorted else "none"),
    )


def _row(row: JobRow) -> Component:
    name: list[Component] = [dcc.Link(row.name, href=f"/jobs/{row.job_id}", className="name")]
    if row.note:
        name.append(html.Span(row.note, className="note"))
    return html.Tr(
        [
            _cell("State", badge(row.state)),
            _cell("Job", html.Div(name, className="named")),
            _cell("Kind", row.kind),
            _cell("Site", row.site),
            _cell("Sent by", row.user),
            _cell("Sent", moment(row.sent_at, row.sent)),
            _cell("Took", row.took),
        ]
    )


def _cell(title: str, content: Component | str) -> Component:
    is_unknown = content == words.UNKNOWN
    return html.Td(
        content, className="unknown" if is_unknown else "", **attributes(data_label=title)
    )


def _pager(query: JobsQuery, total: int, shown: int) -> list[Component]:
    last = pages_of(total)
    all_jobs = words.count_of(total, "job", "jobs")
    told = f"{query.offset + 1:,}\N{EN DASH}{query.offset + shown:,} of {all_jobs}"
    if not shown:
        told = f"nothing on page {query.page:,}: there are {all_jobs}"
    return [
        html.Span(told, className="told", role="status"),
        html.Div(
            [
                _turn("First", 1, can=query.page > 1),
                _turn("Previous", min(query.page - 1, last), can=query.page > 1),
                html.Span(f"page {query.page:,} of {last:,}", className="fine"),
                _turn("Next", query.page + 1, can=query.page < last),
                _turn("Last", last, can=query.page != last),
            ],
            className="turns",
        ),
    ]


def _turn(title: str, page: int, *, can: bool) -> Component:
    return html.Button(
        title,
        # The word too, since two buttons may lead to the same page.
        id={"type": "jobs-turn", "page": page, "word": title},
        type="button",
        className="button small",
        disabled=not can,
    )


def _nothing(query: JobsQuery) -> Component:
    if query.is_narrowed:
        return empty(
            "No job fits",
            "There are jobs, but none that is all of what you ask for.",
            way("Show all jobs", "/"),
        )
    return empty(
        "No jobs yet",
        "Jobs appear here by themselves, whoever sends them and wherever they run.",
        way("Submit the first one", "/submit", is_main=True),
    )
