"""A Scheduler over a cluster in memory, with every way in which Slurm fails, by script."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock

from bridge.core.errors import (
    OverBudgetError,
    SiteFullError,
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.facts import Sighting
from bridge.core.job import SlurmId, SubmissionTag, slurm_order
from bridge.testing.cluster import FakeCluster


class Submission(StrEnum):
    """How a submission goes. The values are Slurm's words."""

    TAKEN = "Submitted batch job"
    REFUSED = "Invalid account or account/partition combination specified"
    UNCERTAIN_BUT_THERE = "Socket timed out on send/recv operation"
    UNCERTAIN_AND_LATE = "Zero Bytes were transmitted or received"
    """The job shows in the queue only after `FakeSlurm.lateness`."""
    UNCERTAIN_AND_NOT_THERE = "Message receive failure"
    NOT_UNDERSTOOD = "The site's own plugin says no"
    """Words that nobody knows; the job is not there."""
    BROKEN = "a bug of the adapter"
    """It raises what no adapter may raise; the job is not there."""
    UNAVAILABLE = "Slurm job queue full"
    SITE_FULL = "Job violates accounting/QOS policy (QOSMaxSubmitJobPerUserLimit)"


class Accounting(StrEnum):
    """What accounting is like at the site."""

    ON = "it answers"
    OFF = "Slurm accounting storage is disabled"
    DOWN = "Problem talking to the database"


class FakeSlurm:
    """A Scheduler; what it says is what `cluster` holds and what a test has scripted."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.submissions: deque[Submission] = deque()
        """How the next submissions go, in order; all others are taken."""
        self.meanwhile: deque[Callable[[], object]] = deque()
        """What happens elsewhere while the next submissions are on their way, in order."""
        self.controller_answers = True
        self.over_budget: set[str] = set()
        """The names of the methods that may not be called just now."""
        self.accounting_is = Accounting.ON
        self.accounting_lag = timedelta(0)
        """How far accounting is behind the queue."""
        self.lateness = timedelta(seconds=10)
        self.calls: list[str] = []
        """The names of the methods called, in order."""
        self._lock = Lock()

    def submit(self, script: str) -> SlurmId:
        """Submit a batch script, with the outcome that is next in `submissions`."""
        with self._lock:
            self._call("submit")
            if self.meanwhile:
                self.meanwhile.popleft()()
            outcome = self.submissions.popleft() if self.submissions else Submission.TAKEN
            match outcome:
                case Submission.TAKEN:
                    return self.cluster.submit(script)
                case Submission.REFUSED:
                    raise SubmissionRefusedError(outcome)
                case Submission.UNAVAILABLE:
                    raise UnavailableError(outcome)
                case Submission.SITE_FULL:
                    raise SiteFullError(outcome)
                case Submission.UNCERTAIN_BUT_THERE:
                    self.cluster.submit(script)
                case Submission.UNCERTAIN_AND_LATE:
                    self.cluster.submit(script, delay=self.lateness)
                case Submission.BROKEN:
                    raise RuntimeError(outcome)
                case Submission.UNCERTAIN_AND_NOT_THERE | Submission.NOT_UNDERSTOOD:
                    pass
            raise SubmissionUncertainError(
                outcome, is_understood=outcome is not Submission.NOT_UNDERSTOOD
            )

    def find(
        self, tags: Collection[SubmissionTag], *, since: datetime
    ) -> Mapping[SubmissionTag, tuple[SlurmId, ...]]:
        """Of each tag, every job that bears it, lowest id first."""
        with self._lock:
            self._call("find")
            seen = self.cluster.queue()
            if self.accounting_is is Accounting.ON:
                seen += self.cluster.records(since=since, lag=self.accounting_lag)
            ids = {tag: {it.slurm_id for it in seen if it.tag == tag} for tag in tags}
            if self.accounting_is is Accounting.DOWN:
                ids = {tag: found for tag, found in ids.items() if found}
                if not ids:
                    raise UnavailableError(self.accounting_is)
            return {tag: tuple(sorted(found, key=slurm_order)) for tag, found in ids.items()}

    def queue(self) -> tuple[Sighting, ...]:
        """What squeue sees."""
        with self._lock:
            self._call("queue")
            return self.cluster.queue()

    def accounting(
        self, slurm_ids: Iterable[SlurmId], *, since: datetime
    ) -> tuple[Sighting, ...] | None:
        """What sacct sees of these jobs; it answers also while the controller does not."""
        with self._lock:
            self._count("accounting")
            if self.accounting_is is Accounting.DOWN:
                raise UnavailableError(self.accounting_is)
            if self.accounting_is is Accounting.OFF:
                return None
            wanted = set(slurm_ids)
            records = self.cluster.records(since=since, lag=self.accounting_lag)
            return tuple(it for it in records if it.slurm_id in wanted)

    def cancel(self, jobs: Collection[tuple[SlurmId, SubmissionTag]]) -> None:
        """As scancel: silent about jobs that it does not know, or that bear another tag."""
        with self._lock:
            self._call("cancel")
            for slurm_id, tag in jobs:
                if self.cluster.tag_of(slurm_id) == tag:
                    self.cluster.cancel(slurm_id)

    def _count(self, name: str) -> None:
        if name in self.over_budget:
            raise OverBudgetError(f"{name} was called too often", wait=timedelta(seconds=20))
        self.calls.append(name)

    def _call(self, name: str) -> None:
        self._count(name)
        if not self.controller_answers:
            raise UnavailableError("Unable to contact slurm controller (connect failure)")
