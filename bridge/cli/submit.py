"""`hpc-bridge submit`: send a job to a site."""

import json
import sys
from datetime import timedelta
from pathlib import Path

import click

from bridge.cli import exits
from bridge.cli.options import broker_and_site, broker_option, described_site, patience_option


@click.command(epilog=exits.TABLE)
@click.argument("site", metavar="SITE")
@click.argument("job_file", metavar="JOB.json", type=click.Path(path_type=Path))
@broker_option
@patience_option
@click.option("--watch", "follow", is_flag=True, help="Follow the job's events up to its end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--unchecked", is_flag=True, help="Send the file as it is; the site says what is wrong with it."
)
def submit(
    site: str,
    job_file: Path,
    broker_url: str | None,
    patience: timedelta,
    *,
    follow: bool,
    as_json: bool,
    unchecked: bool,
) -> None:
    """Send the job in JOB.json (`-` for standard input) to a site.

    SITE is a site's YAML, or a site's name with --broker. A job without a `job_id` gets a fresh
    one. Prints the job's id as soon as the broker has the job safely; with --watch and --json, its
    events on standard output and its id on standard error.
    """
    from bridge.cli.documents import every_reason, id_to_follow, read_file
    from bridge.cli.logs import configure_logging
    from bridge.cli.watch import show_until_over
    from bridge.client import Follower, Submitter
    from bridge.client.completion import checked, complete
    from bridge.core.errors import InvalidRequestError

    configure_logging(as_json=False, level="warning")
    with exits.user_errors():
        broker, name = broker_and_site(site, broker_url)
        name = name or site
        body, job_id = complete(read_file(job_file))
        if not unchecked:
            try:
                job_id = checked(body, name)
            except InvalidRequestError as error:
                settings = described_site(site)
                raise every_reason(error, settings.site) if settings else error from None
        elif follow:
            job_id = id_to_follow(job_id)
        with Submitter(broker, patience=patience) as submitter:
            if not follow:
                submitter.submit(name, body, job_id=job_id)
                told = {"site": name, "job_id": job_id}
                click.echo(json.dumps(told) if as_json else job_id)
                return
            with Follower(broker, site=name) as follower:
                follower.wait_until_listening(patience)
                submitter.submit(name, body, job_id=job_id)
                click.echo(job_id, err=as_json)
                sys.exit(show_until_over(follower.job(job_id), jobs=[job_id], as_json=as_json))
