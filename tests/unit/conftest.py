"""What several unit tests need."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what the shipped files name."""
    password = tmp_path / "password"
    password.write_text("s3cret\n")
    password.chmod(0o600)
    return tmp_path
