"""What the jobs' folders tell, also when the job has put traps in them: here, and over SFTP."""

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ssh_site import connected, login_node

from bridge.adapters.local_folders import LocalFolders, LocalRemains
from bridge.adapters.ssh import SshRemains
from bridge.core.errors import UnavailableError
from bridge.core.facts import EndMark, StartMark
from bridge.core.job import JobId, SlurmId
from bridge.core.lifecycle import Phase
from bridge.core.restore import JobRemains, Outcome
from bridge.flows.rebuild import Remains
from bridge.testing.clock import START, FakeClock
from bridge.wire.json_text import LONGEST_BYTES

JOB = JobId("6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b")
OTHER = JobId("00000000-0000-4000-8000-000000000001")
NONE: Mapping[str, str] = {}
WRITTEN = datetime(2026, 2, 1, 8, tzinfo=UTC)


Make = Callable[[Path], Remains]


@pytest.fixture(
    params=["on this machine", pytest.param("over SFTP", marks=pytest.mark.testbed)],
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Make]]:
    """A folder for the work root, and what reads it."""
    if request.param == "on this machine":
        yield tmp_path, lambda root: LocalRemains(str(root), FakeClock())
        return
    with connected(login_node(request.getfixturevalue("testbed"))) as connection:
        yield (
            request.getfixturevalue("user_folder"),
            lambda root: SshRemains(connection, str(root), FakeClock()),
        )


@pytest.fixture
def root(place: tuple[Path, Make]) -> Path:
    """Of the same owner as the place: the user who reads it."""
    folder, _ = place
    root = folder / "work"
    root.mkdir()
    os.chown(root, folder.stat().st_uid, folder.stat().st_gid)
    return root


@pytest.fixture
def remains(root: Path, place: tuple[Path, Make]) -> Remains:
    _, make = place
    return make(root)


def leave(root: Path, files: Mapping[str, str] = NONE, *, job_id: JobId = JOB) -> Path:
    """A job's folder, whose files were written a minute after each other."""
    folder = root / job_id
    folder.mkdir(exist_ok=True)
    for number, (name, text) in enumerate({"job.json": "{}", **files}.items()):
        (folder / name).write_text(text)
        at = (WRITTEN + timedelta(minutes=number)).timestamp()
        os.utime(folder / name, (at, at))
    return folder


def only(remains: Remains) -> JobRemains:
    (found,) = remains.find()
    assert isinstance(found, JobRemains), found
    return found


def why_not(remains: Remains) -> str:
    (found,) = remains.find()
    assert not isinstance(found, JobRemains), found
    return found[1]


def test_a_job_is_read_as_the_bridge_and_its_script_left_it(root: Path, remains: Remains) -> None:
    folder = leave(
        root,
        {
            "attempt-1.sbatch": "#!/bin/bash",
            "attempt-2.sbatch": "#!/bin/bash",
            "attempt-2.0.started": "1767268800.5 n1\n",
            "attempt-2.0.ended": "1767268860 7\n",
        },
    )
    (folder / "attempt-1.claim").symlink_to("41")
    (folder / "attempt-2.claim").symlink_to("42_7")

    job = only(remains)

    first, second = job.attempts
    assert (job.job_id, job.request, job.written_at) == (JOB, b"{}", WRITTEN)
    assert (first.attempt, first.claimed_by, first.marks) == (1, SlurmId("41"), ())
    assert (second.attempt, second.claimed_by) == (2, SlurmId("42_7"))
    assert second.begun_at == WRITTEN + timedelta(minutes=2)
    started = datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    ended = datetime(2026, 1, 1, 12, 1, tzinfo=UTC)
    assert second.marks == (
        StartMark(at=START, restart=0, started_at=started, node="n1"),
        EndMark(at=START, restart=0, ended_at=ended, exit_code=7),
    )
    assert job.outcome is None


def test_the_note_of_a_job_that_is_over_is_read(root: Path, remains: Remains) -> None:
    note = '{"event": "failed", "sequence": 6, "slurm_id": "42", "attempt": 2}'
    leave(root, {"outcome.json": note})

    assert only(remains).outcome == Outcome(
        phase=Phase.FAILED, sequence=6, attempt=2, slurm_id=SlurmId("42")
    )


