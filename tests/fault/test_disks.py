"""Disks that fill up, or may only be read: nothing is lost, and all goes on when there is room."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from counted_jobs import ENDS, counting, runs_of, send, wait_for_ends
from site_bridge import UNTIL_LET_GO, Configuration, OpenBridge, SiteBridge
from testbed import Testbed

MountDisk = Callable[[str], Path]

pytestmark = pytest.mark.usefixtures("slurm_as_it_was")


@pytest.fixture
def mount_disk(testbed: Testbed, user_folder: Path) -> Iterator[MountDisk]:
    """Mounts a small disk of the ordinary user's own in the test's folder."""
    with ExitStack() as stack:

        def mount(name: str) -> Path:
            disk = user_folder / name
            disk.mkdir()
            run("mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", str(disk))
            stack.callback(run, "umount", "--lazy", str(disk))
            shutil.chown(disk, testbed.user)
            return disk

        yield mount


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, timeout=60)


def fill(disk: Path) -> Path:
    """Write until there is no room; the file that takes it."""
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for size in (65536, 1):
            try:
                while True:
                    os.write(descriptor, b"\0" * size)
            except OSError:
                continue
    finally:
        os.close(descriptor)
    return filler


def may_only_be_read(disk: Path) -> bool:
    """Make it so: it cannot be while anybody has a file open for writing (mount(2), EBUSY)."""
    argv = ("mount", "-o", "remount,ro", str(disk))
    return subprocess.run(argv, check=False, timeout=60).returncode == 0


def with_disk(disk: Path, **places: str) -> Callable[[Configuration], None]:
    """A site whose `journal` or `work_root` lies on the disk."""

    def configure(configuration: Configuration) -> None:
        counting(configuration)
        if "journal" in places:
            configuration["journal"]["path"] = str(disk / places["journal"])
        if "work_root" in places:
            configuration["work_root"] = str(disk)

    return configure


def wait_until_logged(bridge: SiteBridge, words: str) -> None:
    bridge.wait_until(lambda: words in bridge.logged(), f"{words} is logged")


def test_a_full_disk_under_the_journal_loses_nothing(
    open_bridge: OpenBridge, mount_disk: MountDisk
) -> None:
    disk = mount_disk("disk")
    bridge = open_bridge(with_disk(disk, journal="journal.sqlite"))
    running = send(bridge, "sleep 3")
    bridge.wait_for(running, {"started"})
    filler = fill(disk)
    jobs = [send(bridge, "x" * 100_000 + " || true") for _ in range(10)]
    wait_until_logged(bridge, "unavailable")
    filler.unlink()
    wait_for_ends(bridge, dict.fromkeys([running, *jobs], "finished"))


def test_a_full_disk_under_the_job_folders_keeps_jobs_waiting(
    open_bridge: OpenBridge, mount_disk: MountDisk
) -> None:
    disk = mount_disk("disk")
    bridge = open_bridge(with_disk(disk, work_root=""))
    running = send(bridge, "sleep 3")
    bridge.wait_for(running, {"started"})
    # The start is told a moment before the container has noted its run.
    bridge.wait_until(lambda: bool(runs_of(bridge, running)), "the container notes its run")
    filler = fill(disk)
    jobs = [send(bridge) for _ in range(3)]
    wait_until_logged(bridge, "site_takes_no_jobs")
    # Its end mark finds no room either: Slurm alone tells of it.
    wait_for_ends(bridge, {running: "finished"})
    assert not [it for it in jobs if ENDS & set(bridge.told(it))]
    filler.unlink()
    wait_for_ends(bridge, dict.fromkeys(jobs, "finished"))


def test_a_work_root_that_may_only_be_read_keeps_jobs_waiting(
    open_bridge: OpenBridge, mount_disk: MountDisk
) -> None:
    disk = mount_disk("disk")
    bridge = open_bridge(with_disk(disk, work_root=""))
    wait_for_ends(bridge, {send(bridge): "finished"})
    bridge.wait_until(lambda: may_only_be_read(disk), "nobody writes to the disk any more")
    jobs = [send(bridge) for _ in range(3)]
    wait_until_logged(bridge, "site_takes_no_jobs")
    assert not [it for it in jobs if ENDS & set(bridge.told(it))]
    run("mount", "-o", "remount,rw", str(disk))
    wait_for_ends(bridge, dict.fromkeys(jobs, "finished"))


def test_without_the_marker_spool_slurm_alone_tells_the_story(open_bridge: OpenBridge) -> None:
    bridge = open_bridge(counting)
    spool = Path(bridge.settings.site.work_root) / "spool"
    first = send(bridge, UNTIL_LET_GO)
    bridge.wait_for(first, {"started"})
    # The start is told a moment before its marker is removed.
    bridge.wait_until(lambda: not any(spool.iterdir()), "the start marker is removed")
    spool.rmdir()
    spool.write_text("no folder", encoding="utf-8")
    bridge.let_go(first)
    wait_for_ends(bridge, {first: "finished"})
    spool.unlink()
    wait_for_ends(bridge, {send(bridge): "finished"})
