"""Which broker and which site a command speaks to."""

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.core.errors import ConfigurationError
from bridge.core.job import JobKind
from bridge.core.settings import DEFAULT_NAMESPACE, BrokerSettings

if TYPE_CHECKING:
    from bridge.core.settings import SiteSettings

BROKER_VARIABLE = "HPC_BRIDGE_BROKER_URL"
NAMESPACE_VARIABLE = "HPC_BRIDGE_NAMESPACE"

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

DAYS = click.FloatRange(min=0, min_open=True, max=3650)
"""Of the past; AMQP 0-9-1 has no time before 1970 (4.2.5.4, Timestamps)."""

user_option = click.option(
    "--user", "users", metavar="USER", multiple=True, help="Only this user's jobs; likewise."
)
kind_option = click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([it.value for it in JobKind]),
    help="Only jobs of this kind; may be given several times.",
)
label_option = click.option(
    "--label",
    "labels",
    metavar="KEY=VALUE",
    multiple=True,
    callback=lambda _context, _option, words: labels_of(words),
    help="Only jobs with this label; each that is given must be there.",
)
text_option = click.option(
    "--text", default="", help="Only jobs with this in their name, id or image."
)


def labels_of(words: Iterable[str]) -> Mapping[str, str]:
    """Labels as they are written on a command line. Raises click.BadParameter."""
    pairs = [it.partition("=") for it in words]
    if any(not (key and equals) for key, equals, _ in pairs):
        raise click.BadParameter("a label is given as KEY=VALUE")
    return {key: value for key, _, value in pairs}


def broker_and_site(site: str | None, broker_url: str | None) -> tuple[BrokerSettings, str | None]:
    """The broker and the site's name; `site` is a name or a site's YAML, which names the broker.

    Raises ConfigurationError and click.UsageError.
    """
    from bridge.client import broker_at

    settings = None if site is None else described_site(site)
    if settings is not None:
        return settings.broker, settings.site.name
    if broker_url is None:
        raise click.UsageError(
            f"Which broker? Give the site's YAML, or its name with --broker or {BROKER_VARIABLE}."
        )
    namespace = os.environ.get(NAMESPACE_VARIABLE) or DEFAULT_NAMESPACE
    try:
        return broker_at(broker_url, namespace=namespace), site
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error


def described_site(site: str) -> "SiteSettings | None":
    """What a site's YAML describes; None where this is a site's name. Raises ConfigurationError."""
    from bridge.sites import load_site

    is_file = site.endswith((".yaml", ".yml")) or os.sep in site
    return load_site(Path(site), os.environ) if is_file else None
