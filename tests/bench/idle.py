"""A bridge that has nothing to do."""

import subprocess
import time
from collections.abc import Iterator

from bench.figures import Figure, below
from bench.process_cost import Cost
from bench.world import World, venv_python

_BARE = """
import sqlite3, sys, click, jinja2, pika, pydantic, structlog, yaml
sys.stdout.write("imported\\n"); sys.stdout.flush(); sys.stdin.read()
"""
_SETTLE_SECONDS = 2


def idle(world: World) -> Iterator[Figure]:
    """Memory and CPU without any job; raw is an interpreter that has imported the same packages."""
    seconds = 5 if world.quick else 30
    with world.bridge() as bridge:
        bridge.start()
        time.sleep(_SETTLE_SECONDS)
        before = bridge.cost()
        time.sleep(seconds)
        after = bridge.cost()
    cpu = (after.cpu_s + after.children_s - before.cpu_s - before.children_s) / seconds
    yield Figure(
        name="idle: memory",
        unit="MB",
        ours=after.rss_mb,
        raw=_bare(world).rss_mb,
        goal=below(80),
        note="resident; raw: Python with the same packages imported",
    )
    yield Figure(
        name="idle: CPU",
        unit="% of a core",
        ours=100 * cpu,
        goal=below(1),
        note=f"over {seconds} s",
    )


def _bare(world: World) -> Cost:
    argv = world.testbed.as_user([venv_python(world.testbed), "-c", _BARE])
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        process.stdout.readline()
        cost = Cost.of(process.pid)
        process.communicate()
    return cost
