"""Jobs that wait for others, on real parts."""

import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from counted_jobs import check, counting, runs_of, send
from site_bridge import TERMINAL, UNTIL_LET_GO, Configuration, OpenBridge, SiteBridge


@pytest.fixture
def bridge(open_bridge: OpenBridge) -> SiteBridge:
    def configure(configuration: Configuration) -> None:
        counting(configuration)
        configuration["polling"] |= {"shortest": "1s", "longest": "1s"}
        configuration["scheduler"]["queries_per_minute"] = 600

    return open_bridge(configure)


def let_go_when_they_wait(bridge: SiteBridge, first: str, others: Iterable[str]) -> None:
    for job_id in others:
        bridge.wait_for(job_id, {"pending"})
    bridge.wait_for(first, {"started"})
    bridge.let_go(first)


def test_a_chain_of_three_runs_one_after_the_other(bridge: SiteBridge) -> None:
    first = send(bridge, UNTIL_LET_GO)
    second = send(bridge, depends_on=[first])
    third = send(bridge, depends_on=[{"job_id": second, "condition": "afterok"}, first])

    let_go_when_they_wait(bridge, first, (second, third))
    bridge.wait_for(third, TERMINAL)

    assert bridge.told(second)[:3] == ["accepted", "pending", "queued"]
    assert f"it waits for the job {first}" in str(bridge.events(second)[1].data.detail)
    data = [bridge.last(it).data for it in (first, second, third)]
    for before, after in pairwise(data):
        assert before.ended_at is not None
        assert after.submitted_at is not None
        assert before.ended_at <= after.submitted_at
    for job_id in (first, second, third):
        check(bridge, job_id, "finished")


def test_a_failed_job_ends_those_that_wait_for_it_and_frees_those_that_want_any_end(
    bridge: SiteBridge,
) -> None:
    first = send(bridge, f"{UNTIL_LET_GO}; exit 7")
    second = send(bridge, depends_on=[first])
    third = send(bridge, depends_on=[second])
    cleanup = send(bridge, depends_on=[{"job_id": first, "condition": "afterany"}])

    let_go_when_they_wait(bridge, first, (second, third, cleanup))
    for job_id in (third, cleanup):
        bridge.wait_for(job_id, TERMINAL)

    for job_id, because in ((second, first), (third, second)):
        assert bridge.told(job_id) == ["accepted", "pending", "failed"]
        data = bridge.last(job_id).data
        assert (data.reason, data.slurm_id) == ("dependency", None)
        assert data.detail == f"it waited for the job {because}, which has failed"
        assert runs_of(bridge, job_id) == []
    check(bridge, cleanup, "finished")


def test_what_ended_while_the_daemon_was_dead_is_told_to_those_who_wait(
    bridge: SiteBridge,
) -> None:
    first = send(bridge, UNTIL_LET_GO)
    second = send(bridge, depends_on=[first])
    unwanted = send(bridge, depends_on=[first])
    bridge.wait_for(first, {"started"})
    for job_id in (second, unwanted):
        bridge.wait_for(job_id, {"pending"})
    request = bridge.folder / unwanted / "job.json"
    bridge.wait_until(request.exists, "the message of a job that waits lies in its folder")
    assert json.loads(request.read_text())["depends_on"] == [first]
    bridge.cancel(unwanted)
    bridge.wait_for(unwanted, {"cancelled"})
    bridge.kill()
    bridge.let_go(first)
    ended = bridge.folder / first / "attempt-1.0.ended"
    bridge.wait_until(ended.exists, "the first one ends while nobody looks")
    bridge.start()

    bridge.wait_for(second, TERMINAL)

    check(bridge, first, "finished")
    check(bridge, second, "finished")
    assert bridge.told(unwanted) == ["accepted", "pending", "cancelled"]
