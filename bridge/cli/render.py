"""`hpc-bridge render`: the script that a job would get."""

import os
from pathlib import Path

import click

from bridge.cli import exits


@click.command(epilog=exits.TABLE)
@click.argument("site_file", metavar="SITE.yaml", type=click.Path(path_type=Path))
@click.argument("job_file", metavar="JOB.json", type=click.Path(path_type=Path))
def render(site_file: Path, job_file: Path) -> None:
    """Print the batch script that a job would get at a site; submit nothing."""
    from bridge.cli.documents import every_reason, objections, read_file
    from bridge.client.completion import complete
    from bridge.core.errors import InvalidRequestError
    from bridge.script import render as render_script
    from bridge.sites import load_site
    from bridge.wire.request import read_job

    with exits.user_errors():
        settings = load_site(site_file, os.environ)
        body, _ = complete(read_file(job_file))
        try:
            spec = read_job(body, site=settings.site.name)
        except InvalidRequestError as error:
            raise every_reason(error, settings.site) from None
        if problems := dict.fromkeys(objections(spec, settings.site)):
            raise InvalidRequestError(*problems)
        click.echo(render_script(spec, settings, 1), nl=False)
