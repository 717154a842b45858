"""What the flows need of the world, as Protocols; adapters fulfil them, fakes stand in for them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from bridge.core.facts import Ending, ScriptMark, Sighting
from bridge.core.job import JobId, SlurmId, SubmissionTag
from bridge.core.lifecycle import Job
from bridge.core.progress import Bookmark
from bridge.wire.event import Message


class Clock(Protocol):
    """The time of day, and the time that passes."""

    def now(self) -> datetime:
        """Now, aware, in UTC. Somebody may set it, also back."""
        ...

    def uptime(self) -> timedelta:
        """The time since a moment in the past: what waits and graces are measured by."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What became of a command."""

    return_code: int | None
    """None when it was killed because its time was over: what it did is then unknown."""
    stdout: str
    stderr: str


class Runner(Protocol):
    """Runs a command on the site."""

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: timedelta) -> Completed:
        """Run `argv`, no shell anywhere, and wait for it.

        Raises UnavailableError when it is certain that the command did not start.
        """
        ...


class Scheduler(Protocol):
    """Slurm, as far as the bridge needs it. Every method may raise UnavailableError."""

    def submit(self, script: str) -> SlurmId:
        """Submit a batch script.

        Raises SubmissionRefusedError, SubmissionUncertainError, and SiteFullError or
        UnavailableError when the job certainly was not submitted.
        """
        ...

    def find(
        self, tags: Collection[SubmissionTag], *, since: datetime
    ) -> Mapping[SubmissionTag, tuple[SlurmId, ...]]:
        """Of each tag, every Slurm job that bears it, lowest id first; none only if Slurm said so.

        A tag of which nobody can tell now has no entry; where that is so of all, it raises.
        """
        ...

    def queue(self) -> tuple[Sighting, ...]:
        """All jobs of ours that squeue lists, also those that ended a moment ago."""
        ...

    def accounting(
        self, slurm_ids: Iterable[SlurmId], *, since: datetime
    ) -> tuple[Sighting, ...] | None:
        """The newest record of each job that accounting knows; None where accounting is off."""
        ...

    def cancel(self, jobs: Collection[tuple[SlurmId, SubmissionTag]]) -> None:
        """Ask Slurm to cancel these jobs; whether it did is seen by their states alone.

        One that bears another tag is left alone: after a crash of its controller, Slurm may give
        ids out again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A marker file that a job's script dropped into the spool."""

    job_id: JobId
    attempt: int
    fact: ScriptMark
    file: str
    """The spool's name for it, to forget it by."""


class Images(Protocol):
    """The images that the site has of those that can be pulled. Any thread may call it."""

    def has(self, image: str) -> bool:
        """Whether it is there. Raises UnavailableError."""
        ...

    def pull(self, image: str) -> None:
        """Fetch it, however long that takes.

        Raises ImagePullError when it cannot be had, and UnavailableError when the site is silent.
        """
        ...


class JobFolders(Protocol):
    """The jobs' folders on the site's file system. Every method may raise UnavailableError."""

    def create(self, job_id: JobId, files: Mapping[str, str]) -> None:
        """Make the job's folder if it is missing, and write these files into it."""
        ...

    def claim(self, job_id: JobId, attempt: int, slurm_id: SlurmId) -> SlurmId:
        """Give the attempt's container to this Slurm job unless one has it; the one that has it.

        The scripts of all others run nothing. The job's own container can write there: an answer
        that is not `slurm_id` is a hint.
        """
        ...

    def marks(self) -> tuple[Mark, ...]:
        """The markers that lie in the spool, oldest first."""
        ...

    def forget(self, marks: Iterable[Mark]) -> None:
        """Remove markers from the spool: the journal has them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """A file in a job's folder, which the job may write, replace or remove at any time."""

    job_id: JobId
    name: str
    """A path below the job's folder; one that leads elsewhere is of no file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRange:
    """Some of a file's bytes, as they are asked for."""

    file: JobFile
    start: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some of a file's bytes."""

    data: bytes
    """Fewer than were asked for where the file ends."""
    size: int
    """How many bytes the whole file had."""


class JobFiles(Protocol):
    """What jobs have written. Every method may raise UnavailableError.

    None stands for what is no regular file, is not there, may not be read, or is reached by a
    symbolic link: jobs can put anything there.
    """

    def sizes(self, files: Sequence[JobFile]) -> tuple[int | None, ...]:
        """How many bytes each has; costs a far site few round trips, however many there are."""
        ...

    def read(self, ranges: Sequence[FileRange]) -> tuple[Piece | None, ...]:
        """The bytes that each range has now; costs a far site few round trips."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A job to be recorded, with its first events."""

    job: Job
    request: bytes
    """The message as it came: what submit renders from, and what a rebuilt journal starts from."""
    fingerprint: str
    """Equal for equal content, however it was spelled."""
    messages: tuple[Message, ...]
    siblings: "tuple[Acceptance, ...]" = ()
    """Further jobs of the same message, which are recorded with it, or none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something told that is no job's: a rejected message, a site that does not answer."""

    message: Message
    rejected: JobId | None = None
    """The id in a message that was to be a job and is none; a job may bear it all the same."""


