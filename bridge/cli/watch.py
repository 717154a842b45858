"""`hpc-bridge watch`: status events as they come."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import click

from bridge.cli import exits
from bridge.cli.options import (
    DAYS,
    broker_and_site,
    broker_option,
    kind_option,
    label_option,
    patience_option,
    text_option,
    user_option,
)

_LINE_ABOVE = "\x1b[1A\x1b[2K"
"""What a terminal writes next takes the place of the line before (ECMA-48: CUU, EL)."""

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.core.settings import BrokerSettings
    from bridge.wire.event import CloudEvent


def _time(_context: click.Context, _option: click.Parameter, value: float | None) -> object:
    return None if value is None else timedelta(seconds=value)


@click.command(epilog=exits.TABLE)
@click.argument("jobs", metavar="[JOB]...", nargs=-1, type=click.UUID)
@broker_option
@patience_option
@click.option("--site", metavar="SITE", help="A site's YAML, or the name of the only site to show.")
@click.option("--all", "every", is_flag=True, help="Of all sites; a YAML only says which broker.")
@kind_option
@user_option
@label_option
@text_option
@click.option(
    "--days",
    metavar="DAYS",
    type=DAYS,
    help="Begin with what the broker has kept of the last days.",
)
@click.option(
    "--quiet",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True, max=10**9),
    callback=_time,
    help="End when nothing was told for so long, of any job there.",
)
@click.option("--lines", is_flag=True, help="One line an event, on a terminal too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON event a line.")
def watch(
    jobs: Sequence[UUID],
    *,
    broker_url: str | None,
    patience: timedelta,
    site: str | None,
    every: bool,
    kinds: Sequence[str],
    users: Sequence[str],
    labels: Mapping[str, str],
    text: str,
    days: float | None,
    quiet: timedelta | None,
    lines: bool,
    as_json: bool,
) -> None:
    """Show status events from now on: of all jobs, of those that fit, or of those named.

    With jobs' ids it ends when the last of them is over, and exits with 0 when all have finished;
    else with Ctrl-C or --quiet. On a terminal, several jobs are one table, a row each.
    """
    from bridge.cli.logs import configure_logging
    from bridge.client.choice import Choice, Chooser
    from bridge.client.follow import of_jobs
    from bridge.client.kept import kept_events

    choice = Choice(kinds=kinds, users=users, labels=labels, text=text)
    if jobs and not choice.is_of_all:
        raise click.UsageError("Give the ids of jobs, or what they are to fit.")
    configure_logging(as_json=False, level="warning")
    with exits.user_errors():
        broker, name = broker_and_site(site, broker_url)
        if every:
            name = None
        chooser = Chooser(choice)
        wanted = [str(it) for it in jobs]
        with _told(broker, name, days, quiet, patience) as told:
            if not choice.is_of_all:
                for before in kept_events(broker, since=None, patience=patience):
                    chooser.learn(before)
            click.echo("listening", err=True)
            events = of_jobs(told, wanted) if wanted else chooser.chosen(told)
            as_table = sys.stdout.isatty() and len(wanted) != 1 and not (lines or as_json)
            try:
                sys.exit(show_until_over(events, jobs=wanted, as_json=as_json, as_table=as_table))
            except KeyboardInterrupt:
                sys.exit(exits.OK)


@contextmanager
def _told(
    broker: "BrokerSettings",
    site: str | None,
    days: float | None,
    quiet: timedelta | None,
    patience: timedelta,
) -> "Iterator[Iterator[CloudEvent]]":
    """The events from now on, or from so many days ago."""
    from bridge.client import Follower, Watching

    if days is None:
        with Follower(broker, site=site) as follower:
            follower.wait_until_listening(patience)
            yield follower.events(quiet=quiet)
        return
    since = datetime.now(UTC) - timedelta(days=days)
    with Watching(
        broker, job_id=None, site=site, since=since, quiet=quiet, patience=patience
    ) as events:
        yield events


def show_until_over(
    events: "Iterable[CloudEvent]",
    *,
    jobs: Collection[str],
    as_json: bool,
    as_table: bool = False,
) -> int:
    """Show events as they come; the exit code that the last ones of these jobs stand for."""
    from bridge.core.lifecycle import EventKind

    last = {}
    show = _as_json if as_json else _in_a_table() if as_table else _as_lines()
    for event in events:
        show(event)
        last[event.data.job_id] = event.data.event
    have_finished = all(last.get(it) is EventKind.FINISHED for it in jobs)
    return exits.OK if have_finished else exits.JOB_DID_NOT_FINISH


def _as_json(event: "CloudEvent") -> None:
    click.echo(event.model_dump_json())


def _in_a_table() -> "Callable[[CloudEvent], None]":
    from bridge.cli.live_table import LiveTable

    return LiveTable().show


def _as_lines() -> "Callable[[CloudEvent], None]":
    from bridge.cli.terminal import colour, line
    from bridge.core.lifecycle import EventKind

    before: str | None = None

    def show(event: "CloudEvent") -> None:
        nonlocal before
        progress = event.data.job_id if event.data.event is EventKind.PROGRESS else None
        is_redrawn = progress is not None and progress == before and sys.stdout.isatty()
        click.secho((_LINE_ABOVE if is_redrawn else "") + line(event), fg=colour(event.data.event))
        before = progress

    return show
