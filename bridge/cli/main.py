"""The group of commands. Each command imports what it needs when it runs: `--help` is quick."""

import click

from bridge import __version__
from bridge.cli import exits
from bridge.cli.cancel import cancel
from bridge.cli.check import check
from bridge.cli.completion import completion
from bridge.cli.dashboard import dashboard
from bridge.cli.dead import dead
from bridge.cli.jobs import jobs
from bridge.cli.journal import journal
from bridge.cli.output import logs
from bridge.cli.reader import EndingWithItsReader
from bridge.cli.render import render
from bridge.cli.run import run
from bridge.cli.schema import schema
from bridge.cli.sites import sites
from bridge.cli.submit import submit
from bridge.cli.watch import watch


@click.group(
    cls=EndingWithItsReader,
    epilog=exits.TABLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="hpc-bridge")
def main() -> None:
    """The bridge between web front ends and Slurm.

    Job messages come in over RabbitMQ, sbatch scripts go out to Slurm, and what becomes of the
    jobs goes back as status events.
    """


for command in (
    *(run, submit, watch, cancel, jobs, logs, sites, dead, dashboard),
    *(render, check, schema, journal, completion),
):
    main.add_command(command)
