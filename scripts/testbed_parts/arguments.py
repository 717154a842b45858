"""How the command line is read."""

import argparse
from collections.abc import Callable

from .layout import MOST_NODES

_DESCRIPTION = """\
A real Slurm site with a broker and a login node on this machine, in one folder, on 127.0.0.1 only.
Root (or sudo) is needed; no systemd is. Typical use:

  scripts/testbed up
  eval "$(scripts/testbed env)"
  scripts/testbed kill n2          # a node dies
  scripts/testbed start n2
  scripts/testbed down
"""
_EPILOG = """\
exit codes: 0 done (status: everything runs); 1 a part does not work; 2 the request makes no sense
environment: BRIDGE_TESTBED_DIR is the state folder when --dir is not given
"""


def parser() -> argparse.ArgumentParser:
    """The command line: ``verb`` names the verb, the rest are its arguments."""
    top = argparse.ArgumentParser(
        prog="testbed",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--dir", metavar="DIR", help="the state folder of this testbed")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        verb.add_argument("--dir", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return verb

    _add_up_options(add("up", "bring everything up; run again, it does what is missing"))
    down = add("down", "cancel the jobs and stop every part")
    down.add_argument("--purge", action="store_true", help="remove the state folder as well")
    add("status", "one line a part; exit code 0 only when all of them run")
    add("env", "print what to export to use this testbed")
    add("folder", "print the state folder, whether or not the testbed is there")
    add("start", "start one part and wait until it answers").add_argument("part")
    add("stop", "stop one part in an orderly way").add_argument("part")
    kill = add("kill", "end one part with SIGKILL")
    kill.add_argument("part")
    kill.add_argument("--with-jobs", action="store_true", help="a node: its running jobs as well")
    logs = add("logs", "print the end of one part's log")
    logs.add_argument("part")
    logs.add_argument(
        "--lines", type=_integer(1, 100_000), default=50, metavar="N", help="how many (50)"
    )
    return top


def _add_up_options(up: argparse.ArgumentParser) -> None:
    up.add_argument(
        "--accounting",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="with slurmdbd and its database (the default), or a site without sacct",
    )
    up.add_argument(
        "--rate-limit",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="Slurm's limit on requests per user (needs Slurm 23.02)",
    )
    up.add_argument(
        "--min-job-age",
        type=_integer(2, 1_000_000),
        metavar="SECONDS",
        help="how long squeue still shows an ended job (300)",
    )
    up.add_argument(
        "--nodes", type=_integer(2, MOST_NODES), metavar="N", help="how many compute nodes (2)"
    )
    up.add_argument(
        "--postgresql",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="with a PostgreSQL for the board (the default is without)",
    )


def _integer(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return read
