"""`hpc-bridge watch`: status events as they come."""

import sys
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import click

from bridge.cli import exits
from bridge.cli.options import broker_and_site, broker_option, patience_option

_LINE_ABOVE = "\x1b[1A\x1b[2K"
"""What a terminal writes next takes the place of the line before (ECMA-48: CUU, EL)."""

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.wire.event import CloudEvent


@click.command(epilog=exits.TABLE)
@click.argument("job", metavar="[JOB]", required=False, type=click.UUID)
@broker_option
@patience_option
@click.option("--site", metavar="SITE", help="A site's YAML, or the name of the only site to show.")
@click.option("--json", "as_json", is_flag=True, help="One JSON event a line.")
def watch(
    job: UUID | None,
    broker_url: str | None,
    patience: timedelta,
    site: str | None,
    *,
    as_json: bool,
) -> None:
    """Show status events from now on; with a job's id only its own, up to its last one.

    Ends with Ctrl-C, or with the job.
    """
    from bridge.cli.logs import configure_logging
    from bridge.client import Follower

    configure_logging(as_json=False, level="warning")
    with exits.user_errors():
        broker, name = broker_and_site(site, broker_url)
        with Follower(broker, site=name) as follower:
            follower.wait_until_listening(patience)
            click.echo("listening", err=True)
            events = follower.events() if job is None else follower.job(str(job))
            try:
                sys.exit(show_until_over(events, as_json=as_json))
            except KeyboardInterrupt:
                sys.exit(exits.OK)


def show_until_over(events: "Iterable[CloudEvent]", *, as_json: bool) -> int:
    """Print events as they come; the exit code that the last one stands for."""
    from bridge.cli.terminal import colour, line
    from bridge.core.lifecycle import EventKind

    last, before = None, None
    for event in events:
        progress = event.data.job_id if event.data.event is EventKind.PROGRESS else None
        if as_json:
            click.echo(event.model_dump_json())
        else:
            is_redrawn = progress is not None and progress == before and sys.stdout.isatty()
            click.secho(
                (_LINE_ABOVE if is_redrawn else "") + line(event), fg=colour(event.data.event)
            )
        last, before = event.data.event, progress
    return exits.OK if last is EventKind.FINISHED else exits.JOB_DID_NOT_FINISH
