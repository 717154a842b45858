"""Status events as lines for people."""

from collections.abc import Iterator

from bridge.cli.table import bar, printable
from bridge.core.lifecycle import EventKind
from bridge.wire.event import CloudEvent, EventData
from bridge.wire.returned import ProgressData

_COLOURS = {
    EventKind.ACCEPTED: "cyan",
    EventKind.REJECTED: "red",
    EventKind.STARTED: "blue",
    EventKind.FINISHED: "green",
    EventKind.FAILED: "red",
    EventKind.CANCELLED: "yellow",
    EventKind.HELD: "yellow",
    EventKind.REQUEUED: "yellow",
}


def colour(kind: EventKind) -> str | None:
    """The terminal colour of an event, None for the usual one."""
    return _COLOURS.get(kind)


def line(event: CloudEvent) -> str:
    """An event in one line: local time, site, job, what happened, and what is known of it.

    Printable whatever the event holds: who may publish may write anything into it.
    """
    data = event.data
    time = event.time.astimezone().strftime("%H:%M:%S")
    job = data.job_id or "-"
    details = "  ".join(_details(data))
    return printable(f"{time}  {data.site}  {job}  {data.event:<9}  {details}".rstrip())


def _details(data: EventData) -> Iterator[str]:
    if data.job is not None:
        yield data.job.name
    if data.slurm_id is not None:
        yield f"Slurm {data.slurm_id}"
    if data.nodes is not None:
        yield f"on {data.nodes}"
    if data.attempt is not None and data.attempt > 1:
        yield f"attempt {data.attempt}"
    if data.restart:
        yield f"restart {data.restart}"
    yield from _outcome(data)


def _outcome(data: EventData) -> Iterator[str]:
    if data.exit_code is not None:
        yield f"exit code {data.exit_code}"
    if data.signal is not None:
        yield f"signal {data.signal}"
    if data.reason is not None:
        yield f"reason {data.reason}"
    if data.progress is not None:
        yield from progress_words(data.progress)
    if data.artifacts is not None and data.artifacts.total:
        yield f"{data.artifacts.total} artifacts"
    if data.detail:
        yield data.detail


def progress_words(progress: ProgressData) -> Iterator[str]:
    """How far a job has come: a bar, its metrics and its words, as far as it told any."""
    if not progress.points:
        return
    point = progress.points[-1]
    yield bar(point.step, point.total)
    for name, value in point.metrics.items():
        yield f"{name} {'-' if value is None else format(value, '.4g')}"
    if point.message:
        yield point.message
