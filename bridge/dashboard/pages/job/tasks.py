"""The tasks of a sweep: a table with their own parameters, and their curves in one figure."""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from bridge.client.board import BoardJob, BoardPoint, JobFilter
from bridge.core.user_state import UserState
from bridge.dashboard import curve, words
from bridge.dashboard.desk import Desk
from bridge.dashboard.pages.job.request import Sets
from bridge.dashboard.parts import badge, card
from bridge.dashboard.view import job_row, state_counts

MOST_TASKS = 100
"""In the table; the page of all jobs shows the rest."""
MOST_CURVES = 12
_POINTS = 150


def tasks_card(desk: Desk, sweep: BoardJob, sets: Sets) -> Component:
    """The tasks with their states, and what each has of its own. Raises UnavailableError."""
    tasks = desk.board.tasks(sweep.job_id, size=MOST_TASKS)
    counts = desk.board.counts(JobFilter(sweep=sweep.job_id))
    names = list(dict.fromkeys(name for own in sets for name, _ in own))
    metrics = _metrics(tasks)
    titles = ["Task", "State", *names, *metrics, "Took", ""]
    rows = [_row(it, sets, names, metrics, desk) for it in tasks]
    head = html.Thead(html.Tr([html.Th(it, scope="col") for it in titles]))
    more = sum(counts.values()) - len(tasks)
    return card(
        "Tasks",
        html.P(_counted(counts, sweep.tasks or 0), className="fine", role="status"),
        html.Div(
            html.Table([head, html.Tbody(rows)], className="small tasks"),
            className="scroll",
            tabIndex="0",
        ),
        html.P(
            [
                f"and {words.count_of(more, 'more task', 'more tasks')}; " if more > 0 else "",
                dcc.Link("All of them among the jobs", href=f"/?sweep={sweep.job_id}"),
            ],
            className="fine",
        ),
    )


def tasks_figure(desk: Desk, sweep: BoardJob) -> dict[str, Any] | None:
    """One metric of the first tasks that say it; None: none does. Raises UnavailableError."""
    lines: dict[str, Sequence[BoardPoint]] = {}
    metric = ""
    for task in desk.board.tasks(sweep.job_id, size=MOST_TASKS):
        if task.progress is None or len(lines) == MOST_CURVES:
            continue
        metric = metric or curve.chosen_metric(task.progress.metrics)
        if metric in task.progress.metrics:
            points = desk.board.progress(task.job_id, at_most=_POINTS)
            lines[f"task {task.task}"] = curve.last_run(points)
    return curve.figure_of_several(metric, lines) if lines else None


def _row(
    task: BoardJob, sets: Sets, names: Sequence[str], metrics: Sequence[str], desk: Desk
) -> Component:
    index = task.task or 0
    own = dict(sets[index]) if index < len(sets) else {}
    said = task.progress.metrics if task.progress else {}
    row = job_row(task, desk.now())
    link = dcc.Link(f"task {index}", href=f"/jobs/{task.job_id}")
    return html.Tr(
        [
            html.Th(link, scope="row"),
            html.Td(badge(task.state)),
            *(html.Td(own.get(it, words.UNKNOWN)) for it in names),
            *(html.Td(curve.metric_text(said[it]) if it in said else "") for it in metrics),
            html.Td(row.took),
            html.Td(row.note, className="note"),
        ]
    )


def _metrics(tasks: Sequence[BoardJob]) -> list[str]:
    return list(dict.fromkeys(name for it in tasks if it.progress for name in it.progress.metrics))


def _counted(counts: Mapping[UserState, int], total: int) -> str:
    known = [f"{number:,} {title.lower()}" for _, title, number in state_counts(counts) if number]
    return f"{words.count_of(total, 'task', 'tasks')}: {', '.join(known) or 'none has begun yet'}"
