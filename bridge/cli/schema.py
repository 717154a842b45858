"""`hpc-bridge schema`: the JSON schemas of messages and of a site's file."""

import json

import click

from bridge.cli import exits


@click.command(epilog=exits.TABLE)
@click.argument("what", type=click.Choice(["job", "event", "control", "site"]))
def schema(what: str) -> None:
    """Print the JSON schema of a job message, a status event, a control message or a site's YAML.

    They are made from the models that the bridge itself reads and writes with; docs/schema/ has the
    same.
    """
    from bridge.sites import site_schema
    from bridge.wire.schemas import message_schema, with_dialect

    match what:
        case "job" | "event" | "control":
            found = message_schema(what)
        case _:
            found = with_dialect(site_schema())
    click.echo(json.dumps(found, indent=2))
