"""`hpc-bridge cancel`: end a job."""

import json
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
@click.option("--json", "as_json", is_flag=True, help="Say what was asked as a JSON object.")
def cancel(
    site: str, job: UUID, broker_url: str | None, patience: timedelta, *, as_json: bool
) -> None:
    """Ask a site to end the job with this id, whether it waits or runs.

    SITE is a site's YAML, or a site's name with --broker. The job's events tell what came of it;
    asking twice is harmless.
    """
    from bridge.cli.logs import configure_logging
    from bridge.client import Submitter

    configure_logging(as_json=False, level="warning")
    with exits.user_errors():
        broker, name = broker_and_site(site, broker_url)
        with Submitter(broker, patience=patience) as submitter:
            submitter.cancel(name or site, str(job))
    if as_json:
        click.echo(json.dumps({"site": name or site, "job_id": str(job)}))
