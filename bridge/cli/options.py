"""Which broker and which site a command speaks to."""

import os
from datetime import timedelta
from pathlib import Path

import click

from bridge.core.errors import ConfigurationError
from bridge.core.settings import BrokerSettings

BROKER_VARIABLE = "HPC_BRIDGE_BROKER_URL"

broker_option = click.option(
    "--broker",
    "broker_url",
    metavar="URL",
    envvar=BROKER_VARIABLE,
    help="amqp[s]://user:password@host[:port]/virtual-host; not needed with a site's YAML. "
    f"Better kept in {BROKER_VARIABLE} than on a command line, which others can see.",
)

patience_option = click.option(
    "--patience",
    metavar="SECONDS",
    type=click.FloatRange(min=0, max=3600),
    default=10,
    show_default=True,
    callback=lambda _context, _option, seconds: timedelta(seconds=seconds),
    help="How long to wait for the broker.",
)


def broker_and_site(site: str | None, broker_url: str | None) -> tuple[BrokerSettings, str | None]:
    """The broker and the site's name; `site` is a name or a site's YAML, which names the broker.

    Raises ConfigurationError and click.UsageError.
    """
    from bridge.client import broker_at
    from bridge.sites import load_site

    if site is not None and (site.endswith((".yaml", ".yml")) or os.sep in site):
        settings = load_site(Path(site), os.environ)
        return settings.broker, settings.site.name
    if broker_url is None:
        raise click.UsageError(
            f"Which broker? Give the site's YAML, or its name with --broker or {BROKER_VARIABLE}."
        )
    try:
        return broker_at(broker_url), site
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
