"""One sbatch hangs: the other jobs go on, and its own job is run once all the same."""

from pathlib import Path
from typing import Protocol

import pytest
from counted_jobs import JobLoad, quick
from site_bridge import Configuration, OpenBridge, SiteBridge
from stand_ins import stand_in, stand_ins_first
from testbed import Testbed

HANGS_ONCE = """\
# The first one waits until there is a file that says that it may go on.
wait_once() {{
    if mkdir '{folder}/hangs' 2>/dev/null; then
        for second in $(seq 120); do
            [ ! -e '{folder}/go-on' ] || break
            sleep 1
        done
    fi
}}
"""
LINES = {
    "before": 'wait_once\nexec {real} "$@"\n',
    "after": '{real} "$@"\ncode=$?\nwait_once\nexit $code\n',
}
"""Whether it hangs before or after it has asked Slurm."""


class OpenSite(Protocol):
    """Serves a site whose first sbatch hangs."""

    def __call__(self, when: str, **scheduler: str) -> SiteBridge:
        """`scheduler` is written into the site's YAML."""
        ...


@pytest.fixture
def open_site(open_bridge: OpenBridge, testbed: Testbed, user_folder: Path) -> OpenSite:
    def open_site(when: str, **scheduler: str) -> SiteBridge:
        def configure(configuration: Configuration) -> None:
            quick(configuration)
            stand_ins_first(configuration, stand_ins)
            configuration["scheduler"] |= scheduler

        stand_ins = stand_in(testbed, user_folder, "sbatch", HANGS_ONCE + LINES[when])
        return open_bridge(configure)

    return open_site


def hang_one_while_others_end(site: SiteBridge, load: JobLoad) -> str:
    """Send one whose sbatch hangs, and others that come to their ends meanwhile; the first's id."""
    first = load.send()
    site.wait_until((site.folder / "hangs").exists, "its sbatch hangs")
    others = [load.send(exit_code=7 * (number % 2)) for number in range(4)]
    for it in others:
        site.wait_for(it, {"finished", "failed"})
    return first


def test_a_hanging_sbatch_holds_up_no_other_job(open_site: OpenSite) -> None:
    site = open_site("before")
    load = JobLoad(site)
    first = hang_one_while_others_end(site, load)
    assert site.told(first) == ["accepted"]
    (site.folder / "go-on").touch()
    load.check()


def test_an_sbatch_that_hangs_until_its_time_is_over_is_settled(open_site: OpenSite) -> None:
    site = open_site("after", submit_timeout="5s")
    load = JobLoad(site)
    hang_one_while_others_end(site, load)
    load.check()


def test_a_daemon_that_is_killed_while_an_sbatch_hangs_finds_its_job(open_site: OpenSite) -> None:
    site = open_site("after")
    load = JobLoad(site)
    hang_one_while_others_end(site, load)
    site.kill()
    site.start()
    load.check()
