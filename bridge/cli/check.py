"""`hpc-bridge check`: is this site's YAML right?"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli import exits

if TYPE_CHECKING:
    from bridge.core.settings import SiteSettings


@click.command(epilog=exits.TABLE)
@click.argument("site_file", metavar="SITE.yaml", type=click.Path(path_type=Path))
@click.option(
    "--live",
    is_flag=True,
    help="Look also whether all that it names is there and can be used.",
)
def check(site_file: Path, *, live: bool) -> None:
    """Check a site's YAML: every mistake, with its line and field.

    With --live, also walk the way of a job: broker, journal, login, folders, runtime, images,
    Slurm's commands, accounting, partitions, accounts, QOS, constraints and `sbatch --test-only`.
    One line each: OK, NOTE (worth knowing), SKIPPED (not known) or WRONG, with the remedy. Nothing
    is submitted and nothing is left behind.
    """
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
    if live and not _is_ready(settings):
        raise SystemExit(exits.NOT_READY)


def _is_ready(settings: "SiteSettings") -> bool:
    """Print what a look at the site finds; whether nothing of it is wrong."""
    from bridge.cli.logs import configure_logging
    from bridge.core.finding import Grade
    from bridge.live_check import look

    # What adapters log of their failures is in the findings.
    configure_logging(as_json=False, level="critical")
    is_ready = True
    for found in look(settings):
        colour = {Grade.OK: "green", Grade.WRONG: "red"}.get(found.grade, "yellow")
        remedy = f"; remedy: {found.remedy}" if found.remedy else ""
        words = " ".join(f"{found.subject}: {found.words}{remedy}".split())
        click.echo(f"{click.style(f'{found.grade:<8}', fg=colour)}{words}")
        is_ready = is_ready and found.grade is not Grade.WRONG
    return is_ready
