"""The verbs of ``scripts/testbed``."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from . import files, machine
from . import layout as layouts
from .arguments import parser
from .console import SetupFailed, UsageError, complain, progress
from .environment import exports
from .layout import Layout, Options
from .locks import machine_locked, of_testbed, testbed_locked
from .site import Site
from .slurm import Slurmd


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    asked = parser().parse_args(arguments)
    if os.geteuid() != 0:
        complain(UsageError("needs root: run scripts/testbed, which asks sudo"))
        return 2
    try:
        return _VERBS[asked.verb](layouts.choose_root(asked.dir), asked)
    except UsageError as error:
        complain(error)
        return 2
    except SetupFailed as error:
        complain(error)
        return 1
    except BrokenPipeError:
        # The reader of our output has gone (`testbed logs n1 | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        complain(SetupFailed(str(error), hint="is the disk full, or the folder's owner not root?"))
        return 1
    except KeyboardInterrupt:
        return 130


def _up(root: Path, asked: argparse.Namespace) -> int:
    with testbed_locked(root):
        recorded = layouts.load(root)
        given = {
            name: value
            for name in ("accounting", "rate_limit", "min_job_age", "nodes", "postgresql")
            if (value := getattr(asked, name)) is not None
        }
        options = replace(recorded.options if recorded else Options(), **given)
        with machine_locked():
            machine.prepare(options)
        if recorded is not None:
            Site(recorded).make_way_for(options)
        site = Site(layouts.settle(root, options))
        site.up()
    print('next: eval "$(scripts/testbed env)" and submit; scripts/testbed down when done')
    return 0


def _down(root: Path, asked: argparse.Namespace) -> int:
    with testbed_locked(root):
        layout = layouts.load(root)
        if layout is None:
            print(f"there is no testbed in {root}: nothing to do")
            return 0
        site = Site(layout)
        site.down()
        if asked.purge:
            site.purge()
            of_testbed(root).unlink(missing_ok=True)
    return 0


def _status(root: Path, _asked: argparse.Namespace) -> int:
    layout = layouts.load(root)
    if layout is None:
        print(f"there is no testbed in {root}; bring one up with: scripts/testbed up")
        return 1
    stopped_or_mute: dict[str, str] = {}
    print(f"{'PART':<10} {'STATE':<14} {'PID':>7}  WHERE")
    for part in Site(layout).parts:
        answer = part.probe() if part.alive else "stopped"
        state = "running" if answer is None else "not answering" if part.alive else "stopped"
        if answer is not None:
            stopped_or_mute[part.name] = answer
        pid = part.processes[-1].pid if part.processes else "-"
        print(f"{part.name:<10} {state:<14} {pid:>7}  {part.address}")
    if not stopped_or_mute:
        print(f'all parts run in {root}; use them with: eval "$(scripts/testbed env)"')
        return 0
    for name, answer in stopped_or_mute.items():
        if answer != "stopped":
            print(f"{name}: {answer}")
    print("not all parts run; bring everything up with: scripts/testbed up")
    return 1


def _env(root: Path, _asked: argparse.Namespace) -> int:
    layout = _existing(root)
    for name, value in exports(layout).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _folder(root: Path, _asked: argparse.Namespace) -> int:
    print(root)
    return 0


def _start(root: Path, asked: argparse.Namespace) -> int:
    with testbed_locked(root):
        part = Site(_existing(root)).part(asked.part)
        part.launch()
        part.wait_until_ready()
    progress(f"{part.name}: running")
    return 0


def _stop(root: Path, asked: argparse.Namespace) -> int:
    with testbed_locked(root):
        part = Site(_existing(root)).part(asked.part)
        part.stop()
    progress(f"{part.name}: stopped")
    return 0


def _kill(root: Path, asked: argparse.Namespace) -> int:
    with testbed_locked(root):
        part = Site(_existing(root)).part(asked.part)
        if asked.with_jobs and not isinstance(part, Slurmd):
            raise UsageError(f"--with-jobs is for nodes, and {part.name} is none")
        part.kill()
        if asked.with_jobs and isinstance(part, Slurmd):
            part.kill_jobs()
    progress(f"{part.name}: killed")
    return 0


def _logs(root: Path, asked: argparse.Namespace) -> int:
    part = Site(_existing(root)).part(asked.part)
    print(f"{part.log}:")
    print(*files.log_tail(part.log, lines=asked.lines), sep="\n")
    return 0


def _existing(root: Path) -> Layout:
    layout = layouts.load(root)
    if layout is None:
        raise UsageError(f"there is no testbed in {root}; bring one up with: scripts/testbed up")
    return layout


_VERBS: dict[str, Callable[[Path, argparse.Namespace], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "env": _env,
    "folder": _folder,
    "start": _start,
    "stop": _stop,
    "kill": _kill,
    "logs": _logs,
}
