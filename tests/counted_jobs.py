"""Jobs that count their own runs, and what must hold of every job, whatever has failed."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from site_bridge import TERMINAL, UNTIL_LET_GO, Configuration, SiteBridge

from bridge.wire.event import CloudEvent

TO_THE_END = timedelta(minutes=4)
ENDS = TERMINAL - {"rejected"}

_SETUP = """\
export APPTAINERENV_TEST_RESTART="${SLURM_RESTART_COUNT:-0}"
export APPTAINERENV_TEST_SLURM_ID="$SLURM_JOB_ID"
"""
_NOTE_THE_RUN = 'echo "$BRIDGE_ATTEMPT $TEST_RESTART $TEST_SLURM_ID" >>"$BRIDGE_JOB_DIR/runs"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a job's container, as it noted it itself."""

    attempt: int
    restart: int
    slurm_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How a job must end."""

    event: str
    exit_code: int | None = None
    """None: whichever."""
    runs: frozenset[int] | None = None
    """How often its container may have been run; None: as often as Slurm or a retry starts it."""


def counting(configuration: Configuration) -> None:
    """Has the site's scripts tell the container what it needs to note its run."""
    configuration["setup"] = _SETUP


def impatient(configuration: Configuration) -> None:
    """Short times, for tests in which Slurm is away; and runs are counted."""
    counting(configuration)
    configuration["scheduler"] |= {
        "query_timeout": "3s",
        "submit_timeout": "4s",
        "settle_time": "3s",
    }
    configuration["polling"] |= {"unreachable_after": "4s"}


def quick(configuration: Configuration) -> None:
    """The site looks often, and does not wait long for what may not have arrived; runs count."""
    counting(configuration)
    configuration["polling"] |= {"shortest": "1s", "longest": "2s", "absence_grace": "30s"}
    configuration["scheduler"] |= {"settle_time": "3s", "queries_per_minute": 6000}


def counted(bridge: SiteBridge, then: str = "true", **changes: object) -> dict[str, object]:
    """A job message whose container notes its run in the job's folder, and goes on with `then`."""
    return bridge.job("sh", "-c", f"{_NOTE_THE_RUN}\n{then}", **changes)


def send(bridge: SiteBridge, then: str = "true", **changes: object) -> str:
    """Submit such a job; its id."""
    return bridge.submit(counted(bridge, then, **changes))


def runs_of(bridge: SiteBridge, job_id: str) -> list[Run]:
    """The runs that the containers noted."""
    path = Path(bridge.settings.site.work_root) / job_id / "runs"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = [line.split() for line in text.splitlines()]
    return [
        Run(attempt=int(attempt), restart=int(restart), slurm_id=slurm_id)
        for attempt, restart, slurm_id in rows
    ]


def slurm_ids(bridge: SiteBridge, job_id: str) -> dict[str, list[str]]:
    """The Slurm jobs that bear the job's tags: ids by tag. MinJobAge must not have passed."""
    listed = bridge.as_user("squeue", "--me", "-h", "--states=all", "--format=%i %j").splitlines()
    found: dict[str, list[str]] = {}
    for line in listed:
        slurm_id, tag = line.split(maxsplit=1)
        if job_id in tag:
            found.setdefault(tag, []).append(slurm_id)
    return found


def wait_for_ends(
    bridge: SiteBridge, wanted: Mapping[str, str], *, patience: timedelta = TO_THE_END
) -> None:
    """Wait for the terminal event of each job, and check it and all that must hold of the job.

    `wanted` has the kind of terminal event for each job id.
    """
    for job_id in wanted:
        bridge.wait_for(job_id, ENDS, patience=patience)
    for job_id, end in wanted.items():
        check(bridge, job_id, end)


