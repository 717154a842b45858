"""Writes docs/command-line.md from the commands themselves; `--check` only compares."""

import sys
from collections.abc import Iterator, Sequence

import click
from drawn_page import write_or_check

from bridge.cli import main as hpc_bridge

WIDTH = 100

OPENING = """\
# The command

<!-- Drawn from the commands in bridge/cli by scripts/command-page: change those, not this. -->

`hpc-bridge`, or `python -m bridge`. What programs read goes to standard output: a job's id,
events, a script. All else, errors too, goes to standard error. Errors that a person can mend are
told in one message, without a traceback.

**Which broker?** `submit`, `watch`, `cancel`, `jobs`, `logs`, `sites` and `dead` take it from a
site's YAML, wherever one is named. A front end that has none names the site and gives the broker's
address in `HPC_BRIDGE_BROKER_URL` (or `--broker`, which others on the machine can see), and in
`HPC_BRIDGE_NAMESPACE` the `broker.namespace` of its sites where that is not `hpc-bridge`:

```sh
export HPC_BRIDGE_BROKER_URL=amqps://ada:secret@rabbitmq.example.org/science
hpc-bridge submit vaughan job.json --watch
hpc-bridge watch --site vaughan --json | jq .data.event
hpc-bridge watch --user ada --label study=digits
```

**Signals.** `run` ends in good order with SIGTERM or SIGINT: what is under way is recorded, at
most 20 seconds are waited for a command of Slurm. `watch` ends with Ctrl-C. A command whose reader
goes (`hpc-bridge jobs | head -3`) ends quietly by SIGPIPE, as others do: a shell calls that 141.

Exit codes, commands, options and `--json` are a public interface; the words for people are not. A
command whose exit codes are not shown has those of the command above it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page, or with `--check` returns 1 when it is not what would be written."""
    return write_or_check(
        "docs/command-line.md",
        page(),
        program="scripts/command-page",
        does=__doc__,
        arguments=arguments,
    )


def page() -> str:
    """The whole page as Markdown."""
    root = click.Context(
        hpc_bridge, info_name="hpc-bridge", terminal_width=WIDTH, **hpc_bridge.context_settings
    )
    return "\n\n".join([OPENING, *chapters(root)]) + "\n"


def chapters(context: click.Context) -> Iterator[str]:
    """The help of a command, and of those within it."""
    command = context.command
    yield f"## `{context.command_path}`"
    yield f"```text\n{help_of(context)}\n```"
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from chapters(click.Context(inner, info_name=name, parent=context))


def help_of(context: click.Context) -> str:
    """What `--help` says, without the exit codes where they are those of the command above."""
    command, above = context.command, context.parent
    formatter = context.make_formatter()
    command.format_usage(context, formatter)
    command.format_help_text(context, formatter)
    command.format_options(context, formatter)
    if above is None or command.epilog != above.command.epilog:
        command.format_epilog(context, formatter)
    return formatter.getvalue().rstrip()


if __name__ == "__main__":
    sys.exit(main())