class Admission(StrEnum):
    """What the journal made of an Acceptance or Notice."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    """The same id with the same content was recorded before: nothing changed.

    Of several jobs of one message, one is enough: the others may be pruned already.
    """
    CONFLICT = "conflict"
    """The same id, of any job of the message, with other content was recorded before: nothing
    changed."""


class IntakeJournal(Protocol):
    """Where intake writes. Durable when the call returns."""

    def admit(self, entries: Sequence[Acceptance | Notice]) -> tuple[Admission, ...]:
        """Record all entries in one transaction, in order; one answer for each."""
        ...

    def awaited(self, job_ids: Iterable[JobId]) -> frozenset[JobId]:
        """Those of these ids that jobs in phase BLOCKED, or in phase ARRAY, wait for."""
        ...

    def jobs(self, job_ids: Iterable[JobId]) -> tuple[Job, ...]:
        """Those of these jobs that are recorded, in no order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A job's next step, with what it tells the outside."""

    job: Job
    """As it is after the step; its revision is one more than what the journal must hold."""
    messages: tuple[Message, ...]
    tasks: tuple[Acceptance, ...] = ()
    """New jobs that this step makes, of a sweep that was divided: recorded with it, or not."""


class LifecycleJournal(Protocol):
    """Where submit and watch read and write. Durable when the call returns."""

    def waiting(self, limit: int, *, now: datetime) -> tuple[Job, ...]:
        """Jobs in phase ACCEPTED or SUBMITTING, in the order in which they were accepted.

        Those whose `not_before` is still to come are left out, unless somebody has set the clock
        back since: `bridge.core.retry.due` tells.
        """
        ...

    def live(self) -> tuple[Job, ...]:
        """Jobs that Slurm has: QUEUED, HELD or RUNNING."""
        ...

    def jobs(self, job_ids: Iterable[JobId]) -> tuple[Job, ...]:
        """Those of these jobs that are recorded, in no order."""
        ...

    def request(self, job_id: JobId) -> bytes:
        """The message with which a recorded job came. Raises KeyError for an unknown job."""
        ...

    def record(self, changes: Sequence[Change]) -> tuple[JobId, ...]:
        """Record all changes and their messages in one transaction.

        A change whose revision does not follow what is recorded is left out, and its job's id
        returned: somebody else was faster, and the fact must be told to the newer job.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a job that waits for others, or for its own tasks, has yet to be told."""

    job_id: JobId
    """The one that waits."""
    dependency: JobId
    ending: Ending | None
    """None: it has started, and is the first of a sweep's tasks to do so."""


class DependencyJournal(Protocol):
    """Where jobs wait for others: whoever records a job's end also records this news of it."""

    def news(self, limit: int, *, unknown_before: datetime) -> tuple[News, ...]:
        """What jobs in phase BLOCKED or ARRAY have yet to be told of those that they wait for.

        Told again until the job no longer waits for that one. A job whose id nobody has sent since
        `unknown_before` is UNKNOWN.
        """
        ...

    def blocked(self) -> tuple[Job, ...]:
        """Jobs in phase BLOCKED."""
        ...


class PullJournal(Protocol):
    """Where jobs wait for their images."""

    def pulling(self) -> tuple[Job, ...]:
        """Jobs in phase PULLING, in the order in which they were accepted."""
        ...


class CancelJournal(Protocol):
    """Where cancel reads and writes. Durable when the call returns."""

    def remember_cancel(self, job_id: JobId, *, at: datetime) -> None:
        """Keep in mind that this job is to be cancelled, also where it is not known yet.

        Control messages may overtake the job that they speak of. Once more changes nothing.
        """
        ...

    def cancels(self, job_ids: Iterable[JobId]) -> frozenset[JobId]:
        """Those of these jobs that `remember_cancel` was called for."""
        ...

    def overtaken(self) -> tuple[JobId, ...]:
        """Jobs that `remember_cancel` was called for, and that do not know it and are not over."""
        ...

    def cancelling(self) -> tuple[Job, ...]:
        """Jobs that Slurm has and that are to be cancelled."""
        ...


