"""What several unit tests need."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from postgresql_databases import new_database

from bridge.client.board import Board

DATABASES = ["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.postgresql)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what the shipped files name."""
    password = tmp_path / "password"
    password.write_text("s3cret\n")
    password.chmod(0o600)
    return tmp_path


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a board can be made: a file's path, or the URL of an empty database."""
    if request.param == "SQLite":
        yield str(tmp_path / "board.sqlite")
        return
    with new_database() as url:
        yield url


@pytest.fixture(scope="session")
def new_postgresql_board() -> Iterator[str]:
    """A database with a new board, to be copied: sooner done than making the board again."""
    with new_database() as url:
        Board(url).close()
        yield url


@pytest.fixture(params=DATABASES)
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Board]:
    """A new board."""
    with ExitStack() as stack:
        where = str(tmp_path / "board.sqlite")
        if request.param == "PostgreSQL":
            model = request.getfixturevalue("new_postgresql_board")
            where = stack.enter_context(new_database(like=model))
        yield stack.enter_context(Board(where))
