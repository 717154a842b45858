"""Small site files, and how they are read in tests."""

from pathlib import Path

import pytest
from unit.script_jobs import PASSWORD_FILES, VARIABLES

from bridge.core.errors import ConfigurationError
from bridge.core.settings import SiteSettings
from bridge.sites import load_site

SMALLEST = """\
version: 1
site:
  name: here
broker:
  host: localhost
  user: bridge
  password: ${PASSWORD}
journal:
  path: /var/lib/bridge/journal.sqlite
work_root: /scratch/bridge
containers:
  runtime: apptainer
  images:
    - /images/*.sif
defaults:
  walltime: 12:00:00
"""


def environment(folder: Path) -> dict[str, str]:
    """The variables of all shipped files, and PASSWORD."""
    password = str(folder / "password")
    return VARIABLES | dict.fromkeys(PASSWORD_FILES, password) | {"PASSWORD": "s3cret"}


def load(folder: Path, text: str) -> SiteSettings:
    """The site that the text describes."""
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return load_site(path, environment(folder))


def mistakes(folder: Path, text: str) -> list[str]:
    """What the file is told, without the folder's name."""
    with pytest.raises(ConfigurationError) as refusal:
        load(folder, text)
    return [str(it).removeprefix(f"{folder}/") for it in refusal.value.problems]
