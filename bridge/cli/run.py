"""`hpc-bridge run`: the daemon."""

import os
import sys
from pathlib import Path

import click

from bridge.cli import exits


@click.command(epilog=exits.TABLE)
@click.argument("site_file", metavar="SITE.yaml", type=click.Path(path_type=Path))
@click.option("--log-json", is_flag=True, help="Log one JSON object a line.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
def run(site_file: Path, *, log_json: bool, log_level: str) -> None:
    """Serve a site until SIGTERM or SIGINT.

    Takes job messages from the broker, submits them to Slurm and publishes status events. State
    lies in the journal that the YAML names: a restart continues where the last run was.
    """
    from bridge.cli.logs import configure_logging
    from bridge.sites import load_site
    from bridge.wiring import open_daemon

    configure_logging(as_json=log_json, level=log_level)
    with exits.user_errors():
        settings = load_site(site_file, os.environ)
        with open_daemon(settings) as daemon:
            is_clean = daemon.run()
    if not is_clean:
        # A thread still waits for a command of Slurm; the interpreter would wait for the thread.
        sys.stderr.flush()
        os._exit(exits.STOPPED_LATE)
