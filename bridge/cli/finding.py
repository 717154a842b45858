"""Of which site a job is: the command line may leave that out."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import click

from bridge.cli.options import broker_and_site

if TYPE_CHECKING:
    from bridge.core.settings import BrokerSettings

site_and_job_argument = click.argument(
    "site_and_job",
    metavar="[SITE] JOB",
    nargs=-1,
    required=True,
    callback=lambda _context, _argument, words: site_and_job(words),
)


def site_and_job(words: Sequence[str]) -> tuple[str | None, UUID]:
    """The site, where it is named, and the job. Raises click.BadParameter."""
    *sites, job = words
    if len(sites) > 1:
        raise click.BadParameter("one job is wanted, and before it its site or nothing")
    try:
        return (sites[0] if sites else None), UUID(job)
    except ValueError as error:
        raise click.BadParameter(f"{job!r} is not a job's id, which is a UUID") from error


def broker_and_site_of(
    site: str | None, job: UUID, broker_url: str | None, patience: timedelta
) -> "tuple[BrokerSettings, str]":
    """The broker, and the site that is named, or else the only one whose bridge knows the job.

    Raises click.UsageError where several do, NoAnswerError where none does, and what Asker does.
    """
    from bridge.client import Asker

    broker, name = broker_and_site(site, broker_url)
    if site is not None:
        return broker, name or site
    with Asker(broker, patience=patience) as asker:
        found = asker.sites_of(str(job))
    if len(found) > 1:
        raise click.UsageError(f"Several sites have the job {job}: name one of {', '.join(found)}.")
    return broker, found[0]
