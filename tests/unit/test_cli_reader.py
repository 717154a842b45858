"""A command whose output nobody reads any more, at the end of a real pipe."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from unit.board_events import told
from unit.builders import running

from bridge.cli.reader import EndingWithItsReader
from bridge.client.board import Board


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """A board of many jobs."""
    path = tmp_path / "board.sqlite"
    with Board(path) as board:
        board.record([it for number in range(200) for it in told(running(), number)])
    return path


@pytest.fixture
def hung_up() -> int:
    """The writing end of a pipe whose reading end is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def outcome(*words: object, stdout: int, stderr: int = subprocess.PIPE) -> tuple[int, str | None]:
    """The exit code of a command, and what it says to standard error."""
    command = [sys.executable, "-m", "bridge", *map(str, words)]
    with subprocess.Popen(command, stdout=stdout, stderr=stderr, text=True) as process:
        os.close(stdout)
        _, told = process.communicate(timeout=60)
    return process.returncode, told


def test_a_command_ends_quietly_by_sigpipe_when_its_reader_goes(board: Path, hung_up: int) -> None:
    assert outcome("jobs", "--board", board, stdout=hung_up) == (-signal.SIGPIPE, "")


def test_a_reader_that_takes_the_first_lines_gets_them(board: Path) -> None:
    command = [sys.executable, "-m", "bridge", "jobs", "--board", str(board), "-n", "200"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        done = subprocess.run(
            ["head", "-3"], stdin=process.stdout, capture_output=True, check=True, timeout=60
        )
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode in (-signal.SIGPIPE, 0)
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize("words", [("--help",), ("jobs", "--help"), ("schema", "job")])
def test_so_does_what_is_printed_before_a_command_runs(
    words: tuple[str, ...], hung_up: int
) -> None:
    assert outcome(*words, stdout=hung_up) == (-signal.SIGPIPE, "")


def test_other_errors_keep_their_words_and_exit_code(hung_up: int, tmp_path: Path) -> None:
    code, told = outcome("check", tmp_path / "none.yaml", stdout=hung_up)
    assert code == 3
    assert told is not None
    assert "none.yaml" in told


def test_a_command_without_standard_output_is_no_error(board: Path) -> None:
    command = f"{sys.executable} -m bridge jobs --json --board {board} >&-"
    done = subprocess.run(
        ["sh", "-c", command], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_connection_that_breaks_is_no_reader_that_goes() -> None:
    @click.group(cls=EndingWithItsReader)
    def group() -> None:
        """Commands."""

    @group.command()
    def broken() -> None:
        """Send something to somebody who has gone."""
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(ConnectionError, match="Broken pipe") as caught:
        group.main(["broken"])
    assert not isinstance(caught.value, BrokenPipeError)
