"""Stories of jobs as the status events that a board gets."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from unit.builders import SLURM_ID, Story, at, begun, job_spec, site
from unit.house import job_id

from bridge.adapters.rabbitmq import Publisher, RabbitEventSink
from bridge.core.job import JobId, JobSpec
from bridge.core.lifecycle import Event
from bridge.core.progress import Point
from bridge.core.settings import BrokerSettings
from bridge.core.site import Site
from bridge.wire.event import (
    CloudEvent,
    Message,
    Run,
    Task,
    TaskCounts,
    decode,
    encode,
    encode_progress,
)
from bridge.wire.returned import progress_data

SITE = site()


def told(
    story: Story, number: int = 1, *, site_name: str = "testbed", later: float = 0, **asked: object
) -> list[CloudEvent]:
    """All that a story tells, as of the job with this number, so many minutes later."""
    the_site = replace(SITE, name=site_name)
    spec = job_spec(job_id=job_id(number), **asked)
    delay = timedelta(minutes=later)
    return [_told(it, job_id(number), the_site, spec, delay) for it in story.events]


def of_sweep(sweep: int, tasks: Sequence[Sequence[CloudEvent]]) -> list[CloudEvent]:
    """A sweep, whose job has this number, and what is told of its tasks, in order."""
    whole, *_ = told(Story(begun()), sweep, name="a sweep")
    counts = TaskCounts(total=len(tasks), finished=0, failed=0, cancelled=0)
    events = [whole.model_copy(update={"data": whole.data.model_copy(update={"tasks": counts})})]
    for index, story in enumerate(tasks):
        task = Task(sweep=job_id(sweep), index=index)
        events += [
            it.model_copy(update={"data": it.data.model_copy(update={"task": task})})
            for it in story
        ]
    return events


def publish(settings: BrokerSettings, events: Sequence[CloudEvent]) -> None:
    """Have a broker tell them."""
    messages = [
        Message(
            event_id=it.id,
            routing_key=f"{it.data.site}.{it.data.event}",
            body=it.model_dump_json().encode(),
        )
        for it in events
    ]
    with Publisher(settings) as publisher:
        assert all(RabbitEventSink(settings, publisher).publish(messages))


def progress(
    number: int, *steps: int, of: int = 1, restart: int = 0, minute: float = 5
) -> CloudEvent:
    """What a job says in one event: so many steps of 100, each with a loss of 1 / step."""
    run = Run(job_id=job_id(of), slurm_id=SLURM_ID, attempt=1, restart=restart)
    points = tuple(
        Point(step=it, total=100, metrics=(("loss", 1 / it),), message=None) for it in steps
    )
    data = progress_data(number=number, points=points, skipped=0)
    return decode(encode_progress(run, data, SITE, at=at(minute)).body)


def _told(
    event: Event, its_id: JobId, its_site: Site, spec: JobSpec, delay: timedelta
) -> CloudEvent:
    job = replace(event.job, job_id=its_id, accepted_at=event.job.accepted_at + delay)
    moved = replace(event, at=event.at + delay, job=job)
    is_first = event.job.sequence == 1
    return decode(encode(moved, its_site, spec if is_first else None).body)
