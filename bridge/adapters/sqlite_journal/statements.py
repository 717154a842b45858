"""The SQL of the journal, by name, from the files beside this module."""

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def _read_statements(file: str) -> Mapping[str, str]:
    text = (files(__package__) / file).read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {
        name: sql.strip().rstrip(";") for name, sql in zip(parts[::2], parts[1::2], strict=True)
    }


def _read_migrations() -> tuple[str, ...]:
    found = (it for it in (files(__package__) / "migrations").iterdir() if it.name.endswith(".sql"))
    return tuple(it.read_text(encoding="utf-8") for it in sorted(found, key=lambda it: it.name))


SQL = _read_statements("statements.sql")
"""What the daemon asks, all of it quick however big the journal is."""

INSPECTION = _read_statements("inspection.sql")
"""What a person asks, who may wait."""

MIGRATIONS = _read_migrations()
"""The nth one makes version n of version n - 1; version 0 is an empty file."""
