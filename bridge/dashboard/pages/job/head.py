"""The head of a job's page: its state, why, and what may be done."""

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from bridge.client.board import BoardJob
from bridge.core.job import JobId, task_id
from bridge.core.user_state import UserState
from bridge.dashboard.parts import attributes, badge, empty, heading, way
from bridge.dashboard.view import JobStatus, job_title
from bridge.wire.event import CloudEvent


def top(
    job: BoardJob, status: JobStatus, events: Sequence[CloudEvent], sweep: BoardJob | None
) -> Component:
    """What is to be said of a job first; `sweep` is the one whose task it is."""
    problems = [it for event in events for it in event.data.problems] if not job.phase else []
    said: list[Component] = [html.P(status.title, className="lead")]
    if status.detail and not problems:
        said.append(html.P(status.detail, className="detail"))
    if problems:
        said.append(html.Ul([html.Li(_problem(it.where, it.what)) for it in problems]))
    if awaited := _awaited(job, events):
        links = [html.Li(dcc.Link(html.Code(it), href=f"/jobs/{it}")) for it in awaited]
        said.append(html.Ul(links))
    if status.advice:
        said.append(html.P(status.advice, className="fine"))
    return html.Div(
        [
            _crumbs(job, sweep),
            heading(job_title(job), html.Div(_ways(job, status), className="ways")),
            html.Div(
                [badge(job.state), html.Div(said)],
                className=f"status state-{job.state}",
                id="job-status",
                role="status",
            ),
        ]
    )


def _crumbs(job: BoardJob, sweep: BoardJob | None) -> Component:
    """Where the page is; for a task, also the ways to those beside it."""
    places: list[Component | str] = [dcc.Link("Jobs", href="/")]
    if job.sweep is None or job.task is None:
        places.append("sweep" if job.tasks else job.kind)
    else:
        name = sweep.name if sweep and sweep.name else "sweep"
        places += [dcc.Link(name, href=f"/jobs/{job.sweep}"), f"task {job.task}"]
        total = sweep.tasks if sweep and sweep.tasks else 0
        for title, index in (("previous", job.task - 1), ("next", job.task + 1)):
            if 0 <= index < total:
                its_id = task_id(JobId(job.sweep), index)
                places.append(dcc.Link(f"{title} task", href=f"/jobs/{its_id}"))
    parts: list[Component | str] = []
    for place in places:
        if parts:
            parts.append(html.Span("/", **attributes(aria_hidden="true")))
        parts.append(place)
    return html.Nav(parts, className="crumbs", **attributes(aria_label="Where this page is"))


def _awaited(job: BoardJob, events: Sequence[CloudEvent]) -> Sequence[str]:
    """The jobs for which it waits still."""
    if job.state is not UserState.QUEUED or not events:
        return ()
    return events[-1].data.waits_for


def _problem(where: str, what: str) -> list[Component | str]:
    return [html.Code(where), f" {what}"] if where else [what]


def _ways(job: BoardJob, status: JobStatus) -> list[Component]:
    if status.is_over and not job.phase:
        # A site keeps nothing of what it did not take, so that nothing could be sent again.
        return []
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


def not_known(job_id: str, sent_to: str) -> Component:
    """Stands for a job of which nobody has heard here, or not yet."""
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
