"""Which file systems a journal may share memory on."""

from pathlib import Path

import pytest

from bridge.adapters.sqlite_journal.disk import LOCAL, Disk, file_system, is_network

# Lines as in proc(5), with and without optional fields, in the order of mounting.
MOUNTINFO = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
24 22 0:22 / /proc rw,nosuid shared:12 - proc proc rw
30 22 0:26 / /dev/shm rw shared:4 - tmpfs tmpfs rw
41 22 0:44 / /home rw,relatime shared:20 master:3 - nfs4 server:/home rw,vers=4.2
42 41 254:1 /scratch /home/ada/local rw - xfs /dev/vdb rw
43 22 0:45 / /global/cfs rw - gpfs cfs rw
44 22 0:46 / /pscratch rw - lustre mds@tcp:/scratch rw,flock
45 22 0:47 / /mnt/with\040space rw - fuse.sshfs me@there: rw
46 22 0:48 / /net rw - autofs systemd-1 rw
47 46 0:49 / /net rw - nfs server:/net rw
48 22 0:50 / /work rw - beegfs beegfs_nodev rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "ext4"),
        ("/var/lib/bridge", "ext4"),
        ("/dev/shm/j", "tmpfs"),
        ("/home/ada/bridge", "nfs4"),
        ("/home/ada/local/bridge", "xfs"),
        ("/home/ada/localised", "nfs4"),
        ("/homes/ada", "ext4"),
        ("/global/cfs/cdirs/m1", "gpfs"),
        ("/pscratch/sd/a/ada", "lustre"),
        ("/mnt/with space/bridge", "fuse.sshfs"),
        ("/net/bridge", "nfs"),
        ("/work", "beegfs"),
    ],
)
def test_a_path_is_on_the_deepest_and_latest_mount_above_it(path: str, expected: str) -> None:
    assert file_system(MOUNTINFO, path) == expected


@pytest.mark.parametrize("mountinfo", ["", "\n", "nonsense", "22 1 254:0 / /home - ext4 x rw"])
def test_a_table_that_says_nothing_of_the_path_says_nothing(mountinfo: str) -> None:
    assert file_system(mountinfo, "/var/lib") is None


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "lustre", "gpfs", "beegfs", "ceph", "9p", "dvs", "fuse.sshfs", "new"],
)
def test_what_is_not_known_to_be_local_counts_as_network(kind: str) -> None:
    assert kind not in LOCAL


def test_a_folder_of_this_machine_is_found_out(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir():
        pytest.skip("this machine has no /dev/shm")
    link = tmp_path / "link"
    link.symlink_to(memory)

    assert not is_network(memory / "journal", "detect")
    assert not is_network(link / "journal", "detect")
    assert is_network(Path("/proc/journal"), "detect")


@pytest.mark.parametrize(("disk", "expected"), [("local", False), ("network", True)])
def test_who_knows_better_is_believed(disk: Disk, expected: bool) -> None:  # noqa: FBT001
    assert is_network(Path("/proc/journal"), disk) == expected
    assert is_network(Path("/dev/shm/journal"), disk) == expected
