"""`hpc-bridge journal`: look into the journal, and make a lost one anew."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli import exits

if TYPE_CHECKING:
    from bridge.adapters.sqlite_journal import Inspection
    from bridge.core.audit import History, RecordedEvent
    from bridge.core.job import JobId
    from bridge.core.settings import SiteSettings

VIOLATED = 1
_EPILOG = f"""\b
Exit codes:
  {exits.OK}  all went well
  {VIOLATED}  `verify` has found something wrong
  {exits.USAGE}  the command line is wrong
  {exits.BAD_FILE}  the site's YAML is wrong; there is no journal or no such job, or, for `rebuild`,
     there is a journal
  {exits.UNAVAILABLE}  the disk fails, Slurm does not answer, or the daemon keeps the journal to
     itself
"""

_site_argument = click.argument("site_file", metavar="SITE.yaml", type=click.Path(path_type=Path))


@click.group(epilog=_EPILOG)
def journal() -> None:
    """Look into a site's journal, check it, or make a lost one anew.

    Beside a running daemon, which is not disturbed; only on a network file system the daemon keeps
    the journal to itself while it runs.
    """


@journal.command(epilog=_EPILOG)
@_site_argument
@click.argument("job_id", metavar="[JOB]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
def show(site_file: Path, job_id: str | None, *, as_json: bool) -> None:
    """Show how many jobs there are in which phase, or all that is known of one job."""
    from bridge.cli.documents import id_to_follow
    from bridge.core.job import JobId

    with _inspected(site_file) as (settings, inspection):
        if job_id is None:
            lines = _summary(settings, inspection, as_json=as_json)
        else:
            lines = _story(inspection, JobId(id_to_follow(job_id)), as_json=as_json)
        for line in lines:
            click.echo(line)


@journal.command(epilog=_EPILOG)
@_site_argument
def export(site_file: Path) -> None:
    """Print everything in the journal as JSON, one object a line."""
    from datetime import UTC, datetime

    from bridge.wire import export as wire

    with _inspected(site_file) as (settings, inspection):
        now = datetime.now(UTC)
        version = inspection.version
        _print(wire.head(site=settings.site.name, schema_version=version, at=now))
        for history in inspection.histories():
            if isinstance(history, str):
                click.echo(f"left out: {history}", err=True)
                continue
            for line in wire.lines_of(history):
                _print(line)
        for notice in inspection.notices():
            if isinstance(notice, str):
                click.echo(f"left out: {notice}", err=True)
            else:
                _print(wire.line_of_event(notice, None))
        for cancel in inspection.cancels():
            _print(wire.line_of_cancel(cancel))


@journal.command(epilog=_EPILOG)
@_site_argument
def verify(site_file: Path) -> None:
    """Check the file and every job in it; print all that cannot be so."""
    from bridge.flows.verify import verify as verify_journal

    with _inspected(site_file) as (_, inspection):
        count = 0
        for count, words in enumerate(verify_journal(inspection), start=1):  # noqa: B007
            click.echo(words)
    if count:
        sys.exit(VIOLATED)
    click.echo(f"{inspection.path}: nothing is wrong.")


@journal.command(epilog=_EPILOG)
@_site_argument
def rebuild(site_file: Path) -> None:
    """Make a lost journal anew, from Slurm and the jobs' folders.

    To be done while no daemon runs. No event is told by that; jobs that are not over go on when the
    daemon is started, and their events' numbers continue much higher than before. Not restored are
    jobs that were accepted and never submitted: they have no folder. Nor are wishes to cancel.
    """
    from bridge.cli.logs import configure_logging
    from bridge.sites import load_site
    from bridge.wiring import rebuild_journal

    configure_logging(as_json=False, level="warning")
    with exits.user_errors():
        settings = load_site(site_file, os.environ)
        findings = rebuild_journal(settings)
    for job_id, why in findings.skipped:
        click.echo(f"skipped {job_id}: {why}")
    click.echo(f"{settings.journal.path}: {len(findings.restored)} jobs restored")
    for phase, count in sorted(findings.phases.items()):
        click.echo(f"  {phase:<11} {count}")
    if findings.skipped:
        click.echo(f"  skipped     {len(findings.skipped)}")


@contextmanager
def _inspected(site_file: Path) -> "Iterator[tuple[SiteSettings, Inspection]]":
    from bridge.adapters.sqlite_journal import inspect_journal
    from bridge.sites import load_site

    with exits.user_errors():
        settings = load_site(site_file, os.environ)
        with inspect_journal(settings.journal) as inspection:
            yield settings, inspection


def _print(line: dict[str, object]) -> None:
    from bridge.wire.export import as_text

    click.echo(as_text(line))


def _summary(settings: "SiteSettings", inspection: "Inspection", *, as_json: bool) -> Iterator[str]:
    from bridge.wire.export import as_text

    phases = inspection.phases()
    unsent, oldest = inspection.unsent()
    if as_json:
        yield as_text(
            {
                "site": settings.site.name,
                "journal": str(inspection.path),
                "schema_version": inspection.version,
                "jobs": {str(phase): count for phase, count in phases.items()},
                "unsent_events": unsent,
                "oldest_unsent_at": oldest.isoformat() if oldest else None,
            }
        )
        return
    yield f"journal        {inspection.path} (schema {inspection.version})"
    for phase, count in phases.items():
        yield f"{phase:<14} {count}"
    waiting = f", the oldest since {oldest.isoformat()}" if oldest else ""
    yield f"unsent events  {unsent}{waiting}"


def _story(inspection: "Inspection", job_id: "JobId", *, as_json: bool) -> Iterator[str]:
    from bridge.core.errors import InvalidRequestError, Problem
    from bridge.wire import export as wire

    history, cancel = inspection.history(job_id), inspection.cancel(job_id)
    if history is None and cancel is None:
        what = f"the journal knows no job {job_id}"
        raise InvalidRequestError(Problem(where="JOB", what=what))
    if isinstance(history, str):
        raise InvalidRequestError(Problem(where="JOB", what=history))
    if as_json:
        if history is not None:
            yield from map(wire.as_text, wire.lines_of(history))
        if cancel is not None:
            yield wire.as_text(wire.line_of_cancel(cancel))
        return
    if history is not None:
        yield from _told(history)
    if cancel is not None:
        known = "" if history else ", of a job that has not come yet"
        yield f"cancel asked for at {cancel.requested_at.isoformat()}{known}"


def _told(history: "History") -> Iterator[str]:
    from bridge.wire.export import lines_of

    job, *_ = lines_of(history)
    for name, value in job.items():
        if value is not None and name != "type":
            yield f"{name:<20} {_shown(value)}"
    for event in history.events:
        yield _event(event)


def _event(event: "RecordedEvent") -> str:
    from bridge.cli.terminal import line
    from bridge.core.errors import InvalidRequestError
    from bridge.wire.event import decode

    sent = "sent" if event.sent_at else "NOT SENT YET"
    try:
        told = line(decode(event.body))
    except InvalidRequestError:
        told = f"{_shown(event.event_id)}: its body is no status event"
    return f"{told}  ({sent})"


def _shown(value: object) -> str:
    """The value with nothing in it that a terminal would obey."""
    text = str(value).strip()
    return text if text.isprintable() else ascii(text)
