"""The Dash application: its frame, its pages and its headers."""

from collections.abc import Mapping
from typing import Any

import dash
from dash import Dash, dcc, html
from dash.development.base_component import Component
from flask import Flask, Response, abort, request

from bridge.dashboard.desk import Desk
from bridge.dashboard.files import register_files
from bridge.dashboard.pages import job, jobs, sites, submit
from bridge.dashboard.parts import (
    attributes,
    empty,
    heading,
    way,
)
from bridge.dashboard.query import JobsQuery

NAVIGATION = {"/": "Jobs", "/submit": "Submit", "/sites": "Sites"}
CONTENT_POLICY = (
    # All that a page needs comes from here. Plotly and Dash set styles of their own.
    "default-src 'self'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "object-src 'none'"
)
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


def make_app(desk: Desk, *, host_names: frozenset[str] = LOCAL_NAMES) -> Dash:
    """The application; one a process. It answers to these host names only.

    Without that, any page that somebody has open could have its own name lead here (DNS
    rebinding), and send jobs.
    """
    app = Dash(
        __name__,
        use_pages=True,
        pages_folder="",
        title="hpc-batch-bridge",
        update_title="",
        suppress_callback_exceptions=True,
        # The page says the time zone, the language and nothing of its own.
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        include_pages_meta=False,
    )
    _pages(desk)
    for page in (jobs, job, submit, sites):
        page.register(app, desk)
    app.layout = _frame()
    app.index_string = INDEX
    _guard(app, host_names)
    register_files(app.server, desk)
    return app


def _pages(desk: Desk) -> None:
    dash.register_page(
        "jobs",
        path="/",
        title="Jobs",
        layout=lambda **asked: jobs.layout(desk, JobsQuery.read(asked)),
    )
    dash.register_page(
        "job",
        path_template="/jobs/<job_id>",
        title="Job",
        layout=lambda job_id="", **asked: job.layout(job_id, _word(asked, "sent_to")),
    )
    dash.register_page(
        "submit",
        path="/submit",
        title="Submit a job",
        layout=lambda **asked: submit.layout(
            desk, example=_word(asked, "example"), again=_word(asked, "again")
        ),
    )
    dash.register_page("sites", path="/sites", title="Sites", layout=lambda **_: sites.layout())
    dash.register_page(
        "not_found_404", path="/not-found", title="Not found", layout=lambda **_: _not_found()
    )


def _word(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    return value if isinstance(value, str) else ""


def _frame() -> Component:
    links = [dcc.Link(title, href=path, className="nav") for path, title in NAVIGATION.items()]
    return html.Div(
        [
            html.A("Skip to the page", href="#page", className="skip"),
            html.Header(
                html.Div(
                    [
                        dcc.Link("hpc-batch-bridge", href="/", className="brand"),
                        html.Nav(links, **attributes(aria_label="Pages")),
                    ],
                    className="inner",
                )
            ),
            html.Main(dash.page_container, id="page", tabIndex="-1", className="inner"),
        ]
    )


def _not_found() -> Component:
    return html.Div(
        [
            heading("There is no such page"),
            empty(
                "Nothing is at this address",
                "It may have been typed or copied wrongly.",
                way("Show all jobs", "/", is_main=True),
            ),
        ]
    )


def _guard(app: Dash, host_names: frozenset[str]) -> None:
    """What every answer says, and who is answered at all."""
    server: Flask = app.server

    @server.before_request
    def refuse_other_names() -> None:
        if _host_name(request.host) not in host_names | LOCAL_NAMES:
            abort(421, "This dashboard is not known by that name; see --host-name.")

    @server.after_request
    def say(response: Response) -> Response:
        # Dash knows its own scripts only once it has been asked for a page.
        scripts = " ".join(app.csp_hashes()) if response.mimetype == "text/html" else ""
        response.headers["Content-Security-Policy"] = CONTENT_POLICY.format(scripts=scripts)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        return response


def _host_name(host: str) -> str:
    """The name in a `Host` header, without the port (RFC 9110, 7.2)."""
    return host[: host.rindex("]") + 1] if "]" in host else host.partition(":")[0]


INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <meta name="color-scheme" content="light dark">
    <title>{%title%}</title>
    {%favicon%}
    {%css%}
  </head>
  <body>
    {%app_entry%}
    <noscript>This page needs JavaScript.</noscript>
    <p id="away" role="alert">The dashboard does not answer. What is shown may be old.</p>
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>
"""
