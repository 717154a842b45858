"""Job folders and the marker spool on a real file system."""

import os
import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.adapters.local_folders import LocalFolders
from bridge.core.errors import UnavailableError
from bridge.core.facts import EndMark, StartMark
from bridge.core.job import JobId, SlurmId
from bridge.ports import Mark
from bridge.testing.clock import FakeClock

JOB = JobId("7c9e6679-7425-40de-944b-e07fc1f90ae7")
OTHER = JobId("0e7e3c9b-91c4-4e4b-a7f4-1d7f0f0b3c55")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "scratch" / "bridge"


@pytest.fixture
def folders(root: Path, clock: FakeClock) -> LocalFolders:
    return LocalFolders(str(root), clock)


@pytest.fixture
def spool(root: Path) -> Path:
    spool = root / "spool"
    spool.mkdir(parents=True)
    return spool


def started(
    spool: Path, text: str = "1772366400.25 n1\n", *, name: str = f"{JOB}.1.0.started"
) -> Path:
    file = spool / name
    file.write_text(text, encoding="utf-8")
    return file


# --- the jobs' folders ----------------------------------------------------------------------------


def test_a_job_gets_its_folder_with_its_files(folders: LocalFolders, root: Path) -> None:
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


def test_nobody_but_the_group_may_look_into_it(folders: LocalFolders, root: Path) -> None:
    folders.create(JOB, {"job.json": "{}"})
    for path in (root / JOB, root / JOB / "job.json", root / "spool"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0


def test_a_folder_is_made_again_without_losing_what_the_job_wrote(
    folders: LocalFolders, root: Path
) -> None:
    folders.create(JOB, {"job.json": "old"})
    (root / JOB / "artifacts" / "model").write_text("weights", encoding="utf-8")
    folders.create(JOB, {"job.json": "new"})
    assert (root / JOB / "job.json").read_text(encoding="utf-8") == "new"
    assert (root / JOB / "artifacts" / "model").read_text(encoding="utf-8") == "weights"


def test_a_file_is_replaced_and_never_written_through_a_link(
    folders: LocalFolders, root: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    folders.create(JOB, {})
    (root / JOB / "job.json").symlink_to(victim)
    folders.create(JOB, {"job.json": "new"})
    assert victim.read_text(encoding="utf-8") == "precious"
    assert not (root / JOB / "job.json").is_symlink()
    assert (root / JOB / "job.json").read_text(encoding="utf-8") == "new"


def test_a_job_folder_that_leads_elsewhere_is_refused(
    folders: LocalFolders, root: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    root.mkdir(parents=True)
    (root / JOB).symlink_to(elsewhere)
    with pytest.raises(UnavailableError, match=JOB):
        folders.create(JOB, {"job.json": "{}"})
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["../job.json", "/tmp/job.json", "a/b", "", ".", ".."])
def test_a_file_name_that_leads_elsewhere_is_refused(folders: LocalFolders, name: str) -> None:
    with pytest.raises((ValueError, UnavailableError)):
        folders.create(JOB, {name: "{}"})


def test_the_first_to_claim_an_attempt_has_it(folders: LocalFolders, root: Path) -> None:
    folders.create(JOB, {})
    assert folders.claim(JOB, 1, SlurmId("4711")) == "4711"
    assert folders.claim(JOB, 1, SlurmId("4712")) == "4711"
    assert folders.claim(JOB, 2, SlurmId("4712")) == "4712"
    assert str((root / JOB / "attempt-1.claim").readlink()) == "4711"


def test_what_a_script_has_claimed_stays_its_own(folders: LocalFolders, root: Path) -> None:
    folders.create(JOB, {})
    subprocess.run(["ln", "-sT", "--", "4711", root / JOB / "attempt-1.claim"], check=True)
    assert folders.claim(JOB, 1, SlurmId("4712")) == "4711"


def test_a_claim_that_is_no_link_or_has_no_folder_is_unavailable(folders: LocalFolders) -> None:
    with pytest.raises(UnavailableError):
        folders.claim(JOB, 1, SlurmId("4711"))
    folders.create(JOB, {"attempt-1.claim": "4711"})
    with pytest.raises(UnavailableError):
        folders.claim(JOB, 1, SlurmId("4711"))


def test_a_work_root_that_cannot_be_made_is_unavailable(tmp_path: Path, clock: FakeClock) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    with pytest.raises(UnavailableError, match="file/bridge"):
        LocalFolders(str(file / "bridge"), clock).create(JOB, {})


def test_a_write_that_fails_leaves_no_piece_of_a_file(folders: LocalFolders, root: Path) -> None:
    folders.create(JOB, {})
    (root / JOB / "job.json").mkdir()
    with pytest.raises(UnavailableError, match=f"{JOB}: Is a directory"):
        folders.create(JOB, {"job.json": "{}"})
    assert sorted(it.name for it in (root / JOB).iterdir()) == ["artifacts", "job.json"]


# --- the spool ------------------------------------------------------------------------------------


def test_without_a_spool_there_are_no_marks(folders: LocalFolders) -> None:
    assert folders.marks() == ()
    folders.forget([])


def test_what_the_shell_writes_is_read(
    folders: LocalFolders, spool: Path, clock: FakeClock
) -> None:
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
    folders: LocalFolders, spool: Path
) -> None:
    names = [f"{OTHER}.1.0.started", f"{JOB}.1.0.started", f"{JOB}.1.0.ended"]
    for second, name in enumerate(names):
        text = "1772366400 0\n" if name.endswith("ended") else "1772366400 n1\n"
        os.utime(started(spool, text, name=name), (1772366400, 1772366400 + second))
    assert [it.file for it in folders.marks()] == names


def test_of_marks_written_at_once_the_start_comes_before_the_end(
    folders: LocalFolders, spool: Path
) -> None:
    os.utime(started(spool, "1772366400 0\n", name=f"{JOB}.1.0.ended"), (1772366400, 1772366400))
    os.utime(started(spool), (1772366400, 1772366400))
    assert [it.file for it in folders.marks()] == [f"{JOB}.1.0.started", f"{JOB}.1.0.ended"]


def test_marks_stay_until_they_are_forgotten(folders: LocalFolders, spool: Path) -> None:
    started(spool)
    started(spool, name=f"{OTHER}.1.0.started")
    seen = folders.marks()
    assert folders.marks() == seen
    folders.forget(it for it in seen if it.job_id == JOB)
    assert [it.job_id for it in folders.marks()] == [OTHER]
    folders.forget(seen)
    assert folders.marks() == ()


def test_a_mark_that_is_being_written_is_read_when_it_is_whole(
    folders: LocalFolders, spool: Path
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
    folders: LocalFolders, spool: Path, clock: FakeClock, name: str, text: str
) -> None:
    file = started(spool, text, name=name)
    assert folders.marks() == ()
    assert file.exists()
    clock.move(timedelta(seconds=70))
    assert folders.marks() == ()
    assert not file.exists()


def test_a_mark_that_waited_for_long_is_still_a_mark(
    folders: LocalFolders, spool: Path, clock: FakeClock
) -> None:
    started(spool)
    clock.move(timedelta(days=30))
    assert len(folders.marks()) == 1


def test_no_link_is_followed(
    folders: LocalFolders, spool: Path, clock: FakeClock, tmp_path: Path
) -> None:
    real = started(tmp_path, name="real")
    link = spool / f"{JOB}.1.0.started"
    link.symlink_to(real)
    assert folders.marks() == ()
    clock.move(timedelta(seconds=70))
    assert folders.marks() == ()
    assert not link.is_symlink()
    assert real.exists()


def test_a_pipe_in_the_spool_stops_nobody(
    folders: LocalFolders, spool: Path, clock: FakeClock
) -> None:
    os.mkfifo(spool / f"{JOB}.1.0.started")
    started(spool, name=f"{OTHER}.1.0.started")
    assert [it.job_id for it in folders.marks()] == [OTHER]
    clock.move(timedelta(seconds=70))
    folders.marks()
    assert [it.name for it in spool.iterdir()] == [f"{OTHER}.1.0.started"]


def test_a_folder_in_the_spool_is_left_alone(
    folders: LocalFolders, spool: Path, clock: FakeClock
) -> None:
    kept = spool / f"{JOB}.1.0.started" / "kept"
    kept.mkdir(parents=True)
    clock.move(timedelta(seconds=70))
    assert folders.marks() == ()
    assert folders.marks() == ()
    assert kept.exists()


def test_a_spool_that_leads_elsewhere_is_unavailable(
    folders: LocalFolders, root: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    started(elsewhere)
    root.mkdir(parents=True)
    (root / "spool").symlink_to(elsewhere)
    with pytest.raises(UnavailableError, match="spool"):
        folders.marks()


def test_a_spool_that_went_away_after_it_was_read_is_nothing_to_forget(
    folders: LocalFolders, spool: Path
) -> None:
    started(spool)
    seen = folders.marks()
    shutil.rmtree(spool)
    folders.forget(seen)
