"""`hpc-bridge cancel`: end a job."""

import uuid

import click

from bridge.cli import exits
from bridge.cli.options import broker_and_site, broker_option


@click.command(epilog=exits.TABLE)
@click.argument("site", metavar="SITE")
@click.argument("job", metavar="JOB", type=click.UUID)
@broker_option
def cancel(site: str, job: uuid.UUID, broker_url: str | None) -> None:
    """Ask a site to end the job with this id, whether it waits or runs.

    SITE is a site's YAML, or a site's name with --broker. The job's events tell what came of it;
    asking twice is harmless.
    """
    from bridge.client import Submitter

    with exits.user_errors():
        broker, name = broker_and_site(site, broker_url)
        with Submitter(broker) as submitter:
            submitter.cancel(name or site, str(job))
