"""Markdown tables of pydantic models: what each field may hold, and what it means."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import Enum
from typing import Any, get_args

from drawn_page import listed, sentence, table
from pydantic import BaseModel
from pydantic.fields import FieldInfo

Schema = dict[str, Any]

FORMATS = {
    "bridge-time": "a time of the bridge",
    "slurm-time": "a time of Slurm",
    "slurm-size": "a size: `512M`, `16G`, `1T`",
    "absolute-path": "an absolute path",
    "plain-path": "an absolute path of letters, digits and `_ . / + @ = -`",
    "uuid": "a UUID",
    "date-time": "a time",
}
TYPES = {
    "string": "text",
    "integer": "a number",
    "number": "a factor",
    "boolean": "`true` or `false`",
}


def field_table(
    model: type[BaseModel],
    *,
    section: str = "a section",
    sections: str = "a list of sections",
    is_written: bool = True,
    names: Mapping[str, str] | None = None,
) -> str:
    """A row for each field; `section` and `sections` say what the format calls a model within.

    `is_written` is false for what people only read: nothing is left out there, but may be null.
    `names` says in words what a regular expression of the model accepts.
    """
    schema = model.model_json_schema()
    words = _Words(schema.get("$defs", {}), section, sections, names or {})
    rows = []
    for attribute, field in model.model_fields.items():
        name = field.alias or attribute
        form = words.of(schema["properties"][name], section_of(field))
        if not is_written and _may_be_null(schema["properties"][name]):
            form += ", or null"
        absent = [default(field)] if is_written else []
        rows.append([f"`{name}`", sentence(form), *absent, sentence(meaning(field))])
    absent = ["When left out"] if is_written else []
    return table(["Field", "Form", *absent, "Meaning"], rows)


def sections_in(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The fields that hold models of their own, with these."""
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is not None:
            yield name, section


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a section, or of a section's list."""
    return _model_in(field.annotation)


def meaning(field: FieldInfo) -> str:
    """What the field is for; what its section is for where it says nothing itself."""
    section = section_of(field)
    return field.description or (section.__doc__ if section else "") or ""


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
    """The time as a site's file has it."""
    for word, unit in (
        ("d", timedelta(days=1)),
        ("h", timedelta(hours=1)),
        ("m", timedelta(minutes=1)),
        ("s", timedelta(seconds=1)),
    ):
        if time >= unit and not time % unit:
            return f"{time // unit}{word}"
    return f"{time // timedelta(milliseconds=1)}ms"


class _Words:
    def __init__(
        self, definitions: Schema, section: str, sections: str, names: Mapping[str, str]
    ) -> None:
        self._definitions = definitions
        self._section = section
        self._sections = sections
        self._names = names

    def of(self, schema: Schema, section: type[BaseModel] | None) -> str:
        """What may stand there, in words."""
        if "anyOf" in schema:
            kinds = (it for it in schema["anyOf"] if it.get("type") != "null")
            return self.of(next(kinds), section)
        if "oneOf" in schema:
            return ", or ".join(self.of(it, None) for it in schema["oneOf"])
        if schema.get("type") == "array":
            return self._sections if section else f"a list: {self.of(schema['items'], None)}"
        if section is not None:
            return "names, and a section for each" if "type" in schema else self._section
        if schema.get("type") == "object":
            return "names and their values"
        if "const" in schema:
            return f"`{schema['const']}`"
        if "$ref" in schema:
            return listed(self._definitions[schema["$ref"].rpartition("/")[2]]["enum"])
        if "enum" in schema:
            return listed(schema["enum"])
        return self._plain(schema)

    def _plain(self, schema: Schema) -> str:
        words = FORMATS.get(schema.get("format", ""), TYPES[schema["type"]])
        if schema.get("pattern") in self._names:
            words = self._names[schema["pattern"]]
        if "minimum" in schema:
            words += f" from {schema['minimum']} to {schema['maximum']}"
        return words


def _may_be_null(schema: Schema) -> bool:
    return any(it.get("type") == "null" for it in schema.get("anyOf", ()))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
