"""`hpc-bridge completion`: what a shell needs to complete commands."""

import click

from bridge.cli import exits

_VARIABLE = "_HPC_BRIDGE_COMPLETE"


@click.command(epilog=exits.TABLE)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete this command.

    For bash: `hpc-bridge completion bash > ~/.local/share/bash-completion/completions/hpc-bridge`.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"nothing is known of {shell}")
    root = context.find_root()
    click.echo(kind(root.command, {}, "hpc-bridge", _VARIABLE).source())
