"""`hpc-bridge cancel`: end a job."""

import json
from datetime import timedelta
from uuid import UUID

import click

from bridge.cli import exits
from bridge.cli.finding import broker_and_site_of, site_and_job_argument
from bridge.cli.options import broker_option, patience_option


@click.command(epilog=exits.TABLE)
@site_and_job_argument
@broker_option
@patience_option
@click.option("--json", "as_json", is_flag=True, help="Say what was asked as a JSON object.")
def cancel(
    site_and_job: tuple[str | None, UUID],
    broker_url: str | None,
    patience: timedelta,
    *,
    as_json: bool,
) -> None:
    """Ask a site to end the job with this id, whether it waits or runs.

    SITE is a site's YAML, or a site's name with --broker; without, the bridges that are there are
    asked whose job it is. The job's events tell what came of it; asking twice is harmless.
    """
    from bridge.cli.logs import configure_logging
    from bridge.client import Submitter

    configure_logging(as_json=False, level="warning")
    with exits.user_errors():
        site, job = site_and_job
        broker, name = broker_and_site_of(site, job, broker_url, patience)
        with Submitter(broker, patience=patience) as submitter:
            submitter.cancel(name, str(job))
    if as_json:
        click.echo(json.dumps({"site": name, "job_id": str(job)}))
