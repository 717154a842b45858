"""What a job writes."""

from dash import dcc, html
from dash.development.base_component import Component

from bridge.client.board import BoardJob
from bridge.core.errors import BridgeError
from bridge.core.user_state import OVER, UserState
from bridge.dashboard import words
from bridge.dashboard.desk import Desk
from bridge.dashboard.files import output_address
from bridge.dashboard.output import last_lines, tail_of
from bridge.dashboard.parts import Children, attributes, card

LOG_TAIL = 32 * 1024
"""Bytes of the end of a job's output that the page shows."""
_LAST_WORDS = 4 * 1024
_LAST_LINES = 12


def output_card() -> Component:
    """The end of what a job writes, before it was read."""
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


def output(desk: Desk, job_id: str, stream: str) -> tuple[str, Children]:
    """What the job has written last, and what is to be said of it."""
    try:
        job = desk.board.job(job_id)
        if job is None or (job.started_at is None and job.state not in OVER):
            return "", "nothing yet: it has not started"
        if not job.phase:
            return "", "nothing: the site did not take it"
        piece = desk.tail(job, stream, LOG_TAIL)
    except BridgeError as error:
        return "", f"cannot be fetched now: {error}"
    tail = tail_of(piece.data, piece.start)
    if not tail.text.strip():
        return "", "nothing yet" if job.state not in OVER else "nothing"
    whole = words.size(piece.size)
    link = html.A("download", href=output_address(job_id, stream), download="")
    return tail.text, [f"the end of {whole}, " if tail.left_out else f"{whole}, ", link]


def last_words(desk: Desk, job_id: str) -> Component | None:
    """The end of what a failed job wrote to stderr; None: that is nothing to be shown."""
    try:
        job = desk.board.job(job_id)
        if job is None or not has_last_words(job):
            return None
        piece = desk.tail(job, "stderr", _LAST_WORDS)
    except BridgeError as error:
        return card(
            "Its last words", html.P(f"They cannot be fetched now: {error}", className="fine")
        )
    text = last_lines(tail_of(piece.data, piece.start).text, _LAST_LINES)
    said = html.Pre(text, className="log") if text else html.P("It wrote no errors.")
    where = html.P(["All of it: ", html.Code(job.stderr), f" at {job.site}"], className="fine")
    return card("Its last words", said, where)


def has_last_words(job: BoardJob) -> bool:
    """Whether a failed job has, or may have, written why."""
    return job.state is UserState.FAILED and job.stderr is not None and not job.tasks
