"""A page that is drawn from code: written, or only compared."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def write_or_check(
    page: str, text: str, *, program: str, does: str | None, arguments: Sequence[str] | None
) -> int:
    """Writes `page`, a path below the checkout; with `--check` only compares: 1 when stale."""
    parser = argparse.ArgumentParser(prog=program, description=does)
    parser.add_argument("--check", action="store_true", help="write nothing: exit 1 when stale")
    path = CHECKOUT / page
    if not parser.parse_args(arguments).check:
        path.write_text(text, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    print(f"{page} is not what the code says: run {program}")
    return 1


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def listed(words: Iterable[str]) -> str:
    """Words as code, with commas between."""
    return ", ".join(f"`{word}`" for word in words)


def sentence(text: str) -> str:
    """Text in one line that a table can hold."""
    return " ".join(text.split()).replace("|", "\\|")
