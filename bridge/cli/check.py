"""`hpc-bridge check`: is this site's YAML right?"""

import json
import os
from dataclasses import asdict
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
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def check(site_file: Path, *, live: bool, as_json: bool) -> None:
    """Check a site's YAML: every mistake, with its line and field.

    Scripts are written for each profile, each choice and a job that uses everything, and bash reads
    them: mistakes in the site's own templates and in `setup` are told with their lines.

    With --live, also walk the way of a job: broker, journal, login, folders, runtime, images,
    Slurm's commands, accounting, partitions, accounts, QOS, constraints and `sbatch --test-only`.
    One line each: OK, NOTE (worth knowing), SKIPPED (not known) or WRONG, with the remedy. Nothing
    is submitted and nothing is left behind.
    """
    from bridge.script_check import check_scripts
    from bridge.sites import load_site, setup_line

    with exits.user_errors():
        settings = load_site(site_file, os.environ)
        scripts = check_scripts(settings, lambda it: setup_line(site_file, os.environ, it))
    site = settings.site
    defaults = site.defaults
    chosen = {
        "partition": defaults.partition,
        "qos": defaults.qos,
        "account": defaults.account,
        "constraint": defaults.constraint,
    }
    facts = {
        "site": site.name,
        "broker": f"{settings.broker.host}:{settings.broker.port}",
        "runtime": str(site.containers.runtime),
        "work root": site.work_root,
        "journal": settings.journal.path,
        "profiles": ", ".join(it.name for it in site.profiles),
        "defaults": ", ".join(f"{k} {v}" for k, v in chosen.items() if v) or "Slurm",
        "scripts": f"{scripts} were tried, and bash can read them"
        if scripts is not None
        else "there is no bash here: not tried",
    }
    if as_json:
        click.echo(json.dumps({name.replace(" ", "_"): value for name, value in facts.items()}))
    else:
        click.echo(f"{site_file} is right.")
        for name, value in facts.items():
            if value:
                click.echo(f"  {name:<12}{value}")
    if live and not _is_ready(settings, as_json=as_json):
        raise SystemExit(exits.NOT_READY)


def _is_ready(settings: "SiteSettings", *, as_json: bool) -> bool:
    """Print what a look at the site finds; whether nothing of it is wrong."""
    from bridge.cli.logs import configure_logging
    from bridge.core.finding import Grade
    from bridge.live_check import look

    # What adapters log of their failures is in the findings.
    configure_logging(as_json=False, level="critical")
    is_ready = True
    for found in look(settings):
        is_ready = is_ready and found.grade is not Grade.WRONG
        if as_json:
            click.echo(json.dumps(asdict(found)))
            continue
        colour = {Grade.OK: "green", Grade.WRONG: "red"}.get(found.grade, "yellow")
        remedy = f"; remedy: {found.remedy}" if found.remedy else ""
        words = " ".join(f"{found.subject}: {found.words}{remedy}".split())
        click.echo(f"{click.style(f'{found.grade:<8}', fg=colour)}{words}")
    return is_ready
