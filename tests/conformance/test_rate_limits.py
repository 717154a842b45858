"""A controller that limits the rate of each user's requests, in each way to it.

Slurm's own programs wait and ask again by themselves when they are told to back off, without a word
(slurm.conf(5), SlurmctldParameters, rl_enable): what is asked takes longer, and nothing more.
"""

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from counted_jobs import counting, runs_of, send, wait_for_ends
from site_bridge import OpenBridge
from slurm_site import a_script, a_tag, command_line, eventually
from slurm_ways import WAYS, scheduler_by
from testbed import Testbed

from bridge.adapters.clock import SystemClock
from bridge.core.job import SlurmId
from bridge.ports import Scheduler

FOREVER = "sleep 300"
AT_ONCE = 8

pytestmark = pytest.mark.testbed


@pytest.fixture(scope="module")
def limited(testbed: Testbed) -> Iterator[Testbed]:
    """The testbed with a bucket that a handful of requests empties."""
    try:
        testbed.set_up("--rate-limit")
    except subprocess.CalledProcessError as error:
        if "rate limits came with 23.02" not in error.stdout:
            raise
        pytest.skip(error.stdout.strip())
    yield testbed
    testbed.set_up("--no-rate-limit")


@pytest.fixture(params=WAYS)
def slurm(request: pytest.FixtureRequest, limited: Testbed) -> Iterator[Scheduler]:
    with scheduler_by(request.param, limited) as scheduler:
        yield scheduler


def limits(testbed: Testbed) -> int:
    """How often the controller has told somebody to back off."""
    log = (testbed.folder / "log" / "slurmctld.log").read_text(encoding="utf-8", errors="replace")
    return log.count("telling to back off")


def ask_until_limited(testbed: Testbed, ask: Callable[[], object], *, before: int) -> None:
    """Ask many times at once, again and again: a slow machine may need longer to be told off."""
    with ThreadPoolExecutor(2 * AT_ONCE) as pool:

        def is_limited() -> bool:
            for answer in [pool.submit(ask) for _ in range(2 * AT_ONCE)]:
                answer.result()
            return limits(testbed) > before

        eventually(is_limited)


def test_of_many_requests_at_once_none_is_lost_doubled_or_mistaken(
    limited: Testbed, slurm: Scheduler
) -> None:
    since, before = SystemClock().now(), limits(limited)
    tags = [a_tag() for _ in range(AT_ONCE)]
    with ThreadPoolExecutor(2 * AT_ONCE) as pool:
        submitted = [pool.submit(slurm.submit, a_script(it, FOREVER, "--hold")) for it in tags]
        looks = [pool.submit(slurm.queue) for _ in range(AT_ONCE)]
        ids = [it.result() for it in submitted]
        assert all(isinstance(it.result(), tuple) for it in looks)
    ask_until_limited(limited, slurm.queue, before=before)
    assert slurm.find(tags, since=since) == {
        tag: (slurm_id,) for tag, slurm_id in zip(tags, ids, strict=True)
    }
    in_queue = {it.slurm_id: it.tag for it in slurm.queue() if it.tag in set(tags)}
    assert in_queue == dict(zip(ids, tags, strict=True))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda it: slurm.cancel([it]), zip(ids, tags, strict=True)))
    eventually(lambda: words(slurm, ids) == {"CANCELLED"})


def words(slurm: Scheduler, ids: list[SlurmId]) -> set[str]:
    return {it.word for it in slurm.queue() if it.slurm_id in set(ids)}


def test_what_slurm_is_can_be_told_all_the_same(limited: Testbed) -> None:
    slurm, before = command_line(limited), limits(limited)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        clients = list(pool.map(lambda _: slurm.client(), range(AT_ONCE)))
    ask_until_limited(limited, slurm.client, before=before)
    assert {it.cli_filters for it in clients} == {()}
    assert len({it.version for it in clients}) == 1


def test_a_bridge_runs_each_job_once(limited: Testbed, open_bridge: OpenBridge) -> None:
    before = limits(limited)
    bridge = open_bridge(counting)
    jobs: list[str] = []
    while not jobs or limits(limited) == before:
        jobs = [send(bridge) for _ in range(AT_ONCE)]
        wait_for_ends(bridge, dict.fromkeys(jobs, "finished"))
    assert [len(runs_of(bridge, it)) for it in jobs] == [1] * len(jobs)
