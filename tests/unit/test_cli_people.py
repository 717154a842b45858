"""What people see of jobs, refused messages and progress, and what shells complete."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from pika import BasicProperties
from unit.board_events import progress, told
from unit.builders import queued, running, seen
from unit.house import job_id, message

from bridge.adapters.rabbitmq.dead_letters import read_letter
from bridge.cli import main
from bridge.cli.table import Cell, bar, table
from bridge.cli.terminal import line
from bridge.client.board import Board

NOWHERE = "amqp://u:p@127.0.0.1:1/"


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(it) for it in words])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "board.sqlite"
    with Board(path) as board:
        board.record(
            [*told(running(), 1, name="digits", user="ada", labels={"study": "a"}), progress(1, 25)]
        )
        board.record(told(queued(seen("PENDING", 3, reason="Priority")), 2, later=1, name="other"))
    return path


def test_jobs_are_shown_newest_first_with_what_they_wait_for_and_how_far_they_are(
    path: Path,
) -> None:
    done = run("jobs", "--board", path)
    assert done.exit_code == 0
    heading, second, first = done.stdout.splitlines()
    assert heading.split() == ["JOB", "STATE", "SITE", "NAME", "USER", "ACCEPTED"]
    assert second.startswith(f"{job_id(2)}  queued")
    assert second.endswith("Priority")
    assert first.startswith(f"{job_id(1)}  running  testbed  digits  ada")
    assert " 25%  25/100" in first


def test_jobs_are_chosen_by_state_user_and_text(path: Path) -> None:
    for words in (
        ["--state", "running"],
        ["--user", "ada"],
        ["--text", "DIG"],
        ["--label", "study=a"],
        ["testbed", "-n1"],
    ):
        done = run("jobs", "--board", path, *words)
        assert done.exit_code == 0
        assert len(done.stdout.splitlines()) == 2
    assert "1 more" in run("jobs", "--board", path, "-n", "1").stderr


def test_jobs_are_json_for_programs(path: Path) -> None:
    done = run("jobs", "--board", path, "--json")
    second, first = map(json.loads, done.stdout.splitlines())
    assert (first["job_id"], first["state"], first["progress"]["step"]) == (
        job_id(1),
        "running",
        25,
    )
    assert second["pending_reason"] == "Priority"


@pytest.mark.parametrize(
    "words",
    [
        ("jobs", "--broker", NOWHERE, "--patience", "0.1"),
        ("sites", "--broker", NOWHERE, "--patience", "0.1"),
        ("logs", "vaughan", job_id(1), "--broker", NOWHERE, "--patience", "0.1"),
        ("logs", job_id(1), "--broker", NOWHERE, "--patience", "0.1"),
        ("cancel", job_id(1), "--broker", NOWHERE, "--patience", "0.1"),
        ("watch", job_id(1), job_id(2), "--broker", NOWHERE, "--patience", "0.1"),
        ("dead", "list", "vaughan", "--broker", NOWHERE),
    ],
)
def test_without_a_broker_the_exit_code_is_4(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.exit_code == 4
    assert "127.0.0.1:1" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("dead", "replay", "vaughan", "--broker", NOWHERE),
        ("dead", "replay", "vaughan", "abc", "--all", "--broker", NOWHERE),
        ("logs", "vaughan", job_id(1), "-f", "--stream", "progress", "--broker", NOWHERE),
        ("jobs",),
        ("jobs", "--label", "no-value", "--broker", NOWHERE),
        ("jobs", "--days", "1e9", "--broker", NOWHERE),
        ("watch", "--days", "1e9", "--broker", NOWHERE),
        ("logs", "vaughan", "no-id", "--broker", NOWHERE),
        ("logs", job_id(1)),
        ("cancel", "vaughan", "elsewhere", job_id(1), "--broker", NOWHERE),
        ("cancel", "--broker", NOWHERE),
        ("watch", job_id(1), "no-id", "--broker", NOWHERE),
        ("watch", job_id(1), "--user", "ada", "--broker", NOWHERE),
    ],
)
def test_what_makes_no_sense_is_a_wrong_command_line(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str) -> None:
    done = run("completion", shell)
    assert done.exit_code == 0
    assert "_HPC_BRIDGE_COMPLETE" in done.stdout


def test_a_table_is_aligned_and_obeys_nobody() -> None:
    rows: list[tuple[Cell | str, str]] = [("longer", "x"), (Cell("s\x1b[2J"), "y")]
    heading, first, second = map(click.unstyle, table(("a", "bb"), rows))
    assert heading == "A       BB"
    assert first == "longer  x"
    assert second == "s\N{REPLACEMENT CHARACTER}[2J   y"


@pytest.mark.parametrize(
    ("step", "total", "shown"),
    [
        (5, 10, "██████████░░░░░░░░░░  50%  5/10"),
        (30, 10, "████████████████████ 100%  30/10"),
        (-1, 10, "░░░░░░░░░░░░░░░░░░░░   0%  -1/10"),
        (2.5, None, "2.5"),
        (3, 0, "3"),
    ],
)
def test_a_bar_shows_how_far_something_has_come(
    step: float, total: float | None, shown: str
) -> None:
    assert bar(step, total) == shown


def test_progress_is_told_with_a_bar_and_its_numbers() -> None:
    assert line(progress(1, 10, 25)).endswith("█████░░░░░░░░░░░░░░░  25%  25/100  loss 0.04")


def test_a_dead_letter_says_where_and_why_it_was_refused() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    death = {"queue": "hpc-bridge.jobs.vaughan", "reason": "rejected", "time": at, "count": 1}
    properties = BasicProperties(message_id="m", headers={"x-death": [death]})
    letter = read_letter(message(1), properties, delivery_tag=7)
    assert (letter.queue, letter.reason, letter.died_at) == (
        "hpc-bridge.jobs.vaughan",
        "rejected",
        at,
    )
    assert (letter.message_id, letter.delivery_tag, len(letter.number)) == ("m", 7, 12)


@pytest.mark.parametrize("headers", [None, {}, {"x-death": []}, {"x-death": "odd"}])
def test_a_dead_letter_without_a_history_is_one_still(headers: dict[str, object] | None) -> None:
    letter = read_letter(b"x", BasicProperties(headers=headers), delivery_tag=1)
    assert (letter.queue, letter.reason, letter.died_at) == ("", "", None)
