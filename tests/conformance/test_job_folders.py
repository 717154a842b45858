"""What job folders and the marker spool keep to: on this machine, and over SFTP."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ssh_site import connected, login_node
from testbed import Testbed

from bridge.adapters.local_folders import LocalFolders
from bridge.adapters.ssh import SshConnection, SshFolders
from bridge.core.errors import UnavailableError
from bridge.core.facts import EndMark, StartMark
from bridge.core.job import JobId, SlurmId
from bridge.ports import JobFolders, Mark
from bridge.testing.clock import FakeClock

JOB = JobId("7c9e6679-7425-40de-944b-e07fc1f90ae7")
OTHER = JobId("0e7e3c9b-91c4-4e4b-a7f4-1d7f0f0b3c55")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))


class ThisMachine:
    def __init__(self, place: Path) -> None:
        self.place = place

    def folders(self, root: Path, clock: FakeClock) -> JobFolders:
        return LocalFolders(str(root), clock)

    def new_folder(self, path: Path) -> Path:
        path.mkdir(parents=True)
        return path


class LoginNode:
    """Its user owns the folders; the tests are root and look at them from this side."""

    def __init__(self, place: Path, connection: SshConnection, testbed: Testbed) -> None:
        self.place = place
        self._connection = connection
        self._user = testbed.user

    def folders(self, root: Path, clock: FakeClock) -> JobFolders:
        return SshFolders(self._connection, str(root), clock)

    def new_folder(self, path: Path) -> Path:
        missing = [it for it in (*reversed(path.parents), path) if not it.exists()]
        for it in missing:
            it.mkdir()
            shutil.chown(it, self._user)
        return path


Way = ThisMachine | LoginNode


@pytest.fixture(
    params=["on this machine", pytest.param("over SFTP", marks=pytest.mark.testbed)],
)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    if request.param == "on this machine":
        yield ThisMachine(tmp_path)
        return
    testbed: Testbed = request.getfixturevalue("testbed")
    with connected(login_node(testbed)) as connection:
        yield LoginNode(request.getfixturevalue("user_folder"), connection, testbed)


@pytest.fixture
def place(way: Way) -> Path:
    return way.place


@pytest.fixture
def root(place: Path) -> Path:
    return place / "scratch" / "bridge"


@pytest.fixture
def folders(way: Way, root: Path, clock: FakeClock) -> JobFolders:
    return way.folders(root, clock)


@pytest.fixture
def spool(way: Way, root: Path) -> Path:
    return way.new_folder(root / "spool")


def started(
    spool: Path, text: str = "1772366400.25 n1\n", *, name: str = f"{JOB}.1.0.started"
) -> Path:
    file = spool / name
    file.write_text(text, encoding="utf-8")
    return file


# --- the jobs' folders ----------------------------------------------------------------------------


def test_a_job_gets_its_folder_with_its_files(folders: JobFolders, root: Path) -> None:
    folders.create(JOB, {"job.json": '{"name": "Grüße"}\n', "attempt-1.sbatch": "#!/bin/bash\n"})
    folder = root / JOB
    assert (folder / "job.json").read_text(encoding="utf-8") == '{"name": "Grüße"}\n'
    assert (folder / "attempt-1.sbatch").read_text(encoding="utf-8") == "#!/bin/bash\n"
    assert sorted(it.name for it in folder.iterdir()) == [
        "artifacts",
        "attempt-1.sbatch",
        "job.json",
    ]
    assert (root / "spool").is_dir()


def test_nobody_but_the_group_may_look_into_it(folders: JobFolders, root: Path) -> None:
    folders.create(JOB, {"job.json": "{}"})
    for path in (root / JOB, root / JOB / "job.json", root / "spool"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0


def test_a_folder_is_made_again_without_losing_what_the_job_wrote(
    folders: JobFolders, root: Path
) -> None:
    folders.create(JOB, {"job.json": "old"})
    (root / JOB / "artifacts" / "model").write_text("weights", encoding="utf-8")
    folders.create(JOB, {"job.json": "new"})
    assert (root / JOB / "job.json").read_text(encoding="utf-8") == "new"
    assert (root / JOB / "artifacts" / "model").read_text(encoding="utf-8") == "weights"


def test_a_file_is_replaced_and_never_written_through_a_link(
    folders: JobFolders, root: Path, place: Path
) -> None:
    victim = place / "victim"
    victim.write_text("precious", encoding="utf-8")
    folders.create(JOB, {})
    (root / JOB / "job.json").symlink_to(victim)
    folders.create(JOB, {"job.json": "new"})
    assert victim.read_text(encoding="utf-8") == "precious"
    assert not (root / JOB / "job.json").is_symlink()
    assert (root / JOB / "job.json").read_text(encoding="utf-8") == "new"


def test_a_job_folder_that_leads_elsewhere_is_refused(
    folders: JobFolders, root: Path, way: Way
) -> None:
    elsewhere = way.new_folder(way.place / "elsewhere")
    way.new_folder(root)
    (root / JOB).symlink_to(elsewhere)
    with pytest.raises(UnavailableError, match=JOB):
        folders.create(JOB, {"job.json": "{}"})
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["../job.json", "/tmp/job.json", "a/b", "", ".", ".."])
def test_a_file_name_that_leads_elsewhere_is_refused(folders: JobFolders, name: str) -> None:
    with pytest.raises((ValueError, UnavailableError)):
        folders.create(JOB, {name: "{}"})


def test_the_first_to_claim_an_attempt_has_it(folders: JobFolders, root: Path) -> None:
    folders.create(JOB, {})
    assert folders.claim(JOB, 1, SlurmId("4711")) == "4711"
    assert folders.claim(JOB, 1, SlurmId("4712")) == "4711"
    assert folders.claim(JOB, 2, SlurmId("4712")) == "4712"
    assert str((root / JOB / "attempt-1.claim").readlink()) == "4711"


def test_what_a_script_has_claimed_stays_its_own(folders: JobFolders, root: Path) -> None:
    folders.create(JOB, {})
    subprocess.run(["ln", "-sT", "--", "4711", root / JOB / "attempt-1.claim"], check=True)
    assert folders.claim(JOB, 1, SlurmId("4712")) == "4711"


def test_a_claim_that_is_no_link_or_has_no_folder_is_unavailable(folders: JobFolders) -> None:
    with pytest.raises(UnavailableError):
        folders.claim(JOB, 1, SlurmId("4711"))
    folders.create(JOB, {"attempt-1.claim": "4711"})
    with pytest.raises(UnavailableError):
        folders.claim(JOB, 1, SlurmId("4711"))


def test_a_work_root_that_cannot_be_made_is_unavailable(way: Way, clock: FakeClock) -> None:
    file = way.place / "file"
    file.write_text("", encoding="utf-8")
    with pytest.raises(UnavailableError, match="file/bridge"):
        way.folders(file / "bridge", clock).create(JOB, {})


def test_a_write_that_fails_leaves_no_piece_of_a_file(folders: JobFolders, root: Path) -> None:
    folders.create(JOB, {})
    (root / JOB / "job.json").mkdir()
    with pytest.raises(UnavailableError, match=f"{JOB}"):
        folders.create(JOB, {"job.json": "{}"})
    assert sorted(it.name for it in (root / JOB).iterdir()) == ["artifacts", "job.json"]


# --- the spool ------------------------------------------------------------------------------------


def test_without_a_spool_there_are_no_marks(folders: JobFolders) -> None:
    assert folders.marks() == ()
    folders.forget([])


def test_what_the_shell_writes_is_read(folders: JobFolders, spool: Path, clock: FakeClock) -> None:
    script = (
        'printf "%s\\n" "1772366400.250000000 nid001234" >"$0/$1.1.0.started";'
        'printf "%s\\n" "1772366460 137" >"$0/$1.2.3.ended"'
    )
    subprocess.run(["/bin/sh", "-c", script, str(spool), JOB], check=True)
    start, end = folders.marks()
    assert start == Mark(
        job_id=JOB,
        attempt=1,
        fact=StartMark(
            at=clock.now(),
            restart=0,
            started_at=datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC),
            node="nid001234",
        ),
        file=f"{JOB}.1.0.started",
    )
    assert end == Mark(
        job_id=JOB,
        attempt=2,
        fact=EndMark(
            at=clock.now(),
            restart=3,
            ended_at=datetime(2026, 3, 1, 12, 1, tzinfo=UTC),
            exit_code=137,
        ),
        file=f"{JOB}.2.3.ended",
    )


def test_marks_are_told_in_the_order_in_which_they_were_written(
    folders: JobFolders, spool: Path
) -> None:
    names = [f"{OTHER}.1.0.started", f"{JOB}.1.0.started", f"{JOB}.1.0.ended"]
    for second, name in enumerate(names):
        text = "1772366400 0\n" if name.endswith("ended") else "1772366400 n1\n"
        os.utime(started(spool, text, name=name), (1772366400, 1772366400 + second))
    assert [it.file for it in folders.marks()] == names


def test_of_marks_written_at_once_the_start_comes_before_the_end(
    folders: JobFolders, spool: Path
) -> None:
    os.utime(started(spool, "1772366400 0\n", name=f"{JOB}.1.0.ended"), (1772366400, 1772366400))
    os.utime(started(spool), (1772366400, 1772366400))
    assert [it.file for it in folders.marks()] == [f"{JOB}.1.0.started", f"{JOB}.1.0.ended"]


def test_marks_stay_until_they_are_forgotten(folders: JobFolders, spool: Path) -> None:
    started(spool)
    started(spool, name=f"{OTHER}.1.0.started")
    seen = folders.marks()
    assert folders.marks() == seen
    folders.forget(it for it in seen if it.job_id == JOB)
    assert [it.job_id for it in folders.marks()] == [OTHER]
    folders.forget(seen)
    assert folders.marks() == ()


def test_a_mark_that_is_being_written_is_read_when_it_is_whole(
    folders: JobFolders, spool: Path
) -> None:
    file = started(spool, "1772366400 n")
    assert folders.marks() == ()
    file.write_text("1772366400 n1\n", encoding="utf-8")
    assert [it.file for it in folders.marks()] == [file.name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (f"{JOB}.1.0.started", ""),
        (f"{JOB}.1.0.started", "1772366400 n1"),
        (f"{JOB}.1.0.started", "yesterday n1\n"),
        (f"{JOB}.1.0.started", "1772366400 n1\nmore\n"),
        (f"{JOB}.1.0.started", "1772366400 n1; rm -rf /\n"),
        (f"{JOB}.1.0.started", "99999999999999 n1\n"),
        (f"{JOB}.1.0.started", "-1 n1\n"),
        (f"{JOB}.1.0.started", "1772366400 " + "n" * 1_000_000 + "\n"),
        (f"{JOB}.1.0.ended", "1772366400 256\n"),
        (f"{JOB}.1.0.ended", "1772366400 -1\n"),
        (f"{JOB}.1.0.ended", "1772366400 n1\n"),
        (f"{JOB}.1.0.ended", "1772366400 ٣\n"),
        (f"{JOB}.0.0.started", "1772366400 n1\n"),
        (f"{JOB}.1.started", "1772366400 n1\n"),
        (f"{JOB}.1.0.vanished", "1772366400 n1\n"),
        (f"{JOB.upper()}.1.0.started", "1772366400 n1\n"),
        (f".{JOB}.4711.started", "1772366400 n1\n"),
        ("notes.txt", "1772366400 n1\n"),
    ],
)
def test_what_is_no_mark_is_not_believed_and_removed_after_a_minute(
    folders: JobFolders, spool: Path, clock: FakeClock, name: str, text: str
) -> None:
    file = started(spool, text, name=name)
    assert folders.marks() == ()
    assert file.exists()
    clock.move(timedelta(seconds=70))
    assert folders.marks() == ()
    assert not file.exists()


def test_a_mark_that_waited_for_long_is_still_a_mark(
    folders: JobFolders, spool: Path, clock: FakeClock
) -> None:
    started(spool)
    clock.move(timedelta(days=30))
    assert len(folders.marks()) == 1


def test_no_link_is_followed(
    folders: JobFolders, spool: Path, clock: FakeClock, place: Path
) -> None:
    real = started(place, name="real")
    link = spool / f"{JOB}.1.0.started"
    link.symlink_to(real)
    assert folders.marks() == ()
    clock.move(timedelta(seconds=70))
    assert folders.marks() == ()
    assert not link.is_symlink()
    assert real.exists()


def test_a_pipe_in_the_spool_stops_nobody(
    folders: JobFolders, spool: Path, clock: FakeClock
) -> None:
    os.mkfifo(spool / f"{JOB}.1.0.started")
    started(spool, name=f"{OTHER}.1.0.started")
    assert [it.job_id for it in folders.marks()] == [OTHER]
    clock.move(timedelta(seconds=70))
    folders.marks()
    assert [it.name for it in spool.iterdir()] == [f"{OTHER}.1.0.started"]


def test_a_folder_in_the_spool_is_left_alone(
    folders: JobFolders, spool: Path, clock: FakeClock
) -> None:
    kept = spool / f"{JOB}.1.0.started" / "kept"
    kept.mkdir(parents=True)
    clock.move(timedelta(seconds=70))
    assert folders.marks() == ()
    assert folders.marks() == ()
    assert kept.exists()


def test_a_spool_that_leads_elsewhere_is_unavailable(
    folders: JobFolders, root: Path, way: Way
) -> None:
    elsewhere = way.new_folder(way.place / "elsewhere")
    started(elsewhere)
    way.new_folder(root)
    (root / "spool").symlink_to(elsewhere)
    with pytest.raises(UnavailableError, match="spool"):
        folders.marks()


def test_a_spool_that_went_away_after_it_was_read_is_nothing_to_forget(
    folders: JobFolders, spool: Path
) -> None:
    started(spool)
    seen = folders.marks()
    shutil.rmtree(spool)
    folders.forget(seen)
