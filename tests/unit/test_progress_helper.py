"""The file that a person copies into an image, as it tells how far a training has come."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import bridge.progress
from bridge.core.progress import Point
from bridge.progress import report
from bridge.wire.progress import read_lines

SOURCE = Path(bridge.progress.__file__)


@contextmanager
def telling(path: Path | None) -> Iterator[None]:
    """In a job whose progress file this is; None outside of any job."""
    before = os.environ.pop("BRIDGE_PROGRESS", None)
    try:
        if path is not None:
            os.environ["BRIDGE_PROGRESS"] = str(path)
        yield
    finally:
        os.environ.pop("BRIDGE_PROGRESS", None)
        if before is not None:
            os.environ["BRIDGE_PROGRESS"] = before


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "progress.jsonl"
    with telling(path):
        yield path


def test_what_is_reported_is_read(file: Path) -> None:
    report(1, total=3, loss=0.5)
    report(2, total=3, loss=0.25, accuracy=1, message="half-way: ½")
    assert read_lines(file.read_bytes(), is_all=False).points == (
        Point(step=1, total=3, metrics=(("loss", 0.5),)),
        Point(step=2, total=3, metrics=(("loss", 0.25), ("accuracy", 1)), message="half-way: ½"),
    )


class Tensor:
    """Such as NumPy and PyTorch have: it gives a float, and is none."""

    def __float__(self) -> float:
        return 0.125


@pytest.mark.parametrize(
    ("value", "told"),
    [(float("nan"), None), (float("inf"), None), (Tensor(), 0.125), (10**400, None), (3.0, 3)],
)
def test_a_metric_is_a_number_or_null(file: Path, value: float, told: float | None) -> None:
    report(1, loss=value)
    assert json.loads(file.read_text())["metrics"] == {"loss": told}


def test_what_is_no_number_ends_no_training(file: Path) -> None:
    report(1, loss="high", message=b"\xff")  # type: ignore[arg-type]
    assert json.loads(file.read_text())["metrics"] == {"loss": None}


def test_outside_of_a_job_nothing_happens() -> None:
    with telling(None):
        report(1, loss=0.5)


def test_a_file_that_cannot_be_written_ends_no_training(tmp_path: Path) -> None:
    with telling(tmp_path / "missing" / "progress.jsonl"):
        report(1, loss=0.5)


def test_it_needs_no_other_file_and_no_newer_python_than_3_6(file: Path, tmp_path: Path) -> None:
    text = SOURCE.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 6))
    imports = [it for it in ast.walk(tree) if isinstance(it, ast.Import | ast.ImportFrom)]
    names = {a.name for it in imports if isinstance(it, ast.Import) for a in it.names}
    names |= {str(it.module) for it in imports if isinstance(it, ast.ImportFrom)}
    assert names == {"json", "math", "os", "typing"}
    (tmp_path / "progress.py").write_text(text, encoding="utf-8")
    program = "from progress import report; report(7, loss=0.5)"
    subprocess.run([sys.executable, "-S", "-c", program], check=True, cwd=tmp_path, timeout=30)
    assert json.loads(file.read_text())["step"] == 7


def test_a_line_of_shell_does_the_same(file: Path) -> None:
    (line,) = (it.strip() for it in SOURCE.read_text().splitlines() if it.startswith("    echo"))
    subprocess.run(["sh", "-c", line], check=True, timeout=30)
    (point,) = read_lines(file.read_bytes(), is_all=False).points
    assert (point.step, point.total, point.metrics) == (3, 10, (("loss", 0.12),))
