"""`hpc-bridge dashboard`: the reference front end."""

from pathlib import Path

import click

from bridge.cli import exits
from bridge.cli.options import broker_and_site, broker_option

_EXTRA = "it wants more packages: install hpc-batch-bridge[dashboard] (missing: {})"


@click.command(epilog=exits.TABLE)
@broker_option
@click.option("--site", metavar="SITE.yaml", help="A site's YAML: its broker is the one.")
@click.option(
    "--board",
    metavar="FILE",
    required=True,
    help="The SQLite file that holds what is shown, on a local disk; made when it is not there. "
    "Or an SQLAlchemy URL.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address it listens on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8050,
    show_default=True,
    help="The port it listens on; 0 takes a free one, and the log says which.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="How many processes answer; each has 8 threads.",
)
@click.option(
    "--host-name",
    "host_names",
    metavar="NAME",
    multiple=True,
    help="What it is called behind a proxy; it answers to no names but these and localhost.",
)
@click.option(
    "--examples",
    metavar="FILE.json",
    type=click.Path(path_type=Path),
    help="Jobs that the form may begin with: docs/dashboard.md.",
)
def dashboard(
    *,
    broker_url: str | None,
    site: str | None,
    board: str,
    host: str,
    port: int,
    workers: int,
    host_names: tuple[str, ...],
    examples: Path | None,
) -> None:
    """Serve pages that submit jobs and show what becomes of them, until it is ended.

    It asks nobody who they are: whoever reaches it may submit and stop jobs. Beyond this machine
    it belongs behind a proxy that does.
    """
    try:
        from bridge.dashboard.app import LOCAL_NAMES
        from bridge.dashboard.examples import read_examples
        from bridge.dashboard.serve import Serving, serve
    except ModuleNotFoundError as error:
        raise click.ClickException(_EXTRA.format(error.name)) from error
    from bridge.cli.logs import configure_logging

    configure_logging(as_json=False, level="warning")
    with exits.user_errors():
        broker, _ = broker_and_site(site, broker_url)
        serve(
            Serving(
                broker=broker,
                board=board,
                examples=read_examples(examples) if examples else (),
                host=host,
                port=port,
                workers=workers,
                host_names=LOCAL_NAMES | frozenset(host_names),
            )
        )
