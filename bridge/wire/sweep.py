"""Sweeps: one job message with many sets of parameters, and the messages of its tasks."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod

from pydantic import JsonValue

from bridge.core.errors import Problem
from bridge.core.job import JobId, task_id
from bridge.wire.job_message import JobMessage, SweepMessage
from bridge.wire.json_text import read_json

MOST_BYTES = 64 * 1024 * 1024
"""Of the messages of all tasks together."""
MOST_COUNTED = 10**9
"""A grid of a few lists has more tasks than Python writes digits."""
_OF_THE_WHOLE = frozenset({"sweep", "depends_on", "reply_to"})


def tasks_in(sweep: SweepMessage) -> int:
    """How many tasks the sweep has, without a look at any; counted up to MOST_COUNTED."""
    if sweep.sets is not None:
        return len(sweep.sets)
    return min(prod(map(len, sweep.grid.values())), MOST_COUNTED) if sweep.grid else 0


def sweep_problems(message: JobMessage, *, size: int) -> Iterator[Problem]:
    """What is wrong with the sweep of a message of `size` bytes."""
    sweep = message.sweep
    if sweep is None:
        return
    if (sweep.grid is None) == (sweep.sets is None):
        yield Problem(where="sweep", what="either a grid or a list is wanted")
        return
    count = tasks_in(sweep)
    if count == 0:
        yield Problem(where="sweep", what="it has no task: a value, or a set of them, is wanted")
    if count * size > MOST_BYTES:
        more = " or more" if count == MOST_COUNTED else ""
        yield Problem(
            where="sweep",
            what=f"{count}{more} tasks with messages as long as this one are too much: together "
            f"they may have {MOST_BYTES} bytes; large data belongs into a file",
        )


def task_requests(body: bytes) -> Iterator[bytes]:
    """The job message of each task, in order, made from the message of a sweep.

    Each has all that the sweep's says but for its id, the sweep itself, what it depends on and who
    gets a reply; its parameters are the sweep's with the task's own put over them.
    """
    data = read_json(body)
    message = JobMessage.model_validate(data)
    if message.sweep is None or not isinstance(data, dict):
        raise ValueError(f"the job {message.job_id} is no sweep")
    common = {name: it for name, it in data.items() if name not in _OF_THE_WHOLE}
    for index, own in enumerate(sets_of(message.sweep)):
        job_id = task_id(JobId(str(message.job_id)), index)
        params = {**(message.params or {}), **own}
        yield json.dumps(common | {"job_id": job_id, "params": params}).encode()


def sets_of(sweep: SweepMessage) -> Iterator[Mapping[str, JsonValue]]:
    """The parameters of each task that are its own, in order."""
    if sweep.sets is not None:
        yield from sweep.sets
        return
    grid: Mapping[str, Sequence[JsonValue]] = sweep.grid or {}
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))
