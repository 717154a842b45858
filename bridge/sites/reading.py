"""From a site's YAML file to the settings that the bridge runs by."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.core.errors import ConfigurationError
from bridge.core.settings import SiteSettings
from bridge.sites.catalogue_check import report_catalogue
from bridge.sites.checks import report_contradictions
from bridge.sites.document import Document
from bridge.sites.inheritance import read_with_bases
from bridge.sites.mistakes import in_our_words
from bridge.sites.model import SiteFile
from bridge.sites.password import read_password, report_open_password, report_password
from bridge.sites.translation import settings_of


def load_site(path: Path, environment: Mapping[str, str]) -> SiteSettings:
    """The site that the YAML file at `path` describes, with the files that it extends.

    `${NAME}` in it is replaced from `environment`, except under `setup`. Reads the password file
    too. Raises ConfigurationError with every problem at once, each with file, line and field.
    """
    document = read_with_bases(path, environment)
    model = _validated(document)
    password = ""
    if model is not None:
        report_password(model, document)
        report_contradictions(model, document)
        report_catalogue(model, document)
        password = read_password(model, document)
    if model is None or document.problems:
        raise ConfigurationError(*document.sorted_problems())
    return settings_of(model, password=password)


def setup_line(path: Path, environment: Mapping[str, str], number: int) -> str:
    """Where the `number`th line, from 1, of `setup` stands: file, line and field.

    Raises as `load_site` does where the file cannot be read.
    """
    place = ("setup",)
    file, line = read_with_bases(path, environment).line_of_text(place, number)
    return f"{file}:{line}: {place[0]}"


def site_schema() -> dict[str, Any]:
    """The JSON schema of a site's YAML file, for editors that complete and check as one types.

    What is required at the top and in the sections there is so only without `extends`.
    """
    schema = SiteFile.model_json_schema()
    required: dict[str, Any] = {"required": schema.pop("required"), "properties": {}}
    for name in required["required"]:
        section = schema["$defs"].get(schema["properties"][name].get("$ref", "").rpartition("/")[2])
        if section and "required" in section:
            required["properties"][name] = {"required": section.pop("required")}
    return schema | {"if": {"not": {"required": ["extends"]}}, "then": required}


def _validated(document: Document) -> SiteFile | None:
    if document.data is None:
        document.report((), "empty; see docs/site.md for what belongs here")
        return None
    try:
        return SiteFile.model_validate(document.data)
    except ValidationError as error:
        for place, what in in_our_words(error):
            document.report(place, what)
        report_open_password(document)
        return None
