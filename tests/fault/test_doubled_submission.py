"""Two Slurm jobs of one attempt: its container is run once, and the bridge tells how that ended."""

from pathlib import Path

import pytest
from counted_jobs import JobLoad, quick, runs_of
from site_bridge import Configuration, OpenBridge, SiteBridge
from stand_ins import stand_in, stand_ins_first
from testbed import Testbed

RUNS_NOTHING = "75:0"
WITH_OPTIONS = """\
# Slurm may start the job only when it is released, where a file says so.
if [ -e '{folder}/hold' ]; then
    exec {real} --hold "$@"
fi
exec {real} "$@"
"""
TWICE = """\
# Submits twice the first time: what comes first may not start yet. Says nothing of it for long.
if mkdir '{folder}/twice'; then
    cat > '{folder}/script'
    {real} --hold "$@" < '{folder}/script' > '{folder}/first'
    {real} "$@" < '{folder}/script' > '{folder}/second'
    exec sleep 30
fi
exec {real} "$@"
"""


def open_with(
    script: str, open_bridge: OpenBridge, testbed: Testbed, user_folder: Path
) -> SiteBridge:
    def configure(configuration: Configuration) -> None:
        quick(configuration)
        stand_ins_first(configuration, stand_ins)

    stand_ins = stand_in(testbed, user_folder, "sbatch", script)
    return open_bridge(configure)


@pytest.fixture
def site(open_bridge: OpenBridge, testbed: Testbed, user_folder: Path) -> SiteBridge:
    return open_with(WITH_OPTIONS, open_bridge, testbed, user_folder)


def hold_jobs(site: SiteBridge) -> None:
    """Jobs that the bridge submits wait until they are released."""
    (site.folder / "hold").touch()


def submit_by_hand(site: SiteBridge, job_id: str) -> str:
    """Submit the first attempt of a job once more; the id of that Slurm job."""
    script = site.folder / job_id / "attempt-1.sbatch"
    return site.as_user("sbatch", "--parsable", str(script)).strip()


def exit_code(site: SiteBridge, slurm_id: str) -> str:
    """As sacct has it."""
    return site.as_user("sacct", "-X", "-n", "-P", "-j", slurm_id, "--format=ExitCode").strip()


def wait_until_it_ran_nothing(site: SiteBridge, slurm_id: str) -> None:
    site.wait_until(lambda: exit_code(site, slurm_id) == RUNS_NOTHING, "it runs nothing")


def test_a_second_slurm_job_runs_nothing_while_the_first_one_runs(site: SiteBridge) -> None:
    load = JobLoad(site)
    job_id = load.send(seconds=None, exit_code=3)
    first = site.wait_for(job_id, {"started"}).data.slurm_id
    wait_until_it_ran_nothing(site, submit_by_hand(site, job_id))
    site.let_go(job_id)
    load.check(doubled=[job_id])
    assert site.last(job_id).data.slurm_id == first


def test_a_second_slurm_job_runs_nothing_after_the_first_one(site: SiteBridge) -> None:
    load = JobLoad(site)
    job_id = load.send()
    load.check()
    wait_until_it_ran_nothing(site, submit_by_hand(site, job_id))
    load.check(doubled=[job_id])


@pytest.mark.parametrize("code", [0, 7])
@pytest.mark.parametrize("still_runs", [False, True])
def test_the_slurm_job_that_has_the_container_decides_although_the_bridge_knew_another(
    site: SiteBridge, code: int, *, still_runs: bool
) -> None:
    hold_jobs(site)
    load = JobLoad(site)
    job_id = load.send(seconds=None, exit_code=code)
    first = str(site.wait_for(job_id, {"queued"}).data.slurm_id)
    second = submit_by_hand(site, job_id)
    site.wait_until(lambda: bool(runs_of(site, job_id)), "the second one runs the container")
    if not still_runs:
        site.let_go(job_id)
        ended = site.folder / job_id / "attempt-1.0.ended"
        site.wait_until(ended.exists, "the second one ends before the first one starts")
    site.as_user("scontrol", "release", first)
    wait_until_it_ran_nothing(site, first)
    if still_runs:
        site.wait_until(lambda: "claimed" in site.logged(), "the bridge has seen whose it is")
        site.let_go(job_id)
    load.check(doubled=[job_id])
    assert site.last(job_id).data.slurm_id == second


def test_a_cancel_reaches_the_slurm_job_that_has_the_container(site: SiteBridge) -> None:
    hold_jobs(site)
    load = JobLoad(site)
    job_id = load.send(seconds=None)
    site.wait_for(job_id, {"queued"})
    second = submit_by_hand(site, job_id)
    site.wait_for(job_id, {"started"})
    load.cancel(job_id)
    load.check(doubled=[job_id])
    assert site.last(job_id).data.detail == "stopped while it ran"
    assert site.last(job_id).data.slurm_id == second
    site.wait_until(lambda: not load.queued(), "both Slurm jobs are over")


def test_a_job_cancelled_in_the_queue_is_not_run_by_a_second_slurm_job(site: SiteBridge) -> None:
    hold_jobs(site)
    load = JobLoad(site)
    job_id = load.send()
    site.wait_for(job_id, {"queued"})
    load.cancel(job_id)
    load.check()
    wait_until_it_ran_nothing(site, submit_by_hand(site, job_id))
    assert runs_of(site, job_id) == []


def test_of_two_that_are_found_after_a_crash_the_one_with_the_container_is_kept(
    open_bridge: OpenBridge, testbed: Testbed, user_folder: Path
) -> None:
    site = open_with(TWICE, open_bridge, testbed, user_folder)
    load = JobLoad(site)
    job_id = load.send(seconds=None)
    site.wait_until(lambda: bool(runs_of(site, job_id)), "the second one runs the container")
    site.kill()
    site.start()
    first, second = ((user_folder / it).read_text().strip() for it in ("first", "second"))
    state = ("sacct", "-X", "-n", "-P", "-j", first, "--format=State")
    site.wait_until(lambda: site.as_user(*state).startswith("CANCELLED"), "the first one is ended")
    site.let_go(job_id)
    load.check(doubled=[job_id])
    assert site.last(job_id).data.slurm_id == second
