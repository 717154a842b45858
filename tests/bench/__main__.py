"""`python -m bench [NAME...] [--json FILE] [--quick]`, on the testbed; see scripts/bench."""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from testbed import Testbed

from bench.board import board
from bench.client import client
from bench.crowd import restart, tracked
from bench.figures import Figure, table
from bench.idle import idle
from bench.latency import latency
from bench.logs import logs
from bench.relay import relay
from bench.submit import submit
from bench.ways import ways
from bench.world import World

# In this order: what leaves most behind in Slurm first, and with time for it to be forgotten.
BENCHMARKS: dict[str, Callable[[World], Iterator[Figure]]] = {
    "tracked": tracked,
    "restart": restart,
    "relay": relay,
    "idle": idle,
    "latency": latency,
    "submit": submit,
    "ways": ways,
    "client": client,
    "board": board,
    "logs": logs,
}


def main(arguments: Sequence[str]) -> int:
    """0 when every benchmark ran, whatever it told; 1 when one broke off."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args(arguments)
    world = World(testbed=Testbed.from_environment(), quick=asked.quick)
    load = os.getloadavg()[0]
    _say(f"{os.cpu_count()} cores; load before: {load:.1f}, and every bit of it shows below")
    figures: list[Figure] = []
    broken: list[str] = []
    for name, benchmark in BENCHMARKS.items():
        if asked.names and name not in asked.names:
            continue
        began = time.monotonic()
        try:
            figures += benchmark(world)
        except Exception as error:  # noqa: BLE001  # the others are still worth their time
            broken.append(name)
            _say(f"{name}: broke off: {error!r} {' '.join(getattr(error, '__notes__', ()))}")
        _say(f"{name}: {time.monotonic() - began:.0f} s")
    sys.stdout.write(f"\n{table(figures)}\n")
    if asked.json:
        text = json.dumps(_report(figures, broken, quick=asked.quick, load=load), indent=2)
        asked.json.write_text(f"{text}\n", encoding="utf-8")
    return 1 if broken else 0


def _report(
    figures: Sequence[Figure], broken: Sequence[str], *, quick: bool, load: float
) -> dict[str, object]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "load_before": load,
            "python": platform.python_version(),
        },
        "quick": quick,
        "broken": list(broken),
        "figures": [it.as_json() for it in figures],
    }


def _say(text: str) -> None:
    sys.stdout.write(f"   {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
