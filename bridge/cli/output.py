"""`hpc-bridge logs`: what a job writes."""

import base64
import json
import sys
from datetime import timedelta
from functools import partial
from uuid import UUID

import click

from bridge.cli import exits
from bridge.cli.finding import broker_and_site_of, site_and_job_argument
from bridge.cli.options import broker_option, patience_option


@click.command(epilog=exits.TABLE)
@site_and_job_argument
@broker_option
@patience_option
@click.option("-f", "--follow", is_flag=True, help="Go on while the job writes, up to its end.")
@click.option(
    "--stream",
    type=click.Choice(["stdout", "stderr", "progress"]),
    help="Only this one; without, stdout goes to standard output and stderr to standard error.",
)
@click.option("--start", type=click.IntRange(min=0), default=0, help="From this byte on.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a line: stream, start, and data in Base64.",
)
def logs(
    *,
    site_and_job: tuple[str | None, UUID],
    broker_url: str | None,
    patience: timedelta,
    stream: str | None,
    start: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Show what a job has written, byte for byte.

    SITE is a site's YAML, or a site's name with --broker; without, the bridges that are there are
    asked whose job it is. The site's bridge must be there.
    """
    from bridge.cli.logs import configure_logging
    from bridge.client import Asker, LogFollower
    from bridge.core.follow import STREAMS

    if follow and stream == "progress":
        raise click.UsageError("Progress is told by events: `watch` follows it.")
    configure_logging(as_json=False, level="warning")
    with exits.user_errors():
        site, job = site_and_job
        broker, name = broker_and_site_of(site, job, broker_url, patience)
        wanted = STREAMS if stream is None else (stream,)
        write = _tell if as_json else partial(_write, only=stream)
        if not follow:
            with Asker(broker, patience=patience) as asker:
                for it in wanted:
                    found = asker.logs(name, str(job), it, start=start)
                    write(it, found.start, found.data)
            return
        begin = dict.fromkeys(STREAMS, start)
        with LogFollower(broker, name, str(job), start=begin, patience=patience) as follower:
            try:
                for chunk in follower.chunks():
                    if chunk.stream in wanted:
                        write(chunk.stream, chunk.start, chunk.data)
            except KeyboardInterrupt:
                sys.exit(exits.OK)


def _tell(source: str, start: int, data: bytes) -> None:
    told = {"stream": source, "start": start, "data": base64.b64encode(data).decode()}
    click.echo(json.dumps(told))


def _write(source: str, start: int, data: bytes, *, only: str | None) -> None:
    del start  # the bytes alone are written
    target = sys.stderr if source == "stderr" and only is None else sys.stdout
    target.buffer.write(data)
    target.buffer.flush()
