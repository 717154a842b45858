"""`hpc-bridge sites`: which bridges are there."""

from datetime import timedelta

import click

from bridge.cli import exits
from bridge.cli.options import broker_and_site, broker_option, patience_option


@click.command(epilog=exits.TABLE)
@click.argument("site", metavar="[SITE.yaml]", required=False)
@broker_option
@patience_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def sites(site: str | None, broker_url: str | None, patience: timedelta, *, as_json: bool) -> None:
    """Show the sites whose bridges answer just now.

    SITE.yaml only says which broker; all of its sites are shown.
    """
    from bridge.cli.logs import configure_logging
    from bridge.cli.table import Cell, table, time_of_day
    from bridge.client import Asker

    configure_logging(as_json=False, level="warning")
    with exits.user_errors():
        broker, _ = broker_and_site(site, broker_url)
        with Asker(broker, patience=patience) as asker:
            found = asker.sites()
    if as_json:
        for it in found:
            click.echo(it.model_dump_json())
        return
    rows = [
        (
            it.site,
            Cell("reached", "green") if it.is_reached else Cell("silent", "red"),
            str(it.waiting),
            str(it.live),
            time_of_day(it.running_since),
            it.bridge_version,
        )
        for it in found
    ]
    headings = ("site", "scheduler", "waiting", "live", "running since", "version")
    for line in table(headings, rows):
        click.echo(line)
