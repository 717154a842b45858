"""What is known of a local job: three records, each written once, and what they say together."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.adapters.local_processes.directives import Notice, Wishes
from bridge.adapters.local_processes.process import Process
from bridge.core.facts import Sighting
from bridge.core.job import SlurmId, SubmissionTag
from bridge.core.slurm_state import SlurmState


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A job that was taken."""

    at: datetime
    wishes: Wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The one run of a job: whoever writes this record has it."""

    at: datetime
    node: str
    supervisor: Process
    leader: Process
    """The batch script, which leads a session of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a job ended."""

    at: datetime
    state: SlurmState
    exit_code: int = 0
    signal: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalJob:
    """All records of a job."""

    number: int
    submitted: Submitted
    run: Run | None = None
    end: End | None = None


def sighting(job: LocalJob) -> Sighting:
    """The job as squeue and sacct would show it."""
    run, end, wishes = job.run, job.end, job.submitted.wishes
    if end is not None:
        state, reason = end.state, end.reason
    elif run is not None:
        state, reason = SlurmState.RUNNING, None
    else:
        state, reason = SlurmState.PENDING, "JobHeldUser" if wishes.held else "Resources"
    return Sighting(
        slurm_id=SlurmId(str(job.number)),
        tag=SubmissionTag(wishes.name),
        word=state.value,
        state=state,
        reason=reason,
        exit_code=end.exit_code if end else None,
        signal=end.signal if end else None,
        submitted_at=job.submitted.at,
        started_at=run.at if run else None,
        ended_at=end.at if end else None,
        nodes=run.node if run else None,
    )


def write_submitted(record: Submitted) -> str:
    """The record as JSON."""
    wishes = record.wishes
    return json.dumps(
        {
            "at": record.at.isoformat(),
            "name": wishes.name,
            "output": wishes.output,
            "error": wishes.error,
            "chdir": wishes.chdir,
            "append": wishes.append,
            "limit": None if wishes.limit is None else wishes.limit.total_seconds(),
            "notice": wishes.notice
            and [wishes.notice.signal, wishes.notice.before.total_seconds()],
            "held": wishes.held,
        }
    )


def read_submitted(text: str) -> Submitted:
    """The record from JSON. Raises ValueError; so do the other two."""
    said = _object(text)
    limit, notice = said["limit"], said["notice"]
    return Submitted(
        at=datetime.fromisoformat(said["at"]),
        wishes=Wishes(
            name=said["name"],
            output=said["output"],
            error=said["error"],
            chdir=said["chdir"],
            append=said["append"],
            limit=None if limit is None else timedelta(seconds=limit),
            notice=notice and Notice(signal=notice[0], before=timedelta(seconds=notice[1])),
            held=said["held"],
        ),
    )


def write_run(record: Run) -> str:
    """The record as JSON."""
    return json.dumps(
        {
            "at": record.at.isoformat(),
            "node": record.node,
            "supervisor": _process_words(record.supervisor),
            "leader": _process_words(record.leader),
        }
    )


def read_run(text: str) -> Run:
    """The record from JSON."""
    said = _object(text)
    return Run(
        at=datetime.fromisoformat(said["at"]),
        node=said["node"],
        supervisor=_process(said["supervisor"]),
        leader=_process(said["leader"]),
    )


def write_end(record: End) -> str:
    """The record as JSON."""
    return json.dumps(
        {
            "at": record.at.isoformat(),
            "state": record.state.value,
            "exit_code": record.exit_code,
            "signal": record.signal,
            "reason": record.reason,
        }
    )


def read_end(text: str) -> End:
    """The record from JSON."""
    said = _object(text)
    return End(
        at=datetime.fromisoformat(said["at"]),
        state=SlurmState(said["state"]),
        exit_code=said["exit_code"],
        signal=said["signal"],
        reason=said["reason"],
    )


class _Fields(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        raise ValueError(f"{name} is missing")


def _object(text: str) -> _Fields:
    said = json.loads(text)
    if not isinstance(said, dict):
        raise ValueError("an object is wanted")  # noqa: TRY004 - one error for all that is unreadable
    return _Fields(said)


def _process_words(process: Process) -> dict[str, object]:
    return {
        "number": process.number,
        "started": process.started,
        "boot": process.boot,
    }


def _process(said: object) -> Process:
    fields = _Fields(said if isinstance(said, dict) else {})
    return Process(number=fields["number"], started=fields["started"], boot=fields["boot"])
