"""`hpc-bridge logs`: what a job writes."""

import sys
from datetime import timedelta
from uuid import UUID

import click

from bridge.cli import exits
from bridge.cli.options import broker_and_site, broker_option, patience_option


@click.command(epilog=exits.TABLE)
@click.argument("site", metavar="SITE")
@click.argument("job", metavar="JOB", type=click.UUID)
@broker_option
@patience_option
@click.option("-f", "--follow", is_flag=True, help="Go on while the job writes, up to its end.")
@click.option(
    "--stream",
    type=click.Choice(["stdout", "stderr", "progress"]),
    help="Only this one; without, stdout goes to standard output and stderr to standard error.",
)
@click.option("--start", type=click.IntRange(min=0), default=0, help="From this byte on.")
def logs(
    *,
    site: str,
    job: UUID,
    broker_url: str | None,
    patience: timedelta,
    stream: str | None,
    start: int,
    follow: bool,
) -> None:
    """Show what a job has written, byte for byte.

    SITE is a site's YAML, or a site's name with --broker. The site's bridge must be there.
    """
    from bridge.cli.logs import configure_logging
    from bridge.client import Asker, LogFollower
    from bridge.core.follow import STREAMS

    if follow and stream == "progress":
        raise click.UsageError("Progress is told by events: `watch` follows it.")
    configure_logging(as_json=False, level="warning")
    with exits.user_errors():
        broker, name = broker_and_site(site, broker_url)
        name = name or site
        wanted = STREAMS if stream is None else (stream,)
        if not follow:
            with Asker(broker, patience=patience) as asker:
                for it in wanted:
                    _write(it, asker.logs(name, str(job), it, start=start).data, stream)
            return
        begin = dict.fromkeys(STREAMS, start)
        with LogFollower(broker, name, str(job), start=begin, patience=patience) as follower:
            try:
                for chunk in follower.chunks():
                    if chunk.stream in wanted:
                        _write(chunk.stream, chunk.data, stream)
            except KeyboardInterrupt:
                sys.exit(exits.OK)


def _write(source: str, data: bytes, only: str | None) -> None:
    target = sys.stderr if source == "stderr" and only is None else sys.stdout
    target.buffer.write(data)
    target.buffer.flush()