def check(bridge: SiteBridge, job_id: str, end: str) -> None:
    """One terminal event, the last and the right one; no gap; no run and no attempt twice."""
    wrong = [*_problems(bridge, job_id, Expected(event=end))]
    wrong += _doubled(slurm_ids(bridge, job_id))
    assert not wrong, "\n".join(wrong)


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

    def send(self, *, exit_code: int = 0, seconds: float | None = 0) -> str:
        """Send a job that takes so long and ends so; its id. See `message`."""
        job_id = str(uuid.uuid4())
        self._bridge.submit(self.message(job_id, exit_code=exit_code, seconds=seconds))
        return job_id

    def message(
        self, job_id: str, *, exit_code: int = 0, seconds: float | None = 0
    ) -> Mapping[str, object]:
        """The message of such a job, which is expected from now on.

        Without `seconds` it runs until it is let go.
        """
        event = "failed" if exit_code else "finished"
        self._expected[job_id] = Expected(event=event, exit_code=exit_code, runs=frozenset({1}))
        wait = UNTIL_LET_GO if seconds is None else f"sleep {seconds}"
        changes = {"resources": {"walltime": "00:10:00"}} if seconds is None else {}
        return counted(self._bridge, f"{wait}; exit {exit_code}", job_id=job_id, **changes)

    def send_one_to_cancel(self) -> str:
        """Send a job that only ends when it is cancelled, and does not wait for its end."""
        job_id = self.send(seconds=None)
        self.cancel(job_id)
        return job_id

    def cancel(self, job_id: str) -> None:
        """Send the cancel message of a job that is expected to obey it."""
        self._bridge.cancel(job_id)
        self.expect_cancel(job_id)

    def expect_cancel(self, job_id: str) -> None:
        """The job is to end by a cancel."""
        self._expected[job_id] = Expected(event="cancelled", runs=frozenset({0, 1}))

    def check(self, *, doubled: Collection[str] = (), patience: timedelta = TO_THE_END) -> None:
        """Wait for the ends of all jobs; AssertionError when anything came out wrong.

        Of those that are `doubled`, Slurm may have two jobs for one attempt.
        """
        self._bridge.wait_until(lambda: not self.unfinished(), "all jobs end", patience=patience)
        wrong = [
            problem
            for job_id, expected in self._expected.items()
            for problem in _problems(self._bridge, job_id, expected)
        ]
        jobs = self.slurm_jobs()
        wrong += _doubled(
            {tag: ids for tag, ids in jobs.items() if not any(it in tag for it in doubled)}
        )
        assert not wrong, "\n".join(wrong)

    def slurm_jobs(self) -> Mapping[str, list[str]]:
        """The ids of the Slurm jobs of each attempt, by the name that they bear.

        As accounting has them: a long load outlives MinJobAge.
        """
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
        return sum(
            not any(it.data.event in ENDS for it in _story(self._bridge, job_id))
            for job_id in self._expected
        )

    def queued(self) -> list[str]:
        """The names of the Slurm jobs that squeue still lists, and that are not over."""
        names = self._bridge.as_user("squeue", "--me", "-h", "-o", "%j").split()
        return [it for it in names if any(job_id in it for job_id in self._expected)]


def _story(bridge: SiteBridge, job_id: str) -> list[CloudEvent]:
    # A rejection of another message that bears the id of a job is no event of the job.
    return [it for it in bridge.events(job_id) if it.data.event != "rejected"]


def _problems(bridge: SiteBridge, job_id: str, expected: Expected) -> Iterator[str]:
    """What is wrong with a job that has told its end, in words."""
    events = _story(bridge, job_id)
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
    if not _agree(bridge.deliveries(job_id)):
        yield f"{job_id}: two events bear one id"
    runs = runs_of(bridge, job_id)
    twice = any(it > 1 for it in Counter((it.attempt, it.restart) for it in runs).values())
    unexpected = expected.runs is not None and len(runs) not in expected.runs
    if twice or unexpected or (last.event == "finished" and not runs):
        yield f"{job_id}: runs of its container: {runs}"


def _doubled(slurm_jobs: Mapping[str, list[str]]) -> list[str]:
    return [
        f"{tag}: more Slurm jobs than one: {ids}" for tag, ids in slurm_jobs.items() if len(ids) > 1
    ]


def _agree(deliveries: list[CloudEvent]) -> bool:
    """Whether all that bears one id is the same."""
    first: dict[str, CloudEvent] = {}
    return all(first.setdefault(it.id, it) == it for it in deliveries)