@pytest.mark.parametrize(
    "note",
    [
        "{",
        "[]",
        '{"event": "running", "sequence": 6, "slurm_id": null, "attempt": 1}',
        '{"event": "failed", "sequence": 0, "slurm_id": null, "attempt": 1}',
        '{"event": "failed", "sequence": "6", "slurm_id": null, "attempt": 1}',
        '{"event": "failed", "sequence": 6, "attempt": 1}',
        "x" * 5000,
    ],
)
def test_a_note_that_is_not_understood_ends_no_job(root: Path, remains: Remains, note: str) -> None:
    leave(root, {"outcome.json": note})

    assert why_not(remains).startswith("its outcome.json is")


def test_other_folders_and_files_are_no_jobs(root: Path, remains: Remains) -> None:
    for name in ("spool", "not-a-job", JOB.upper(), f"{JOB}.old"):
        (root / name).mkdir()
    (root / "journal.sqlite").touch()

    assert list(remains.find()) == []


def test_jobs_come_in_the_order_of_their_ids(root: Path, remains: Remains) -> None:
    leave(root)
    leave(root, job_id=OTHER)

    found = [it.job_id if isinstance(it, JobRemains) else it for it in remains.find()]

    assert found == [OTHER, JOB]


def test_a_folder_without_a_message_is_named(root: Path, remains: Remains) -> None:
    (root / JOB).mkdir()

    assert why_not(remains) == "it has no job.json: the job was never submitted"


@pytest.mark.parametrize("trap", ["link", "fifo", "folder", "huge"])
def test_a_message_that_is_a_trap_is_not_followed(root: Path, remains: Remains, trap: str) -> None:
    message = leave(root) / "job.json"
    message.unlink()
    match trap:
        case "link":
            (root / "secret").write_text("{}")
            message.symlink_to(root / "secret")
        case "fifo":
            os.mkfifo(message)
        case "folder":
            message.mkdir()
        case "huge":
            message.write_bytes(b" " * (LONGEST_BYTES + 1))

    assert why_not(remains)


def test_a_link_in_the_place_of_a_jobs_folder_is_not_followed(root: Path, remains: Remains) -> None:
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "job.json").write_text("{}")
    (root / JOB).symlink_to(elsewhere)

    assert why_not(remains) in ("Not a directory", "it is not a folder")


@pytest.mark.parametrize(
    "claim", ["", "0", "-1", "../x", "4711;scancel", "1" * 11, "4711_", "4711_x"]
)
def test_a_claim_that_is_no_slurm_id_is_none(root: Path, remains: Remains, claim: str) -> None:
    folder = leave(root, {"attempt-1.sbatch": "#!/bin/bash"})
    if claim:
        (folder / "attempt-1.claim").symlink_to(claim)
    else:
        (folder / "attempt-1.claim").write_text("4711")

    assert only(remains).claim is None


def test_what_has_no_script_is_no_attempt(root: Path, remains: Remains) -> None:
    folder = leave(root, {"attempt-1.sbatch": "#!/bin/bash", "attempt-7.0.ended": "1 0\n"})
    (folder / "attempt-9.claim").symlink_to("4711")

    assert [it.attempt for it in only(remains).attempts] == [1]


def test_a_marker_that_is_none_is_left_out(root: Path, remains: Remains) -> None:
    folder = leave(root, {"attempt-1.sbatch": "#!/bin/bash", "attempt-1.0.started": "yesterday\n"})
    (folder / "attempt-1.0.ended").symlink_to("/etc/passwd")

    assert only(remains).attempts[0].marks == ()


def test_markers_told_again_are_read_from_the_spool(root: Path, remains: Remains) -> None:
    leave(
        root,
        {
            "attempt-1.sbatch": "#!/bin/bash",
            "attempt-1.2.started": "1767268800.123456789 n1\n",
            "attempt-1.2.ended": "1767268860.000001 255\n",
        },
    )
    marks = only(remains).untold_marks

    remains.tell_again(JOB, 1, marks)
    remains.tell_again(JOB, 1, marks)

    spooled = LocalFolders(str(root), FakeClock()).marks()
    assert [(it.job_id, it.attempt) for it in spooled] == [(JOB, 1), (JOB, 1)]
    assert tuple(it.fact for it in spooled) == marks


def test_a_work_root_that_is_not_there_is_told(place: tuple[Path, Make]) -> None:
    folder, make = place

    with pytest.raises(UnavailableError, match="absent"):
        list(make(folder / "absent").find())
