"""Writes docs/schema/*.json from the models; `--check` only compares."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from drawn_page import write_or_check

from bridge.sites import site_schema
from bridge.wire.schemas import message_schema, with_dialect

SCHEMAS: Mapping[str, Callable[[], Mapping[str, Any]]] = {
    "job": partial(message_schema, "job"),
    "event": partial(message_schema, "event"),
    "control": partial(message_schema, "control"),
    "site": lambda: with_dialect(site_schema()),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the schemas, or with `--check` returns 1 when one is not what would be written."""
    return max(
        write_or_check(
            f"docs/schema/{name}.json",
            json.dumps(schema(), indent=2) + "\n",
            program="scripts/schema-page",
            does=__doc__,
            arguments=arguments,
        )
        for name, schema in SCHEMAS.items()
    )


if __name__ == "__main__":
    sys.exit(main())
