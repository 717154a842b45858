"""Jobs that count their own runs, and what must hold of them whatever was done to the bridge."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from site_bridge import TERMINAL, Configuration, SiteBridge

from bridge.wire.event import CloudEvent

TO_THE_END = timedelta(seconds=120)
ENDS = TERMINAL - {"rejected"}
COUNT_A_RUN = 'echo "$BRIDGE_ATTEMPT" >> "$BRIDGE_JOB_DIR/runs"'


def quick(configuration: Configuration) -> None:
    """The site looks often, and does not wait long for what may not have arrived."""
    configuration["polling"] |= {"shortest": "1s", "longest": "2s", "absence_grace": "30s"}
    configuration["scheduler"] |= {"settle_time": "3s", "queries_per_minute": 6000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How a job must end."""

    event: str
    exit_code: int | None
    runs: frozenset[int]
    """How often its container may have been run."""


FINISHED = Expected(event="finished", exit_code=0, runs=frozenset({1}))
CANCELLED = Expected(event="cancelled", exit_code=None, runs=frozenset({0, 1}))


def failed(exit_code: int) -> Expected:
    """The container's own exit code, from its one run."""
    return Expected(event="failed", exit_code=exit_code, runs=frozenset({1}))


class JobLoad:
    """Jobs of one bridge: sends them, and says in the end whether everything came out right.

    No job is lost, each has one terminal event, the right one, and sequence numbers without gaps;
    no container was run twice, and Slurm has one job for each attempt.
    """

    def __init__(self, bridge: SiteBridge) -> None:
        self._bridge = bridge
        self._expected: dict[str, Expected] = {}

    def __len__(self) -> int:
        return len(self._expected)

    def send(self, *, exit_code: int = 0, seconds: float = 0) -> str:
        """Send a job that takes so long and ends so; its id."""
        job_id = str(uuid.uuid4())
        self._bridge.submit(self.message(job_id, exit_code=exit_code, seconds=seconds))
        return job_id

    def message(
        self, job_id: str, *, exit_code: int = 0, seconds: float = 0
    ) -> Mapping[str, object]:
        """The message of such a job, which is expected from now on."""
        self._expected[job_id] = failed(exit_code) if exit_code else FINISHED
        script = f"{COUNT_A_RUN}; sleep {seconds}; exit {exit_code}"
        return self._bridge.job("sh", "-c", script, job_id=job_id)

    def send_one_to_cancel(self) -> str:
        """Send a job that only ends when it is cancelled, and does not wait for its end."""
        job_id = self.send(seconds=100)
        self.cancel(job_id)
        return job_id

    def cancel(self, job_id: str) -> None:
        """Send the cancel message of a job that is expected to obey it."""
        self._bridge.cancel(job_id)
        self.expect_cancel(job_id)

    def expect_cancel(self, job_id: str) -> None:
        """The job is to end by a cancel."""
        self._expected[job_id] = CANCELLED

    def check(self, *, doubled: Collection[str] = (), patience: timedelta = TO_THE_END) -> None:
        """Wait for the ends of all jobs; AssertionError when anything came out wrong.

        Of those that are `doubled`, Slurm may have two jobs for one attempt.
        """
        self._bridge.wait_until(lambda: not self.unfinished(), "all jobs end", patience=patience)
        wrong = [problem for job_id in self._expected for problem in self._problems(job_id)]
        slurm_jobs = self.slurm_jobs()
        wrong += [
            f"{tag}: more Slurm jobs than one: {ids}"
            for tag, ids in slurm_jobs.items()
            if len(ids) > 1 and not any(it in tag for it in doubled)
        ]
        assert not wrong, "\n".join(wrong)

    def slurm_jobs(self) -> Mapping[str, list[str]]:
        """The ids of the Slurm jobs of each attempt, by the name that they bear."""
        found: dict[str, list[str]] = defaultdict(list)
        rows = self._bridge.as_user(
            *("sacct", "-X", "-n", "-P", "--starttime=now-1hour", "--format=JobIDRaw,JobName%100")
        )
        for row in rows.splitlines():
            slurm_id, _, tag = row.partition("|")
            if any(job_id in tag for job_id in self._expected):
                found[tag].append(slurm_id)
        return found

    def unfinished(self) -> int:
        """How many jobs have not told their end."""
        return sum(not self._is_over(it) for it in self._expected)

    def queued(self) -> list[str]:
        """The names of the Slurm jobs that squeue still lists, and that are not over."""
        names = self._bridge.as_user("squeue", "--me", "-h", "-o", "%j").split()
        return [it for it in names if any(job_id in it for job_id in self._expected)]

    def _story(self, job_id: str) -> list[CloudEvent]:
        # A rejection of another message that bears the id of a job is no event of the job.
        return [it for it in self._bridge.events(job_id) if it.data.event != "rejected"]

    def _is_over(self, job_id: str) -> bool:
        return any(it.data.event in ENDS for it in self._story(job_id))

    def _problems(self, job_id: str) -> Iterator[str]:
        """What is wrong with a job, in words."""
        expected, events = self._expected[job_id], self._story(job_id)
        story = " ".join(f"{it.data.sequence}:{it.data.event}" for it in events)
        last = events[-1].data
        ends = [it for it in events if it.data.event in ENDS]
        if [it.data.sequence for it in events] != list(range(1, len(events) + 1)):
            yield f"{job_id}: sequence numbers with gaps: {story}"
        if len(ends) != 1 or ends[0] is not events[-1]:
            yield f"{job_id}: not one terminal event, the last: {story}"
        if last.event != expected.event:
            yield f"{job_id}: {expected.event} was expected: {story}: {last}"
        if expected.exit_code is not None and last.exit_code != expected.exit_code:
            yield f"{job_id}: exit code {expected.exit_code} was expected, not {last.exit_code}"
        if not _agree(self._bridge.deliveries(job_id)):
            yield f"{job_id}: two events bear one id"
        attempts = self.attempts_run(job_id)
        if len(attempts) not in expected.runs or set(attempts.values()) - {1}:
            yield f"{job_id}: runs of its container, by attempt: {dict(attempts)}"

    def attempts_run(self, job_id: str) -> Counter[str]:
        """How often the container of each attempt was run."""
        counted = Path(self._bridge.folder) / job_id / "runs"
        return Counter(counted.read_text().split() if counted.exists() else ())


def _agree(deliveries: list[CloudEvent]) -> bool:
    """Whether all that bears one id is the same."""
    first: dict[str, CloudEvent] = {}
    return all(first.setdefault(it.id, it) == it for it in deliveries)
