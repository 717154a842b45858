"""What was asked for."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component
from pydantic import ValidationError

from bridge.core.errors import BridgeError
from bridge.dashboard.desk import Desk
from bridge.dashboard.parts import card, pairs
from bridge.dashboard.view import parameters
from bridge.wire.job_message import SweepMessage
from bridge.wire.sweep import sets_of

MOST_SETS = 500
"""Of so many of a sweep's tasks the parameters are told."""

Sets = list[list[tuple[str, str]]]


def request_card(desk: Desk, job_id: str) -> tuple[Component | None, Sets]:
    """What was asked for, as the site has it, and for a sweep what each task has of its own."""
    try:
        job = desk.board.job(job_id)
        if job is None or not job.phase:
            return None, []
        request = desk.request(job)
    except BridgeError as error:
        words = f"They cannot be fetched now: {error}"
        return card("Parameters", html.P(words, className="fine")), []
    params = parameters(request.get("params") or {})
    asked = parameters(request.get("resources") or {})
    shown = [
        card("Parameters", pairs(params, is_code=True))
        if params
        else card("Parameters", html.P("It has none.", className="fine")),
        card(
            "What it asks for",
            html.Pre(command_line(request.get("command") or ()), className="command"),
            pairs(asked),
        ),
    ]
    return html.Div(shown, className="column"), sets_in(request)


def command_line(command: str | Sequence[str]) -> str:
    """A command as a shell would read it: the words of a list stay apart."""
    return command if isinstance(command, str) else shlex.join(command)


def sets_in(request: Mapping[str, Any]) -> Sets:
    """What each task of the sweep in a job message has of its own; nothing where it is none."""
    try:
        sweep = SweepMessage.model_validate(request["sweep"])
    except (KeyError, ValidationError):
        return []
    return [parameters(own) for own, _ in zip(sets_of(sweep), range(MOST_SETS), strict=False)]
