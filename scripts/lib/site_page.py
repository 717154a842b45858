"""Writes docs/site.md from the model of the site's file; `--check` only compares."""

import sys
from collections.abc import Iterator, Sequence

from drawn_page import write_or_check
from model_tables import field_table, sections_in
from pydantic import BaseModel

from bridge.sites.model import SiteFile

OPENING = """\
# The site's file

<!-- Drawn from the models in bridge/sites by scripts/site-page: change those, not this. -->

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
- **Inheritance.** `extends: base.yaml` takes from that file, next to this one, what this one does
  not say; it may extend another. Sections are put together field by field, profiles among them;
  lists are replaced; `null` takes a field away. Mistakes are told in the file where they stand.
- **The password** never stands in this file: name the file that holds it, or a variable.
- **Paths** are absolute.
- **Times** of the bridge are written `500ms`, `30s`, `5m`, `12h` or `30d`; those of Slurm as
  `HH:MM:SS` or `D-HH:MM:SS`, with or without quotes.
- Only `true` and `false` are switches: `no`, `on` and `12:00:00` are plain words, whatever YAML
  1.1 makes of them. Keys that stand twice, tags, anchors and aliases are refused.

`hpc-bridge schema site` prints the JSON schema of the file, which is [here](schema/site.json) too.
An editor with the YAML language server completes and checks as one types when the first line is
`# yaml-language-server: $schema=site.json`.

Two bridges of one user at one Slurm need a `tag_prefix`, a journal and a work root each."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page, or with `--check` returns 1 when it is not what would be written."""
    return write_or_check(
        "docs/site.md", page(), program="scripts/site-page", does=__doc__, arguments=arguments
    )


def page() -> str:
    """The whole page as Markdown."""
    parts = [OPENING, "## The file", field_table(SiteFile), *sections(SiteFile, "")]
    return "\n\n".join(parts) + "\n"


def sections(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """A chapter for each section of `model`, and for the sections in it."""
    for name, section in sections_in(model):
        title = f"{prefix}{name}"
        yield f"## `{title}`"
        yield " ".join((section.__doc__ or "").split())
        yield field_table(section)
        yield from sections(section, f"{title}.")


if __name__ == "__main__":
    sys.exit(main())
