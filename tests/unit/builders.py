"""Facts and job stories for the tests of the core, with times as minutes after noon."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Self

from bridge.core.advance import accept, advance
from bridge.core.facts import (
    Absent,
    CancelRequested,
    Claimed,
    DependencyEnded,
    Ending,
    EndMark,
    Fact,
    HindranceMark,
    ImageAwaited,
    ImageThere,
    NotSubmitted,
    PullBegun,
    PullFailed,
    PullMark,
    Refused,
    Seen,
    Sighting,
    StartMark,
    SubmissionBegun,
    Submitted,
)
from bridge.core.failure import Hindrance
from bridge.core.job import (
    ArgumentList,
    Condition,
    Dependency,
    JobId,
    JobKind,
    JobSpec,
    SlurmId,
    SubmissionTag,
)
from bridge.core.lifecycle import Event, Job
from bridge.core.retry import RetryPolicy, relaunch
from bridge.core.site import BindRoot, ContainerRules, Limits, Runtime, Site, SlurmDefaults
from bridge.core.slurm_state import read_state

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GRACE = timedelta(minutes=5)
JOB_ID = JobId("6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b")
SLURM_ID = SlurmId("4711")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def begun(minute: float = 1) -> SubmissionBegun:
    return SubmissionBegun(at=at(minute))


def submitted(minute: float = 2) -> Submitted:
    return Submitted(at=at(minute), slurm_id=SLURM_ID)


def claimed(minute: float) -> Claimed:
    """A second Slurm job of the same attempt turns out to have its container."""
    return Claimed(at=at(minute), slurm_id=SlurmId("4712"))


def refused(minute: float = 2, words: str = "Invalid qos specification") -> Refused:
    return Refused(at=at(minute), words=words)


def not_submitted(minute: float = 2) -> NotSubmitted:
    return NotSubmitted(at=at(minute), words="Unable to contact slurm controller")


def seen(
    word: str,
    minute: float,
    *,
    reason: str | None = None,
    code: int | None = None,
    signal: int | None = None,
    start: float | None = None,
    end: float | None = None,
    nodes: str | None = None,
    expected: float | None = None,
) -> Seen:
    """Slurm shows the word at this minute; `start` and `end` are its own times, in minutes."""
    return Seen(
        at=at(minute),
        sighting=Sighting(
            slurm_id=SLURM_ID,
            tag=SubmissionTag(f"bridge-{JOB_ID}-1"),
            word=word,
            state=read_state(word),
            reason=reason,
            exit_code=code,
            signal=signal,
            expected_start_at=None if expected is None else at(expected),
            started_at=None if start is None else at(start),
            ended_at=None if end is None else at(end),
            nodes=nodes,
        ),
    )


def absent(
    minute: float, *, missing: float = 0, accounting: bool = True, array_listed: bool = False
) -> Absent:
    """Slurm does not know the job at this minute, and has not for so many minutes now."""
    return Absent(
        at=at(minute),
        accounting=accounting,
        missing_for=timedelta(minutes=missing),
        array_listed=array_listed,
    )


def cancel(minute: float) -> CancelRequested:
    return CancelRequested(at=at(minute))


def dependency(number: int, condition: str = "afterok") -> Dependency:
    return Dependency(job_id=other_job(number), condition=Condition(condition))


def ended(number: int, how: str, minute: float = 1) -> DependencyEnded:
    """What became of a job that others may wait for."""
    return DependencyEnded(at=at(minute), job_id=other_job(number), ending=Ending(how))


def other_job(number: int) -> JobId:
    return JobId(f"00000000-0000-4000-8000-{number:012}")


def start_mark(
    minute: float, *, restart: int = 0, start: float | None = None, node: str = "n1"
) -> StartMark:
    started = minute if start is None else start
    return StartMark(at=at(minute), restart=restart, started_at=at(started), node=node)


def end_mark(minute: float, code: int, *, restart: int = 0, end: float | None = None) -> EndMark:
    ended = minute if end is None else end
    return EndMark(at=at(minute), restart=restart, ended_at=at(ended), exit_code=code)


def pull_mark(minute: float, *, restart: int = 0, node: str = "n1") -> PullMark:
    return PullMark(at=at(minute), restart=restart, pulling_since=at(minute), node=node)


def hindrance_mark(minute: float, hindrance: str = "image", *, restart: int = 0) -> HindranceMark:
    return HindranceMark(
        at=at(minute), restart=restart, ended_at=at(minute), hindrance=Hindrance(hindrance)
    )


def image_awaited(minute: float = 0.5) -> ImageAwaited:
    return ImageAwaited(at=at(minute))


def pull_begun(minute: float) -> PullBegun:
    return PullBegun(at=at(minute))


def image_there(minute: float) -> ImageThere:
    return ImageThere(at=at(minute))


def pull_failed(minute: float, words: str = "manifest unknown") -> PullFailed:
    return PullFailed(at=at(minute), words=words)


class Story:
    """A job as it is told one fact after another, and all that it has told itself."""

    def __init__(
        self,
        *facts: Fact,
        policy: RetryPolicy | None = None,
        depends_on: Sequence[Dependency] = (),
        tasks: int = 0,
    ) -> None:
        """Without a policy there is no second attempt."""
        self.policy = policy or RetryPolicy()
        step = accept(JOB_ID, at(0), depends_on, tasks=tasks)
        self.job: Job = step.job
        self.events: list[Event] = list(step.events)
        self.anomalies: list[str] = []
        self.hears(*facts)

    def hears(self, *facts: Fact) -> Self:
        for fact in facts:
            step = advance(self.job, fact, absence_grace=GRACE)
            step = relaunch(self.job, step, self.policy)
            self.job = step.job
            self.events += step.events
            if step.anomaly is not None:
                self.anomalies.append(step.anomaly)
        return self

    @property
    def tells(self) -> list[str]:
        """The events, in order, as the words that go out."""
        return [str(it.kind) for it in self.events]

    @property
    def last(self) -> Event:
        return self.events[-1]


def queued(*facts: Fact, policy: RetryPolicy | None = None) -> Story:
    """A job that Slurm has taken, and what came then."""
    return Story(begun(), submitted(), *facts, policy=policy)


def running(*facts: Fact, policy: RetryPolicy | None = None) -> Story:
    """A job that Slurm showed running at 12:03, since 12:03, and what came then."""
    return queued(seen("RUNNING", 3, start=3, nodes="n1"), *facts, policy=policy)


def job_spec(**changes: object) -> JobSpec:
    asked: dict[str, object] = {
        "job_id": JOB_ID,
        "name": "digits",
        "kind": JobKind.TRAINING,
        "image": "/images/sklearn.sif",
        "command": ArgumentList(arguments=("python", "train.py")),
    }
    return JobSpec(**(asked | changes))  # type: ignore[arg-type]


def site(**changes: object) -> Site:
    described: dict[str, object] = {
        "name": "testbed",
        "tag_prefix": "bridge",
        "work_root": "/work/bridge",
        "containers": ContainerRules(runtime=Runtime.APPTAINER, images=("/images/*.sif",)),
        "defaults": SlurmDefaults(walltime=timedelta(hours=1)),
    }
    return Site(**(described | changes))  # type: ignore[arg-type]


def wide_open(given: Site) -> Site:
    """The same site, which takes any image, mount, user and amount."""
    anywhere = (BindRoot(path="/", read_only=False),)
    containers = ContainerRules(runtime=Runtime.APPTAINER, images=("*",), bind_roots=anywhere)
    return replace(given, containers=containers, limits=Limits(), users=())
