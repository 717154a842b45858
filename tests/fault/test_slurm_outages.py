"""Slurm's daemons, and the way to them, go away while jobs wait, run and are submitted."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from counted_jobs import ENDS, impatient, runs_of, send, slurm_ids, wait_for_ends
from site_bridge import UNTIL_LET_GO, Configuration, OpenBridge, SiteBridge
from slurm_nodes import ONE_NODE, fill_the_nodes
from slurm_site import controller_port, slurm_conf_through
from tcp_proxy import TcpProxy
from testbed import Testbed

BackAfter = Callable[[str], None]

pytestmark = pytest.mark.usefixtures("slurm_as_it_was")


def wait_until_saved(bridge: SiteBridge, testbed: Testbed) -> None:
    """Wait until the controller has written down what it knows now: it takes up to 5 s for it."""
    now = time.time()
    memory = testbed.folder / "slurm" / "state" / "job_state"
    bridge.wait_until(lambda: memory.stat().st_mtime > now, "the controller has saved its state")


@pytest.mark.parametrize("end", [Testbed.kill, pytest.param(Testbed.stop, marks=pytest.mark.soak)])
def test_a_controller_that_is_away_is_told_once_and_costs_no_job(
    testbed: Testbed,
    open_bridge: OpenBridge,
    back_after: BackAfter,
    end: Callable[[Testbed, str], None],
) -> None:
    bridge = open_bridge(impatient)
    running = [send(bridge, UNTIL_LET_GO, resources=ONE_NODE) for _ in range(2)]
    for job_id in running:
        bridge.wait_for(job_id, {"started"})
    waiting = [send(bridge, resources=ONE_NODE) for _ in range(3)]
    for job_id in waiting:
        bridge.wait_for(job_id, {"queued"})
    wait_until_saved(bridge, testbed)
    back_after("slurmctld")
    end(testbed, "slurmctld")
    taken = send(bridge)
    bridge.wait_for(taken, {"accepted"})
    bridge.wait_until(lambda: not bridge.takes_jobs(), "no jobs are taken")
    left = send(bridge)
    bridge.wait_for(None, {"unreachable"})
    for job_id in running:
        bridge.let_go(job_id)
        bridge.wait_for(job_id, {"exited"})
    assert not [it for it in (*running, *waiting) if ENDS & set(bridge.told(it))]
    assert bridge.told(taken) == ["accepted"]
    assert bridge.told(left) == []
    testbed.start("slurmctld")
    wait_for_ends(bridge, dict.fromkeys([*running, *waiting, taken, left], "finished"))
    assert [str(it.data.event) for it in bridge.events()] == ["unreachable", "recovered"]
    bridge.wait_until(bridge.takes_jobs, "jobs are taken again")


def test_a_controller_that_forgets_a_job_and_gives_its_id_out_again_confuses_nothing(
    testbed: Testbed, open_bridge: OpenBridge, back_after: BackAfter, user_folder: Path
) -> None:
    def brief(configuration: Configuration) -> None:
        impatient(configuration)
        configuration["polling"] |= {"absence_grace": "4s"}

    bridge = open_bridge(brief)
    in_the_way = fill_the_nodes(bridge)
    back_after("slurmctld")
    testbed.stop("slurmctld")
    memory = testbed.folder / "slurm" / "state"
    before = user_folder / "state"
    shutil.copytree(memory, before)
    testbed.start("slurmctld")
    forgotten = send(bridge)
    bridge.wait_for(forgotten, {"queued"})
    testbed.kill("slurmctld")
    # As if it had been killed before it had saved its state. Its job scripts stay where they were.
    for name in ("job_state", "job_state.old"):
        shutil.copyfile(before / "job_state", memory / name)
    testbed.start("slurmctld")
    again = send(bridge)
    bridge.wait_for(again, {"queued"})
    assert bridge.last(again).data.slurm_id == bridge.events(forgotten)[1].data.slurm_id
    bridge.as_user("scancel", in_the_way)
    wait_for_ends(bridge, {again: "finished", forgotten: "failed"})
    assert bridge.last(forgotten).data.reason == "lost"
    assert runs_of(bridge, forgotten) == []


def test_without_its_database_slurm_takes_and_runs_jobs_and_their_ends_are_told_later(
    testbed: Testbed, open_bridge: OpenBridge, back_after: BackAfter
) -> None:
    bridge = open_bridge(impatient)
    early = send(bridge, UNTIL_LET_GO)
    bridge.wait_for(early, {"started"})
    back_after("slurmdbd")
    testbed.stop("slurmdbd")
    bridge.let_go(early)
    good, bad = send(bridge), send(bridge, "exit 7")
    for job_id in (early, good, bad):
        bridge.wait_for(job_id, {"exited"})
    bridge.wait_until(lambda: "accounting_unavailable" in bridge.logged(), "accounting is asked")
    assert not [it for it in (early, good, bad) if ENDS & set(bridge.told(it))]
    testbed.start("slurmdbd")
    wait_for_ends(bridge, {early: "finished", good: "finished", bad: "failed"})
    assert bridge.last(bad).data.exit_code == 7
    assert not bridge.events()


@pytest.fixture
def way(testbed: Testbed) -> Iterator[TcpProxy]:
    """A way to slurmctld that can be disturbed."""
    with TcpProxy(controller_port(testbed)) as it:
        yield it


@pytest.fixture
def far_bridge(
    testbed: Testbed, user_folder: Path, open_bridge: OpenBridge, way: TcpProxy
) -> SiteBridge:
    """A bridge that reaches the controller by that way alone; all others go straight to it."""
    conf = slurm_conf_through(testbed, user_folder, way.port)

    def by_that_way(configuration: Configuration) -> None:
        impatient(configuration)
        configuration["scheduler"]["environment"]["SLURM_CONF"] = str(conf)

    return open_bridge(by_that_way)


def test_jobs_whose_submission_slurm_took_without_a_reply_are_adopted(
    far_bridge: SiteBridge, way: TcpProxy
) -> None:
    way.drop_replies()
    jobs = [send(far_bridge) for _ in range(4)]
    for job_id in jobs:
        far_bridge.wait_for(job_id, {"accepted"})
    far_bridge.wait_until(
        lambda: any(slurm_ids(far_bridge, it) for it in jobs), "Slurm has one of the jobs"
    )
    way.mend()
    wait_for_ends(far_bridge, dict.fromkeys(jobs, "finished"))
    assert "submission_found" in far_bridge.logged()


def test_a_submission_that_comes_through_after_it_was_given_up_runs_nothing_twice(
    far_bridge: SiteBridge, way: TcpProxy
) -> None:
    way.hold_requests()
    job_id = send(far_bridge, "sleep 3")
    far_bridge.wait_until(
        lambda: "submission_uncertain" in far_bridge.logged(), "the submission is in doubt"
    )
    assert not slurm_ids(far_bridge, job_id)
    way.mend()
    far_bridge.wait_for(job_id, {"started"})
    way.let_go()
    far_bridge.wait_until(
        lambda: [len(it) for it in slurm_ids(far_bridge, job_id).values()] == [2],
        "Slurm has the job twice",
    )
    far_bridge.wait_for(job_id, ENDS)
    assert far_bridge.told(job_id)[-1] == "finished"
    (tag,) = slurm_ids(far_bridge, job_id)
    far_bridge.wait_until(
        lambda: not far_bridge.as_user("squeue", "-h", f"--name={tag}"),
        "both Slurm jobs have ended",
    )
    assert [it.attempt for it in runs_of(far_bridge, job_id)] == [1]
