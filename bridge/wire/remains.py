"""What the files in a job's folder tell of the job when the journal is lost."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bridge.core.facts import LAST_MARKS, ScriptMark
from bridge.core.job import JobId, SlurmId
from bridge.core.restore import AttemptRemains, JobRemains, Outcome
from bridge.wire.json_text import LONGEST_BYTES
from bridge.wire.mark import LONGEST_MARK, UUID, WORDS, read_mark
from bridge.wire.outcome import read_outcome

_OUTCOME_BYTES = 4096
_REQUEST, _OUTCOME = "job.json", "outcome.json"
_JOB = re.compile(UUID)
_SCRIPT = re.compile(r"attempt-([1-9][0-9]{0,5})\.sbatch")
_CLAIM = re.compile(r"attempt-([1-9][0-9]{0,5})\.claim")
_MARK = re.compile(rf"attempt-([1-9][0-9]{{0,5}}\.[0-9]{{1,6}}\.(?:{'|'.join(WORDS.values())}))")
_SLURM_ID = re.compile(r"[1-9][0-9]{0,9}(?:_[0-9]{1,9})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """What lies in a job's folder, of the files that count here. The job can write there too."""

    written_at: Mapping[str, datetime]
    """When each of them was written last, by name."""
    contents: Mapping[str, bytes | None]
    """Of those that `bytes_to_read` names; None where it is longer, or no file that can be read."""
    targets: Mapping[str, str]
    """Of those that `is_claim` names and that are symbolic links."""


@dataclass(slots=True)
class _Found:
    """What was found of an attempt so far."""

    begun_at: datetime | None = None
    claimed_by: SlurmId | None = None
    marks: list[ScriptMark] = field(default_factory=list)


def is_job_folder(name: str) -> bool:
    """Whether a folder in the work root is a job's."""
    return _JOB.fullmatch(name) is not None


def bytes_to_read(name: str) -> int | None:
    """How long this file of a job's folder may be at most; None when nothing in it counts."""
    if name == _REQUEST:
        return LONGEST_BYTES
    if name == _OUTCOME:
        return _OUTCOME_BYTES
    return LONGEST_MARK if _MARK.fullmatch(name) else None


def is_claim(name: str) -> bool:
    """Whether this is an attempt's claim, a symbolic link."""
    return _CLAIM.fullmatch(name) is not None


def is_of_the_bridge(name: str) -> bool:
    """Whether the bridge wrote this file, so that its time says when."""
    return name == _REQUEST or _SCRIPT.fullmatch(name) is not None


def read_remains(job_id: JobId, left: LeftBehind, *, at: datetime) -> JobRemains:
    """What is left of the job, as seen `at`. Raises ValueError, which says why it is no job."""
    request = _request(left)
    return JobRemains(
        job_id=job_id,
        request=request,
        written_at=min(when for name, when in left.written_at.items() if is_of_the_bridge(name)),
        attempts=tuple(_attempts(job_id, left, at)),
        outcome=_outcome(left),
    )


def _request(left: LeftBehind) -> bytes:
    if _REQUEST not in left.contents:
        raise ValueError("it has no job.json: the job was never submitted")
    body = left.contents[_REQUEST]
    if body is None:
        raise ValueError("its job.json is no file that can be read, or too long")
    return body


def _outcome(left: LeftBehind) -> Outcome | None:
    if _OUTCOME not in left.contents:
        return None
    said = left.contents[_OUTCOME]
    if said is None:
        raise ValueError("its outcome.json is no file that can be read, or too long")
    return read_outcome(said)


def _attempts(job_id: JobId, left: LeftBehind, at: datetime) -> Iterator[AttemptRemains]:
    for number, it in sorted(_found(job_id, left, at).items()):
        # Without its script, which is written first, all else is not the bridge's doing.
        if it.begun_at is not None:
            yield AttemptRemains(
                attempt=number,
                begun_at=it.begun_at,
                claimed_by=it.claimed_by,
                marks=tuple(sorted(it.marks, key=_order)),
            )


def _found(job_id: JobId, left: LeftBehind, at: datetime) -> Mapping[int, _Found]:
    found: dict[int, _Found] = defaultdict(_Found)
    for name, when in left.written_at.items():
        if named := _SCRIPT.fullmatch(name):
            found[int(named[1])].begun_at = when
    for name, target in left.targets.items():
        if (named := _CLAIM.fullmatch(name)) and _SLURM_ID.fullmatch(target):
            found[int(named[1])].claimed_by = SlurmId(target)
    for name, content in left.contents.items():
        if named := _MARK.fullmatch(name):
            found[int(named[1].split(".")[0])].marks += _marks(f"{job_id}.{named[1]}", content, at)
    return found


def _marks(name: str, content: bytes | None, at: datetime) -> Iterable[ScriptMark]:
    text = "" if content is None else content.decode(errors="replace")
    told = read_mark(name, text, at=at)
    return [] if told is None else [told[2]]


def _order(mark: ScriptMark) -> tuple[int, bool]:
    return mark.restart, isinstance(mark, LAST_MARKS)


def mark_name(job_id: JobId, attempt: int, mark: ScriptMark) -> str:
    """What the spool calls a marker."""
    return f"{job_id}.{attempt}.{mark.restart}.{WORDS[type(mark)]}"
