"""Status events as CloudEvents 1.0 in structured JSON mode.

The attributes are those of the CloudEvents specification 1.0.2; `sequence` is its extension of
that name, which wants text that sorts as the events do: hence the leading zeros.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.failure import FailureReason
from bridge.core.job import JobId, JobKind, JobSpec, SlurmId
from bridge.core.lifecycle import Event, EventKind, Job, Phase
from bridge.core.site import Site, job_folder
from bridge.wire.problems import problems_of
from bridge.wire.returned import ArtifactsData, ProgressData

CONTENT_TYPE = "application/cloudevents+json"
_TYPE_PREFIX = "hpc-batch-bridge."
_OF_SITES = frozenset({EventKind.UNREACHABLE, EventKind.RECOVERED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A status event as it goes out."""

    event_id: str
    """The CloudEvents id: the same at every redelivery."""
    routing_key: str
    body: bytes
    reply_to: str | None = None
    """The queue that gets it; None for an event, which is for everybody."""
    correlation_id: str | None = None
    """What the one who waits for a reply knows it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a job, as progress is told of it."""

    job_id: JobId
    slurm_id: SlurmId | None
    attempt: int
    restart: int


class _Model(BaseModel):
    # Later versions may say more; who reads version 1 leaves that alone.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Logs(_Model):
    """Where the job's output lies on the site."""

    stdout: str = Field(description="the file with its standard output")
    stderr: str = Field(description="the file with its standard error")


class Summary(_Model):
    """What the sender asked for, repeated in the `accepted` event for those who did not send it."""

    name: str = Field(description="as in the job message, here and below")
    kind: JobKind = Field(description="why the job runs")
    image: str = Field(description="the container image")
    user: str | None = Field(description="who wants the job")
    labels: dict[str, str] = Field(description="what the sender wants to find here again")


class TaskCounts(_Model):
    """How many of a sweep's tasks have ended, and how."""

    total: int = Field(description="all of them, the ones that have not ended too")
    finished: int = Field(description="with success")
    failed: int = Field(description="without")
    cancelled: int = Field(description="before they started, or while they ran")


class Task(_Model):
    """A sweep's task."""

    sweep: str = Field(description="the job id of the sweep")
    index: int = Field(description="from 0, in the order of the list or the grid")


class ProblemData(_Model):
    """One thing that is wrong with a message."""

    where: str = Field(description="the field as a dotted path; empty for the whole message")
    what: str = Field(description="what is wrong with it, and what is accepted")


class EventData(_Model):
    """The `data` of a status event, version 1. Times are RFC 3339 in UTC; null is not known."""

    version: Literal[1] = Field(default=1, description="of this form of event")
    event: EventKind = Field(description="what happened")
    site: str = Field(description="the site's name")
    job_id: str | None = Field(
        description="null for events of a site, and where a message's id could not be read"
    )
    sequence: int = Field(
        description="1, 2, 3... within a job; else 0: `rejected`, events of sites"
    )
    attempt: int | None = Field(default=None, description="1, 2, 3...: one more with each relaunch")
    restart: int | None = Field(default=None, description="how often Slurm requeued this attempt")
    phase: Phase | None = Field(default=None, description="where the job is now")
    slurm_id: str | None = Field(default=None, description="of the present attempt")
    accepted_at: datetime | None = Field(default=None, description="when the bridge took the job")
    submitted_at: datetime | None = Field(default=None, description="when Slurm took it")
    started_at: datetime | None = Field(default=None, description="when this run of it started")
    ended_at: datetime | None = Field(default=None, description="when this run of it ended")
    nodes: str | None = Field(default=None, description="a node list as Slurm writes it")
    exit_code: int | None = Field(default=None, description="of the container")
    signal: int | None = Field(default=None, description="the number of the signal that ended it")
    reason: FailureReason | None = Field(default=None, description="why it failed, in one word")
    detail: str | None = Field(default=None, description="words for a person")
    pending_reason: str | None = Field(
        default=None, description="why the job waits, in Slurm's own word"
    )
    expected_start_at: datetime | None = Field(
        default=None, description="when Slurm means to start a job that waits, where it knows"
    )
    waits_for: list[str] = Field(
        default_factory=list, description="the jobs that have yet to end before this one goes on"
    )
    tasks: TaskCounts | None = Field(
        default=None, description="of a sweep: what has become of its tasks so far"
    )
    task: Task | None = Field(default=None, description="of a sweep's task: which one it is")
    next_attempt_at: datetime | None = Field(
        default=None, description="of `retrying`: not before then"
    )
    cancel_requested_at: datetime | None = Field(
        default=None, description="when somebody asked for the job's end"
    )
    logs: Logs | None = Field(default=None, description="where the job's output lies on the site")
    progress: ProgressData | None = Field(
        default=None, description="of `progress`: how far the job has come"
    )
    artifacts: ArtifactsData | None = Field(
        default=None, description="of a job's last event: what it has left"
    )
    job: Summary | None = Field(default=None, description="of `accepted`: what was asked for")
    notes: list[str] = Field(
        default_factory=list,
        description="of `accepted`: what the message asks for and the job does not get",
    )
    problems: list[ProblemData] = Field(
        default_factory=list, description="of `rejected`: everything that is wrong"
    )


