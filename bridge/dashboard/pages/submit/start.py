"""What the form begins with: nothing, an example, or a job that is to run again."""

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from bridge.core.errors import UnavailableError
from bridge.dashboard.desk import Desk
from bridge.dashboard.examples import TRAINED, Example
from bridge.dashboard.form import write_form
from bridge.dashboard.parts import attributes, choice, field, notice


def start_of(desk: Desk, *, example: str, again: str) -> Example:
    """What the form begins with."""
    if again:
        job = desk.board.job(again)
        if job is None:
            raise UnavailableError(f"nobody has heard of a job {again} here")
        return Example(title=job.name, job=desk.request(job), site=job.site)
    if example.isdecimal() and int(example) < len(desk.examples):
        return desk.examples[int(example)]
    return Example(title="")


def trainings_choice(desk: Desk, start: Example) -> Component | None:
    """A choice of what was trained, for an example that wants it."""
    mounts = write_form(start.job)["mounts"]
    if TRAINED not in mounts:
        return None
    folders = desk.trained()
    if not folders:
        return notice(
            "Nothing has been trained yet",
            "This example takes the model of a training. Run the training first, and come back.",
            kind="hint",
        )
    newest = next(iter(folders))
    control = field("Model of", "submit-trained", choice("submit-trained", folders, newest))
    return html.Div([control, dcc.Store(id="submit-mounts", data=mounts)])


def example_links(examples: Sequence[Example], *, chosen: str, again: str) -> Component | None:
    """The ways to begin with something else; None: there are no examples."""
    if not examples:
        return None
    ways = [
        _example(
            it.title, f"/submit?example={number}", is_chosen=not again and chosen == str(number)
        )
        for number, it in enumerate(examples)
    ]
    ways.append(_example("Nothing", "/submit", is_chosen=not again and not chosen))
    return html.Nav(
        [html.Span("Start from", className="fine"), *ways],
        className="chips",
        **attributes(aria_label="What the form begins with"),
    )


def _example(title: str, address: str, *, is_chosen: bool) -> Component:
    # Dash knows no aria-current on its own links: the class says it to the eye.
    return dcc.Link(title, href=address, className="chip chosen" if is_chosen else "chip")
