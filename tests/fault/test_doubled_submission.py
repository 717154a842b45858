"""Two Slurm jobs of one attempt: its container is run once, and the bridge tells how that ended."""

from datetime import timedelta
from pathlib import Path

import pytest
from job_load import JobLoad, quick
from site_bridge import Configuration, OpenBridge, SiteBridge
from stand_ins import stand_in, stand_ins_first
from testbed import Testbed

FOR_LONG = timedelta(seconds=150)
RUNS_NOTHING = "75:0"
WITH_OPTIONS = """\
# Slurm may start the job only after a while, where a file says so.
if [ -e '{folder}/begin' ]; then
    exec {real} --begin="now+$(cat '{folder}/begin')" "$@"
fi
exec {real} "$@"
"""
TWICE = """\
# Submits twice the first time: what comes first may not start yet. Says nothing of it for long.
if mkdir '{folder}/twice'; then
    cat > '{folder}/script'
    {real} --begin=now+60 "$@" < '{folder}/script' > '{folder}/first'
    {real} "$@" < '{folder}/script' > '{folder}/second'
    exec sleep 10
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


def begin_late(site: SiteBridge, seconds: int) -> None:
    (site.folder / "begin").write_text(str(seconds), encoding="utf-8")


def submit_by_hand(site: SiteBridge, job_id: str) -> str:
    """Submit the first attempt of a job once more; the id of that Slurm job."""
    script = site.folder / job_id / "attempt-1.sbatch"
    return site.as_user("sbatch", "--parsable", str(script)).strip()


def exit_code(site: SiteBridge, slurm_id: str) -> str:
    """As sacct has it."""
    return site.as_user("sacct", "-X", "-n", "-P", "-j", slurm_id, "--format=ExitCode").strip()


def test_a_second_slurm_job_runs_nothing_while_the_first_one_runs(site: SiteBridge) -> None:
    load = JobLoad(site)
    job_id = load.send(seconds=5, exit_code=3)
    first = site.wait_for(job_id, {"started"}).data.slurm_id
    second = submit_by_hand(site, job_id)
    load.check(doubled=[job_id])
    assert site.last(job_id).data.slurm_id == first
    assert exit_code(site, second) == RUNS_NOTHING


def test_a_second_slurm_job_runs_nothing_after_the_first_one(site: SiteBridge) -> None:
    load = JobLoad(site)
    job_id = load.send()
    load.check()
    second = submit_by_hand(site, job_id)
    site.wait_until(lambda: exit_code(site, second) == RUNS_NOTHING, "it runs nothing")
    load.check(doubled=[job_id])


@pytest.mark.parametrize("code", [0, 7])
@pytest.mark.parametrize("seconds", [0, 12])
def test_the_slurm_job_that_has_the_container_decides_although_the_bridge_knew_another(
    site: SiteBridge, seconds: int, code: int
) -> None:
    begin_late(site, 6)
    load = JobLoad(site)
    job_id = load.send(seconds=seconds, exit_code=code)
    first = site.wait_for(job_id, {"queued"}).data.slurm_id
    second = submit_by_hand(site, job_id)
    load.check(doubled=[job_id])
    assert site.last(job_id).data.slurm_id == second
    assert first != second
    assert exit_code(site, str(first)) == RUNS_NOTHING


def test_a_cancel_reaches_the_slurm_job_that_has_the_container(site: SiteBridge) -> None:
    begin_late(site, 100)
    load = JobLoad(site)
    job_id = load.send(seconds=100)
    site.wait_for(job_id, {"queued"})
    second = submit_by_hand(site, job_id)
    site.wait_for(job_id, {"started"})
    load.cancel(job_id)
    load.check(doubled=[job_id], patience=FOR_LONG)
    assert site.last(job_id).data.detail == "stopped while it ran"
    assert site.last(job_id).data.slurm_id == second
    assert load.queued() == []


def test_a_job_cancelled_in_the_queue_is_not_run_by_a_second_slurm_job(site: SiteBridge) -> None:
    begin_late(site, 100)
    load = JobLoad(site)
    job_id = load.send()
    site.wait_for(job_id, {"queued"})
    load.cancel(job_id)
    load.check()
    second = submit_by_hand(site, job_id)
    site.wait_until(lambda: exit_code(site, second) == RUNS_NOTHING, "it runs nothing")
    assert not load.attempts_run(job_id)


def test_of_two_that_are_found_after_a_crash_the_one_with_the_container_is_kept(
    open_bridge: OpenBridge, testbed: Testbed, user_folder: Path
) -> None:
    site = open_with(TWICE, open_bridge, testbed, user_folder)
    load = JobLoad(site)
    job_id = load.send(seconds=8)
    site.wait_until((user_folder / job_id / "runs").exists, "the second one runs the container")
    site.kill()
    site.start()
    load.check(doubled=[job_id])
    first, second = ((user_folder / it).read_text().strip() for it in ("first", "second"))
    assert site.last(job_id).data.slurm_id == second
    state = site.as_user("sacct", "-X", "-n", "-P", "-j", first, "--format=State")
    assert state.startswith("CANCELLED")
