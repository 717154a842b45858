"""Which broker and which site a command speaks to."""

import os
from pathlib import Path

import click

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
    return broker_at(broker_url), site
