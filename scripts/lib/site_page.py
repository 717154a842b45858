"""Writes docs/site.md from the model of the site's file; `--check` only compares."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bridge.sites.model import SiteFile

PAGE = Path(__file__).resolve().parents[2] / "docs" / "site.md"

OPENING = """\
# The site's file

<!-- Drawn from bridge/sites/model.py by scripts/site-page: change that, not this. -->

One YAML file says all that the bridge has to know of a site: how to reach RabbitMQ and Slurm, what
a job may ask for, and how containers start there. `hpc-bridge check SITE.yaml` reads it and tells
every mistake with its line and field. Files to start from are in `site_configs/`; the shortest that
works:

```yaml
version: 1
site:
  name: here
broker:
  host: localhost
  user: bridge
  password_file: /home/bridge/.rabbitmq-password
journal:
  path: /home/bridge/journal.sqlite
work_root: /scratch/bridge
containers:
  runtime: apptainer
  images:
    - /images/*.sif
defaults:
  walltime: 01:00:00
```

## How it is read

- **Variables.** `${NAME}` in a value is replaced by that variable of the bridge's own environment,
  once, when the bridge starts; one that is not set is a mistake. `$${` stands for a plain `${`.
  Under `setup` nothing is replaced, since bash does that there, in the job.
- **The password** never stands in this file: name the file that holds it, or a variable.
- **Paths** are absolute.
- **Times** of the bridge are written `500ms`, `30s`, `5m`, `12h` or `30d`; those of Slurm as
  `HH:MM:SS` or `D-HH:MM:SS`, with or without quotes.
- Only `true` and `false` are switches: `no`, `on` and `12:00:00` are plain words, whatever YAML
  1.1 makes of them. Keys that stand twice, tags, anchors and aliases are refused.

Two bridges of one user at one Slurm need a `tag_prefix`, a journal and a work root each."""

FORMATS = {
    "bridge-time": "a time of the bridge",
    "slurm-time": "a time of Slurm",
    "slurm-size": "a size: `512M`, `16G`, `1T`",
    "absolute-path": "an absolute path",
    "plain-path": "an absolute path of letters, digits and `_ . / + @ = -`",
}
TYPES = {
    "string": "text",
    "integer": "a number",
    "number": "a factor",
    "boolean": "`true` or `false`",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page, or with `--check` returns 1 when it is not what would be written."""
    parser = argparse.ArgumentParser(prog="scripts/site-page", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing: exit 1 when stale")
    wanted = page()
    if not parser.parse_args(arguments).check:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    print("docs/site.md is not what the model says: run scripts/site-page")
    return 1


def page() -> str:
    """The whole page as Markdown."""
    parts = [OPENING, "## The file", table(SiteFile), *sections(SiteFile, "")]
    return "\n\n".join(parts) + "\n"


def sections(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """A chapter for each section of `model`, and for the sections in it."""
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is None:
            continue
        title = f"{prefix}{name}"
        yield f"## `{title}`"
        yield " ".join((section.__doc__ or "").split())
        yield table(section)
        yield from sections(section, f"{title}.")


def table(model: type[BaseModel]) -> str:
    """A row for each field."""
    properties = model.model_json_schema()["properties"]
    rows = [["Field", "Form", "When left out", "Meaning"], ["---"] * 4]
    for name, field in model.model_fields.items():
        section = section_of(field)
        meaning = field.description or (section.__doc__ if section else "") or ""
        rows.append(
            [f"`{name}`", form(properties[name], section), default(field), sentence(meaning)]
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a section, or of a section's list."""
    return _model_in(field.annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def form(schema: dict[str, Any], section: type[BaseModel] | None) -> str:
    """What may stand there, in words."""
    if "anyOf" in schema:
        return form(next(it for it in schema["anyOf"] if it.get("type") != "null"), section)
    if schema.get("type") == "array":
        return "a list of sections" if section else f"a list: {form(schema['items'], None)}"
    if section is not None:
        return "a section"
    if schema.get("type") == "object":
        return "names and their values"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "$ref" in schema:
        return listed(DEFINITIONS[schema["$ref"].rpartition("/")[2]]["enum"])
    if "enum" in schema:
        return listed(schema["enum"])
    words = FORMATS.get(schema.get("format", ""), TYPES[schema["type"]])
    if "minimum" in schema:
        words += f" from {schema['minimum']} to {schema['maximum']}"
    return words


DEFINITIONS = SiteFile.model_json_schema()["$defs"]


def listed(words: Iterable[str]) -> str:
    """Words as code, with commas between."""
    return ", ".join(f"`{word}`" for word in words)


def default(field: FieldInfo) -> str:
    """What holds when the field is left out."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return "as below"
    if isinstance(value, timedelta):
        return f"`{written(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None or value in ([], {}, ""):
        return "nothing"
    if isinstance(value, list):
        return listed(it.value if isinstance(it, Enum) else str(it) for it in value)
    return f"`{value.value if isinstance(value, Enum) else value}`"


def written(time: timedelta) -> str:
    """The time as the file has it."""
    for word, unit in (
        ("d", timedelta(days=1)),
        ("h", timedelta(hours=1)),
        ("m", timedelta(minutes=1)),
        ("s", timedelta(seconds=1)),
    ):
        if time >= unit and not time % unit:
            return f"{time // unit}{word}"
    return f"{time // timedelta(milliseconds=1)}ms"


def sentence(text: str) -> str:
    """Text in one line that a table can hold."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
