"""The shipped template names every field, and what it says of them is accepted."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from unit.site_files import load, mistakes

from bridge.shipped import shipped
from bridge.sites.model import SiteFile

TEXT = (shipped("site_configs") / "template.yaml").read_text(encoding="utf-8")
NOT_TOGETHER = (
    *("extends", "password", "certificate_authority", "modules", "templates"),
    *("kind", "local_jobs", "pyslurm_fallback"),
)
"""Without these, all fields go together."""


def in_full(text: str) -> str:
    """The template with all that is left out in it."""
    return re.sub(r"(?m)^( *)#(?=[^ ])", r"\1", text)


def model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(model_in, get_args(annotation))), None)


def missing(model: type[BaseModel], data: Any, place: str) -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        here = f"{place}{name}"
        section = model_in(field.annotation)
        if name not in data:
            found.append(here)
        elif section is not None:
            inner = data[name]
            if isinstance(inner, list):
                [inner] = inner
            elif name in {"profiles", "secrets"}:
                [inner] = inner.values()
            if here != "profiles.limits":
                found += missing(section, inner, f"{here}.")
    return found


def test_the_template_has_every_field() -> None:
    data = yaml.safe_load(in_full(TEXT))
    assert missing(SiteFile, data, "") == []


def test_all_that_the_template_says_is_accepted(folder: Path) -> None:
    lines = (
        line
        for line in in_full(TEXT).splitlines()
        if not line.strip().startswith(tuple(f"{it}:" for it in NOT_TOGETHER))
    )
    settings = load(folder, "\n".join(lines))
    assert settings.scheduler.access is not None
    assert [it.name for it in settings.site.profiles] == ["gpu"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("password", "give either password or password_file, not both"),
        ("certificate_authority", "has no effect without tls: true"),
        ("modules", "is for shifter"),
        ("templates", "there is no folder /etc/hpc-bridge/templates"),
    ],
)
def test_what_does_not_go_together_there_is_told(name: str, told: str, folder: Path) -> None:
    text = re.sub(rf"(?m)^( *)#(?={name}:)", r"\1", TEXT)
    text = text.replace("${BRIDGE_AMQP_PASSWORD}", "${PASSWORD}")
    [found] = mistakes(folder, text)
    assert told in found