class NoticeJournal(Protocol):
    """What was told that is no job's."""

    def admit(self, entries: Sequence[Notice]) -> tuple[Admission, ...]:
        """Record all notices in one transaction."""
        ...

    def last_notice(self, routing_keys: Sequence[str]) -> str | None:
        """The routing key of the newest notice that has one of these; None when there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """A message that waits to be published."""

    position: int
    message: Message


class Outbox(Protocol):
    """Where relay reads what is to be told."""

    def unsent(self, limit: int) -> tuple[OutboxEntry, ...]:
        """The oldest messages that are not marked as sent, in the order they were recorded."""
        ...

    def mark_sent(self, positions: Sequence[int]) -> None:
        """Remember that the broker has confirmed these."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """An event of a job that was told, or is about to be."""

    position: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many jobs there are to look after."""

    waiting: int
    """In phase ACCEPTED or SUBMITTING."""
    live: int
    """QUEUED, HELD or RUNNING."""


class QueryJournal(Protocol):
    """What is answered from the journal. Every method may raise UnavailableError."""

    def jobs(self, job_ids: Iterable[JobId]) -> tuple[Job, ...]:
        """Those of these jobs that are recorded, in no order."""
        ...

    def told(self, job_id: JobId, *, after: int, limit: int) -> tuple[ToldEvent, ...]:
        """The oldest events of the job after this position; progress is not among them."""
        ...

    def request(self, job_id: JobId) -> bytes:
        """The job's message as it came. Raises KeyError for an unknown job."""
        ...

    def load(self) -> Load:
        """How many jobs there are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A job whose progress is read."""

    place: int
    """Among all jobs, in the order of acceptance."""
    job_id: JobId
    slurm_id: SlurmId | None
    attempt: int
    restart: int
    bookmark: Bookmark | None
    """None where nothing was told yet."""
    told_before: int
    """More than 0 where events were told of the job by an earlier journal, which was lost."""
    is_told: bool
    """Whether all that was recorded of its progress was published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressNote:
    """How far a job has come, to be recorded."""

    job_id: JobId
    was: int
    """The number of the last progress event told before."""
    bookmark: Bookmark
    messages: tuple[Message, ...]


class ProgressJournal(Protocol):
    """How far jobs have come. Every method may raise UnavailableError."""

    def running(self, *, after: int, limit: int) -> tuple[Reading, ...]:
        """Jobs in phase RUNNING whose place comes after this one, in that order."""
        ...

    def readings(self, job_ids: Iterable[JobId]) -> tuple[Reading, ...]:
        """Those of these jobs that are recorded, in whatever phase, in no order."""
        ...

    def note(self, notes: Sequence[ProgressNote]) -> int:
        """Record these in one transaction; how many were recorded.

        One is left out when somebody else has told the job's progress meanwhile. Earlier progress
        events of the job that were published are forgotten: its file has what they told.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer to whoever asked."""

    reply_to: str
    correlation_id: str | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """Something told to whoever listens just now, and kept for nobody."""

    routing_key: str
    body: bytes


class ReturnChannel(Protocol):
    """What goes back to front ends beside the events. Every method may raise UnavailableError."""

    def answer(self, replies: Sequence[Reply]) -> None:
        """Send answers; one that nobody waits for any more is lost."""
        ...

    def tell_logs(self, messages: Sequence[Passing]) -> None:
        """Tell what followed jobs have written."""
        ...

    def tell_presence(self, message: Passing) -> None:
        """Tell that this bridge is there."""
        ...


class EventSink(Protocol):
    """The status exchange."""

    def publish(self, messages: Sequence[Message]) -> tuple[bool, ...]:
        """Publish in order, pipelined; for each whether the broker has confirmed it.

        Raises UnavailableError when the broker cannot be reached: none is known to be confirmed.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message from the job queue that waits to be settled."""

    body: bytes
    message_id: str | None
    redelivered: bool
    connection: int
    """The number of the connection it came on: a delivery tag means nothing on another one."""
    delivery_tag: int
    reply_to: str | None = None
    """The queue where an answer is waited for (AMQP 0-9-1, basic properties)."""
    correlation_id: str | None = None
    """What the answer is to bear."""
    offset: int | None = None
    """The message's place in a stream; None: the queue is none."""


class Settlement(StrEnum):
    """How a delivery is settled."""

    ACK = "ack"
    DEAD_LETTER = "dead-letter"


class DeliverySource(Protocol):
    """The job queue."""

    def take(self, limit: int, *, timeout: timedelta) -> tuple[Delivery, ...]:
        """Up to `limit` deliveries; waits until there is one or the time is over."""
        ...

    def settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """Settle deliveries; those of a connection that is gone come again and are left alone."""
        ...

    def hold(self, *, paused: bool) -> None:
        """Stop or resume consuming; what was delivered before may still be taken."""
        ...