class CloudEvent(_Model):
    """The envelope."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    subject: str | None = None
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    sequence: str
    data: EventData


def encode(
    event: Event,
    site: Site,
    spec: JobSpec | None = None,
    artifacts: ArtifactsData | None = None,
    notes: Sequence[str] = (),
) -> Message:
    """The message that tells `event`; with `spec`, it also repeats what was asked for.

    With `artifacts`, it tells what the job has left; `notes` says what it does not get.
    """
    job = event.job
    data = EventData(
        event=event.kind,
        site=site.name,
        job_id=job.job_id,
        sequence=job.sequence,
        attempt=job.attempt,
        restart=job.restart,
        phase=job.phase,
        slurm_id=job.slurm_id,
        accepted_at=job.accepted_at,
        submitted_at=job.submitted_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        nodes=job.nodes,
        exit_code=job.exit_code,
        signal=job.signal,
        reason=event.reason,
        detail=event.detail,
        pending_reason=job.pending_reason,
        expected_start_at=event.expected_start_at,
        waits_for=[it.job_id for it in job.waits_for if job.phase is not Phase.ARRAY],
        tasks=_task_counts(job),
        task=_task(job),
        next_attempt_at=job.not_before,
        cancel_requested_at=job.cancel_requested_at,
        logs=_logs(job.job_id, site),
        artifacts=artifacts,
        job=_summary(spec),
        notes=list(notes),
    )
    return _message(data, event_id=f"{job.job_id}/{job.sequence}", at=event.at)


def encode_progress(run: Run, progress: ProgressData, site: Site, *, at: datetime) -> Message:
    """The message that tells how far a job has come; it has no place in the job's `sequence`."""
    data = EventData(
        event=EventKind.PROGRESS,
        site=site.name,
        job_id=run.job_id,
        sequence=0,
        attempt=run.attempt,
        restart=run.restart,
        phase=Phase.RUNNING,
        slurm_id=run.slurm_id,
        logs=_logs(run.job_id, site),
        progress=progress,
    )
    return _message(data, event_id=progress_id(run.job_id, progress.number), at=at)


def progress_id(job_id: JobId, number: int) -> str:
    """The id of a progress event."""
    return f"{job_id}/progress/{number}"


def decode(body: bytes) -> CloudEvent:
    """The status event in a message. Raises InvalidRequestError when it is none of ours."""
    try:
        return CloudEvent.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequestError(*problems_of(error)) from None


def encode_rejection(
    *,
    site: str,
    at: datetime,
    body: bytes,
    job_id: str | None,
    problems: tuple[Problem, ...],
) -> Message:
    """The message that tells why `body` was not accepted; the same id for the same bytes.

    It speaks of a message, not of a job: a job that already bears the id lives on.
    """
    data = EventData(
        event=EventKind.REJECTED,
        site=site,
        job_id=job_id,
        sequence=0,
        detail="; ".join(map(str, problems)),
        problems=[ProblemData(where=it.where, what=it.what) for it in problems],
    )
    digest = hashlib.sha256(body).hexdigest()[:32]
    return _message(data, event_id=f"rejected/{site}/{digest}", at=at)


def encode_site_event(*, site: str, kind: EventKind, at: datetime, detail: str | None) -> Message:
    """The message that tells that a site's scheduler fell silent, or is back."""
    data = EventData(event=kind, site=site, job_id=None, sequence=0, detail=detail)
    return _message(data, event_id=f"site/{site}/{kind}/{at.isoformat()}", at=at)


def _message(data: EventData, *, event_id: str, at: datetime) -> Message:
    envelope = CloudEvent(
        id=event_id,
        source=f"/hpc-bridge/{data.site}",
        type=f"{_TYPE_PREFIX}{_what(data.event)}.{data.event}.v{data.version}",
        subject=data.job_id,
        time=at,
        sequence=f"{data.sequence:010}",
        data=data,
    )
    return Message(
        event_id=event_id,
        routing_key=f"{data.site}.{data.event}",
        body=envelope.model_dump_json().encode(),
    )


def _what(kind: EventKind) -> str:
    return "site" if kind in _OF_SITES else "job"


def _logs(job_id: JobId, site: Site) -> Logs:
    folder = job_folder(site, job_id)
    return Logs(stdout=f"{folder}/stdout", stderr=f"{folder}/stderr")


def _task_counts(job: Job) -> TaskCounts | None:
    if not job.tasks:
        return None
    return TaskCounts(
        total=job.tasks,
        finished=job.tasks_finished,
        failed=job.tasks_failed,
        cancelled=job.tasks_cancelled,
    )


def _task(job: Job) -> Task | None:
    if job.sweep is None or job.task_index is None:
        return None
    return Task(sweep=job.sweep, index=job.task_index)


def _summary(spec: JobSpec | None) -> Summary | None:
    if spec is None:
        return None
    return Summary(
        name=spec.name,
        kind=spec.kind,
        image=spec.image,
        user=spec.user,
        labels=dict(spec.labels),
    )
