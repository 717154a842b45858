"""`hpc-bridge journal`: what people read, and the exit codes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result
from journal_entries import a_message, numbered_id
from unit.builders import at
from unit.house import House, job_id, message

from bridge.adapters.sqlite_journal import SqliteJournal, open_journal
from bridge.cli import main
from bridge.core.advance import accept
from bridge.core.lifecycle import Phase
from bridge.core.settings import JournalSettings
from bridge.ports import Acceptance
from bridge.testing.clock import FakeClock

SITE = """\
version: 1
site:
  name: here
broker:
  host: 127.0.0.1
  port: 5672
  user: bridge
  password_file: {folder}/password
journal:
  path: {folder}/journal.sqlite
  disk: local
work_root: {folder}/work
containers:
  runtime: apptainer
  images:
    - /images/*.sif
defaults:
  walltime: 01:00:00
"""


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Commands configure the log of the whole process."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.yaml").write_text(SITE.format(folder=tmp_path))
    (tmp_path / "password").write_text("secret")
    (tmp_path / "password").chmod(0o600)
    (tmp_path / "work").mkdir()
    return tmp_path


@pytest.fixture
def journal(folder: Path) -> Iterator[SqliteJournal]:
    """It holds one queued job, and a cancel of another one."""
    house = House()
    house.queued_job()
    settings = JournalSettings(path=str(folder / "journal.sqlite"), disk="local")
    with open_journal(settings, clock=FakeClock()) as it:
        messages = tuple(entry.message for entry in house.journal.unsent(10))
        job = house.job()
        it.admit([Acceptance(job=job, request=message(), fingerprint="f", messages=messages)])
        it.remember_cancel(numbered_id(9), at=at(0))
        yield it


def invoke(folder: Path, verb: str, *words: str) -> Result:
    return CliRunner().invoke(main, ["journal", verb, str(folder / "site.yaml"), *words])


@pytest.mark.usefixtures("journal")
def test_show_counts_the_jobs_of_each_phase(folder: Path) -> None:
    shown, asked = invoke(folder, "show"), invoke(folder, "show", "--json")

    lines = [it.split() for it in shown.stdout.splitlines()]
    assert ["queued", "1"] in lines
    assert ["finished", "0"] in lines
    assert lines[-1][:3] == ["unsent", "events", "2,"]
    counts = json.loads(asked.stdout)
    assert counts["jobs"]["queued"] == 1
    assert counts["unsent_events"] == 2
    assert shown.exit_code == asked.exit_code == 0


@pytest.mark.usefixtures("journal")
def test_show_tells_all_of_one_job(folder: Path) -> None:
    shown = invoke(folder, "show", job_id(1).upper())
    as_json = invoke(folder, "show", job_id(1), "--json")

    assert "phase                queued" in shown.stdout
    assert "python3" in shown.stdout, "what was asked for"
    assert shown.stdout.count("(NOT SENT YET)") == 2
    assert [json.loads(it)["type"] for it in as_json.stdout.splitlines()] == [
        "job",
        "event",
        "event",
    ]


@pytest.mark.usefixtures("journal")
def test_show_tells_of_a_cancel_that_came_before_its_job(folder: Path) -> None:
    shown = invoke(folder, "show", numbered_id(9))

    assert shown.exit_code == 0
    assert "of a job that has not come yet" in shown.stdout


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("job", ["00000000-0000-4000-8000-00000000beef", "not-an-id"])
def test_show_says_that_it_knows_no_such_job(folder: Path, job: str) -> None:
    shown = invoke(folder, "show", job)

    assert shown.exit_code == 3
    assert "UUID is wanted" in shown.stderr or "knows no job" in shown.stderr


def test_nothing_in_a_journal_reaches_the_terminal_raw(
    folder: Path, journal: SqliteJournal
) -> None:
    job = replace(accept(job_id(2), at(0)).job, nodes="\u009b31m n1")
    hostile = Acceptance(
        job=job,
        request=b"\x1b]0;mine\x07",
        fingerprint="f",
        messages=(a_message("\x1b[31m", b"\x1b[31m"),),
    )
    journal.admit([hostile])

    shown = invoke(folder, "show", job_id(2))

    assert "n1" in shown.stdout
    assert all(it.isprintable() for it in shown.stdout.splitlines())


@pytest.mark.usefixtures("journal")
def test_export_prints_every_line_as_json(folder: Path) -> None:
    done = invoke(folder, "export")

    assert [json.loads(it)["type"] for it in done.stdout.splitlines()] == [
        "journal",
        "job",
        "event",
        "event",
        "cancel",
    ]


def test_verify_exits_with_1_when_something_is_wrong(folder: Path, journal: SqliteJournal) -> None:
    sound = invoke(folder, "verify")
    untold = replace(accept(job_id(2), at(0)).job, phase=Phase.FAILED, sequence=0)
    journal.admit([Acceptance(job=untold, request=b"{}", fingerprint="f", messages=())])
    wrong = invoke(folder, "verify")

    assert (sound.exit_code, wrong.exit_code) == (0, 1)
    assert "nothing is wrong" in sound.stdout
    assert wrong.stdout == f"job {job_id(2)}: it is failed, and that was never told\n"


def test_rebuild_says_how_to_move_a_journal_away(folder: Path, journal: SqliteJournal) -> None:
    in_use = invoke(folder, "rebuild")
    journal.close()
    held = invoke(folder, "rebuild")

    assert (in_use.exit_code, held.exit_code) == (3, 3)
    assert "in use by process" in in_use.stderr
    assert "move the file away" in held.stderr


def test_rebuild_tells_what_it_found(folder: Path) -> None:
    for number in (1, 2):
        (folder / "work" / job_id(number)).mkdir()
    (folder / "work" / job_id(1) / "job.json").write_bytes(message(1))

    done = invoke(folder, "rebuild")

    assert done.exit_code == 0, done.output
    assert f"skipped {job_id(2)}: it has no job.json" in done.stdout
    assert "1 jobs restored" in done.stdout
    assert "accepted    1" in done.stdout


@pytest.mark.parametrize("verb", ["show", "export", "verify"])
def test_without_a_journal_there_is_nothing_to_look_into(folder: Path, verb: str) -> None:
    done = invoke(folder, verb)

    assert done.exit_code == 3
    assert "there is no journal at" in done.stderr
