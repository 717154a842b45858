"""From a front end's call to the broker's confirm."""

import json
import time
from collections.abc import Iterator
from uuid import uuid4

from pika import BlockingConnection
from rabbitmq_management import own_namespace

from bench.amqp import parameters, persistent
from bench.figures import Figure, below, percentile
from bench.world import World
from bridge.adapters.rabbitmq import declare_topology
from bridge.client import Bridge

_SITE = "bench"
_WARM = 50


def client(world: World) -> Iterator[Figure]:
    """Milliseconds from `Bridge.submit` to its return, one job after the other, warm.

    Raw is bare pika's blocking publish with confirms of the same bodies to the same queue, by turns
    with ours.
    """
    jobs = 500 if world.quick else 3_000
    with own_namespace(world.testbed.broker) as settings:
        declare_topology(settings, _SITE)
        connection = BlockingConnection(parameters(world.testbed.broker))
        channel = connection.channel()
        channel.confirm_delivery()
        ours, raw = [], []
        with Bridge(settings) as bridge:
            for number in range(_WARM + jobs):
                job = _job()
                began = time.perf_counter()
                bridge.submit(_SITE, job)
                between = time.perf_counter()
                body = json.dumps(job).encode()
                channel.basic_publish(
                    settings.jobs_exchange,
                    _SITE,
                    body,
                    persistent(str(job["job_id"])),
                    mandatory=True,
                )
                if number >= _WARM:
                    ours.append((between - began) * 1e3)
                    raw.append((time.perf_counter() - between) * 1e3)
        connection.close()
    for percent in (50, 99):
        yield Figure(
            name=f"client: submit to confirm, p{percent}",
            unit="ms",
            ours=percentile(ours, percent),
            raw=percentile(raw, percent),
            goal=below(1.5, of="ratio"),
            note=f"{jobs} jobs to a quorum queue, checked before; raw: pika, blocking",
        )


def _job() -> dict[str, object]:
    return {
        "version": 1,
        "job_id": str(uuid4()),
        "name": "digits",
        "image": "/images/sklearn.sif",
        "command": ["python3", "train.py", "--epochs", "20"],
        "params": {"rate": 0.01, "layers": [64, 32]},
        "resources": {"gpus": 1, "walltime": "01:00:00"},
    }
