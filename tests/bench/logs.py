"""What jobs write, on its way to those who follow them."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

from bench.figures import Figure
from bench.world import MeasuredBridge, World
from bridge.client import LogFollower

_PATIENCE = timedelta(seconds=60)
_AT_ONCE_BYTES = 8 * 1024 * 1024
_LINES_A_SECOND = 5
_LINE_BYTES = 200


def logs(world: World) -> Iterator[Figure]:
    """How fast a follower catches up, and what jobs that are followed cost the daemon."""
    with world.bridge() as bridge:
        bridge.open()
        yield _throughput(bridge)
        yield _cost(bridge, jobs=5 if world.quick else 20, seconds=10 if world.quick else 30)


def _throughput(bridge: MeasuredBridge) -> Figure:
    """A follower that is there before the job writes, all at once, more than a look may tell."""
    write = f"sleep 3; head -c {_AT_ONCE_BYTES} /dev/zero | tr '\\0' x; sleep 1"
    job_id = bridge.submit(bridge.job("sh", "-c", write))
    bridge.wait_for(job_id, {"started"})
    first = last = 0.0
    heard = 0
    with LogFollower(bridge.settings.broker, bridge.name, job_id) as follower:
        for chunk in follower.chunks(quiet=_PATIENCE):
            last = time.monotonic()
            first = first or last
            heard += len(chunk.data)
    if heard != _AT_ONCE_BYTES:
        raise RuntimeError(f"{heard} of {_AT_ONCE_BYTES} bytes came")
    return Figure(
        name="logs: to one follower",
        unit="MB/s",
        ours=heard / 1e6 / (last - first),
        note="8 MiB written at once; a look each 0.5 s tells at most 64 KiB of a stream",
    )


def _cost(bridge: MeasuredBridge, *, jobs: int, seconds: int) -> Figure:
    """CPU of the daemon with so many chatty jobs, followed, and the same jobs with nobody there."""
    line = "x" * (_LINE_BYTES - 1)
    every = 1 / _LINES_A_SECOND
    write = f"for _ in $(seq 2000); do echo {line}; sleep {every}; done"
    ids = [
        bridge.submit(bridge.job("sh", "-c", write, resources={"walltime": "00:10:00"}))
        for _ in range(jobs)
    ]
    for job_id in ids:
        bridge.wait_for(job_id, {"started"})
    alone = _share(bridge, seconds)
    heard = [0]
    stop = threading.Event()
    threads = [
        threading.Thread(target=_follow, args=(bridge, it, heard, stop), daemon=True) for it in ids
    ]
    for thread in threads:
        thread.start()
    time.sleep(3)
    followed = _share(bridge, seconds)
    stop.set()
    for job_id in ids:
        bridge.cancel(job_id)
    for thread in threads:
        thread.join()
    if not heard[0]:
        raise RuntimeError("the followers heard nothing")
    return Figure(
        name="logs: CPU per followed job",
        unit="% of a core",
        ours=followed / jobs,
        raw=alone / jobs,
        note=f"{jobs} jobs, each {_LINES_A_SECOND * _LINE_BYTES} bytes/s; raw: nobody follows",
    )


def _follow(bridge: MeasuredBridge, job_id: str, heard: list[int], stop: threading.Event) -> None:
    with LogFollower(bridge.settings.broker, bridge.name, job_id) as follower:
        for chunk in follower.chunks(quiet=_PATIENCE):
            heard[0] += len(chunk.data)
            if stop.is_set():
                return


def _share(bridge: MeasuredBridge, seconds: int) -> float:
    """Per cent of a core, of the daemon itself."""
    before = bridge.cost().cpu_s
    time.sleep(seconds)
    return 100 * (bridge.cost().cpu_s - before) / seconds
