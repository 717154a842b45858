"""What several pages are put together from."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dash import Output, dcc, html, no_update
from dash.development.base_component import Component

from bridge.core.user_state import UserState
from bridge.dashboard import words

_MANY = 12
"""Choices; among so many one may search."""

Children = Component | str | Sequence["Component | str"] | None


def _as_json(part: object) -> Any:
    """A component as Dash sends it; what cannot be sent is no business of ours."""
    return part.to_plotly_json() if isinstance(part, Component) else str(part)


def attributes(**named: str) -> dict[str, Any]:
    """Attributes such as `aria-label`, which are no names in Python: `aria_label="Pages"`."""
    return {name.replace("_", "-"): value for name, value in named.items()}


def heading(title: str, *beside: Component) -> html.Div:
    """The head of a page, with what belongs on its right."""
    return html.Div([html.H1(title), *beside], className="page-head")


def card(
    title: str, *content: Component, ident: str | None = None, is_hidden: bool = False
) -> html.Section:
    """A part of a page under a heading of its own."""
    name = title.lower().replace(" ", "-")
    return html.Section(
        [html.H2(title, id=f"h-{name}"), *content],
        id=ident or f"card-{name}",
        className="card",
        hidden=is_hidden,
        **attributes(aria_labelledby=f"h-{name}"),
    )


def badge(state: UserState) -> html.Span:
    """A state: colour, shape and word."""
    return html.Span(
        [html.Span(className="dot", **attributes(aria_hidden="true")), words.STATES[state]],
        className=f"badge state-{state}",
    )


def moment(time: datetime | None, shown: str | None = None) -> Component | str:
    """A time; the browser shows it in its own zone unless words are given."""
    if time is None:
        return words.UNKNOWN
    full = words.moment(time)
    kind = "ago" if shown else "local"
    return html.Time(
        shown or full,
        dateTime=time.isoformat(),
        title=full,
        className=kind,
    )


def notice(title: str, *said: Children, kind: str = "trouble") -> html.Div:
    """Something that a person should know: `trouble`, `hint` or `done`."""
    return html.Div(
        [html.Strong(title), *(html.P(it) for it in said if it)],
        className=f"notice {kind}",
        role="alert" if kind == "trouble" else "status",
    )


def empty(title: str, said: str, *ways: Component) -> html.Div:
    """Stands where there is nothing to show yet, with ways to go on."""
    return html.Div(
        [html.P(title, className="empty-title"), html.P(said), html.Div(ways, className="ways")],
        className="empty",
    )


def way(text: str, address: str, *, is_main: bool = False) -> dcc.Link:
    """A link that looks like a button."""
    return dcc.Link(text, href=address, className="button main" if is_main else "button")


def pairs(facts: Sequence[tuple[str, str]], *, is_code: bool = False) -> html.Dl:
    """Titles and what belongs to them."""
    shown = [
        part
        for title, value in facts
        for part in (html.Dt(title), html.Dd(html.Code(value) if is_code else value))
    ]
    return html.Dl(shown, className="pairs")


def board_away(error: Exception) -> html.Div:
    """Stands for whatever the board would have told."""
    return notice(
        "The board cannot be read",
        "Nothing is known of the jobs for now. They go on all the same, and this page looks again "
        "by itself.",
        html.Span(str(error), className="fine"),
    )


def paused(interval: str) -> list[tuple[Output, bool, bool]]:
    """For `running` of a callback: its interval waits for the answer, however long that takes.

    Else Dash would ask again meanwhile, and take no answer but the last one's.
    """
    return [(Output(interval, "disabled"), True, False)]


def field(title: str, ident: str, control: Component) -> html.Div:
    """A control of a form, of which `ident` is the id, with its label."""
    name = f"l-{ident}"
    return html.Div(
        [html.Label(title, htmlFor=ident, id=name), control],
        className="field",
        role="group",
        **attributes(aria_labelledby=name),
    )


def choice(ident: str, options: Mapping[str, str], chosen: str) -> dcc.Dropdown:
    """One of several; what is chosen but is not among them is still shown."""
    shown = options if chosen in options else {**options, chosen: chosen}
    return dcc.Dropdown(
        id=ident,
        options=[{"label": title, "value": value} for value, title in shown.items()],
        value=chosen,
        clearable=False,
        searchable=len(shown) > _MANY,
    )


def unless_seen(shown: Sequence[Any], seen: str | None) -> tuple[Any, ...]:
    """What is to be shown and its digest; nothing at all where it is `seen` already.

    What has not changed is not drawn anew: whoever reads there, or has the focus, is left in peace.
    """
    text = json.dumps(shown, default=_as_json, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return (no_update,) * (len(shown) + 1) if digest == seen else (*shown, digest)
