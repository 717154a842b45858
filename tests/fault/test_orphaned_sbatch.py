"""The daemon is killed while sbatch runs; sbatch lives on, and the job is run once all the same."""

from pathlib import Path

import pytest
from counted_jobs import JobLoad, quick
from site_bridge import Configuration, OpenBridge, SiteBridge
from stand_ins import stand_in, stand_ins_first
from testbed import Testbed

SLOW = """\
# Takes its time before and after, as long as there are files that say how many seconds; waits at
# the gate until it opens.
touch '{folder}/begun'
[ ! -e '{folder}/before' ] || sleep "$(cat '{folder}/before')"
if [ -e '{folder}/gate' ]; then
    for second in $(seq "$(cat '{folder}/gate')"); do
        [ ! -e '{folder}/open' ] || break
        sleep 1
    done
fi
{real} "$@"
code=$?
touch '{folder}/submitted'
[ ! -e '{folder}/after' ] || sleep "$(cat '{folder}/after')"
exit $code
"""


@pytest.fixture
def site(open_bridge: OpenBridge, testbed: Testbed, user_folder: Path) -> SiteBridge:
    def configure(configuration: Configuration) -> None:
        quick(configuration)
        stand_ins_first(configuration, stand_ins)

    stand_ins = stand_in(testbed, user_folder, "sbatch", SLOW)
    return open_bridge(configure)


def kill_during_sbatch(
    site: SiteBridge, load: JobLoad, *, slow: str, seconds: int, count: int
) -> list[str]:
    """So many jobs whose sbatch outlives the daemon; the next sbatch will be quick again."""
    (site.folder / slow).write_text(str(seconds), encoding="utf-8")
    jobs = [load.send(exit_code=7 * (number % 2)) for number in range(count)]
    told = "submitted" if slow == "after" else "begun"
    site.wait_until((site.folder / told).exists, "sbatch runs")
    for job_id in jobs:
        site.wait_until((site.folder / job_id / "attempt-1.sbatch").exists, "all are submitted")
    site.kill()
    (site.folder / slow).unlink()
    return jobs


@pytest.mark.parametrize(("slow", "seconds"), [("before", 2), ("after", 6)])
def test_a_job_that_sbatch_submits_for_a_dead_daemon_is_found(
    site: SiteBridge, slow: str, seconds: int
) -> None:
    load = JobLoad(site)
    kill_during_sbatch(site, load, slow=slow, seconds=seconds, count=2)
    site.start()
    load.check()


def test_a_job_that_sbatch_submits_long_after_the_daemon_is_dead_runs_once(
    site: SiteBridge,
) -> None:
    load = JobLoad(site)
    # One: while it waits at the gate, a second one might wait for its turn.
    jobs = kill_during_sbatch(site, load, slow="gate", seconds=240, count=1)
    site.start()
    load.check(doubled=jobs)
    (site.folder / "open").touch()
    first = [it for it in load.slurm_jobs() if any(job_id in it for job_id in jobs)]
    assert first
    site.wait_until(
        lambda: any(len(ids) > 1 for ids in load.slurm_jobs().values()), "sbatch comes late"
    )
    site.wait_until(lambda: not load.queued(), "its jobs end")
    load.check(doubled=jobs)
