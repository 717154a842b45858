"""`hpc-bridge run`: the daemon."""

import os
import sys
import threading
from pathlib import Path
from typing import NoReturn

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
    try:
        with exits.user_errors():
            settings = load_site(site_file, os.environ)
            with open_daemon(settings) as daemon:
                is_clean = daemon.run()
    except click.ClickException as failure:
        failure.show()
        _leave(failure.exit_code)
    _leave(exits.OK if is_clean else exits.STOPPED_LATE)


def _leave(exit_code: int) -> NoReturn:
    """End now, also where a thread still waits for a command of Slurm: Python would wait for it."""
    others = (it for it in threading.enumerate() if it is not threading.main_thread())
    if any(not it.daemon for it in others):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    sys.exit(exit_code)
