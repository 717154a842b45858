"""`hpc-bridge check`: is this site's YAML right?"""

import json
import os
from pathlib import Path

import click

from bridge.cli import exits


def _print_schema(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001
    if not wanted or context.resilient_parsing:
        return
    from bridge.sites import site_schema

    click.echo(json.dumps(site_schema(), indent=2))
    context.exit()


@click.command(epilog=exits.TABLE)
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON schema of such a file, for editors, and exit.",
)
@click.argument("site_file", metavar="SITE.yaml", type=click.Path(path_type=Path))
def check(site_file: Path) -> None:
    """Check a site's YAML: every mistake, with its line and field."""
    from bridge.sites import load_site

    with exits.user_errors():
        settings = load_site(site_file, os.environ)
    site = settings.site
    defaults = site.defaults
    chosen = {
        "partition": defaults.partition,
        "qos": defaults.qos,
        "account": defaults.account,
        "constraint": defaults.constraint,
    }
    click.echo(f"{site_file} is right.")
    click.echo(f"  site        {site.name}")
    click.echo(f"  broker      {settings.broker.host}:{settings.broker.port}")
    click.echo(f"  runtime     {site.containers.runtime}")
    click.echo(f"  work root   {site.work_root}")
    click.echo(f"  journal     {settings.journal.path}")
    if site.profiles:
        click.echo(f"  profiles    {', '.join(it.name for it in site.profiles)}")
    click.echo(f"  defaults    {', '.join(f'{k} {v}' for k, v in chosen.items() if v) or 'Slurm'}")
