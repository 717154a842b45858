"""Jobs that count their own runs, and what must hold of every job, whatever has failed."""

import subprocess
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pika
from rabbitmq_management import until
from site_bridge import PATIENCE, Configuration, SiteBridge
from testbed import Broker, Testbed

ENDS = {"finished", "failed", "cancelled"}
BUSY = {"nodes": 2, "tasks": 2, "cpus_per_task": 8, "walltime": "00:05:00"}
"""All there is of the testbed's `cpu` partition."""
ONE_NODE = {"cpus_per_task": 8, "walltime": "00:05:00"}

_RUNS = "runs"
_SETUP = """\
export APPTAINERENV_TEST_RESTART="${SLURM_RESTART_COUNT:-0}"
export APPTAINERENV_TEST_SLURM_ID="$SLURM_JOB_ID"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a job's container, as it noted it itself."""

    attempt: int
    restart: int
    slurm_id: str


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


def counted(bridge: SiteBridge, then: str = "true", **changes: object) -> dict[str, object]:
    """A job message whose container notes its run in the job's folder, and goes on with `then`."""
    note = f'echo "$BRIDGE_ATTEMPT $TEST_RESTART $TEST_SLURM_ID" >>{_RUNS}'
    return bridge.job("sh", "-c", f"{note}\n{then}", **changes)


def send(bridge: SiteBridge, then: str = "true", **changes: object) -> str:
    """Submit such a job; its id."""
    return bridge.submit(counted(bridge, then, **changes))


def runs_of(bridge: SiteBridge, job_id: str) -> list[Run]:
    """The runs that the containers noted."""
    path = Path(bridge.settings.site.work_root) / job_id / _RUNS
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
    bridge: SiteBridge, wanted: Mapping[str, str], *, patience: timedelta = 2 * PATIENCE
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
    told = bridge.told(job_id)
    assert told[-1] == end, told
    assert sum(it in ENDS for it in told) == 1, told
    numbers = [it.data.sequence for it in bridge.events(job_id)]
    assert numbers == list(range(1, len(numbers) + 1))
    runs = runs_of(bridge, job_id)
    twice = [
        it for it, count in Counter((it.attempt, it.restart) for it in runs).items() if count > 1
    ]
    assert not twice, runs
    if end == "finished":
        assert runs
    doubled = {tag: ids for tag, ids in slurm_ids(bridge, job_id).items() if len(ids) > 1}
    assert not doubled


def takes_jobs(bridge: SiteBridge, broker: Broker) -> bool:
    """Whether the bridge consumes new jobs at this moment, as the broker tells it."""
    queue = bridge.settings.broker.jobs_queue(bridge.name)
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        declared = connection.channel().queue_declare(queue, passive=True)
        return bool(declared.method.consumer_count)


def fill_the_nodes(bridge: SiteBridge) -> str:
    """Have a Slurm job of the user's own take all nodes; its id. `scancel` makes room."""
    options = ("--nodes=2", "--ntasks=2", "--cpus-per-task=8", "--time=30", "--output=/dev/null")
    slurm_id = bridge.as_user("sbatch", "--parsable", *options, "--wrap=sleep 600").strip()
    running = ("squeue", "-h", f"--jobs={slurm_id}", "--states=running")
    bridge.wait_until(lambda: bool(bridge.as_user(*running)), "the nodes are taken")
    return slurm_id


def as_root(testbed: Testbed, *argv: str) -> str:
    """What a command of the site's administrator prints."""
    return subprocess.run(
        ["env", f"SLURM_CONF={testbed.slurm_conf}", f"PATH={testbed.path}", *argv],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE.total_seconds(),
    ).stdout


def bring_nodes_back(testbed: Testbed) -> None:
    """Have Slurm use again the nodes that it, or an administrator, took out of use."""

    def lost() -> set[str]:
        listed = as_root(testbed, "sinfo", "-h", "--states=down,drain", "--Node", "--format=%N")
        return set(listed.split())

    def none_is_lost() -> bool:
        for node in lost():
            # A node that comes back by itself meanwhile cannot be resumed.
            with suppress(subprocess.CalledProcessError):
                as_root(testbed, "scontrol", "update", f"nodename={node}", "state=resume")
        return not lost()

    assert until(none_is_lost)
