"""YAML with a place for everything in it: text to data, and data back to lines."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from bridge.core.errors import Problem

Place = tuple[str | int, ...]
"""Where something is in a document: keys and indexes from the top."""

EXTENDS: Place = ("extends",)

LONGEST_CHARACTERS = 1024 * 1024
_VARIABLE = re.compile(r"\$(\$?)\{([^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PLAIN_TAGS = {
    yaml.ScalarNode: "tag:yaml.org,2002:str",
    yaml.SequenceNode: "tag:yaml.org,2002:seq",
    yaml.MappingNode: "tag:yaml.org,2002:map",
}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
_FLOAT = re.compile(r"-?[0-9]{1,17}\.[0-9]{1,17}", re.ASCII)
_CONSTANTS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "": None}


@dataclass(slots=True, kw_only=True)
class Document:
    """The data of a YAML file and its bases, with every problem found on the way to it."""

    file: str
    data: object = None
    problems: dict[Place, Problem] = field(default_factory=dict)
    """One a place: the first thing that is wrong there hides what follows from it."""
    lines: dict[Place, int] = field(default_factory=dict)
    files: dict[Place, str] = field(default_factory=dict)
    """Where another file than `file` has a place from."""
    first_lines: dict[Place, int] = field(default_factory=dict)
    """Of text whose lines are those of the file, where the first one stands."""
    written: dict[Place, str] = field(default_factory=dict)
    """Text as it stands in the file, before variables were replaced."""

    def report(self, place: Place, what: str) -> None:
        """Records what is wrong at `place`, unless something is known to be wrong there."""
        if not any(place[:length] in self.problems for length in range(len(place) + 1)):
            dotted = ".".join(map(str, place))
            file, line = self.line(place)
            where = f"{file}:{line}" + (f": {dotted}" if dotted else "")
            self.problems[place] = Problem(where=where, what=what)

    def line(self, place: Place) -> tuple[str, int]:
        """The file and the line of `place`, or of what it is missing from."""
        while place not in self.lines and place:
            place = place[:-1]
        return self.files.get(place, self.file), self.lines.get(place, 1)

    def line_of_text(self, place: Place, number: int) -> tuple[str, int]:
        """The file and the line in it of the `number`th line, from 1, of the text at `place`.

        Where the file's lines are not those of the text, it is the line at which the text begins.
        """
        file, line = self.line(place)
        return file, self.first_lines.get(place, line + 1 - number) + number - 1

    def sorted_problems(self) -> tuple[Problem, ...]:
        """All that is wrong, from the top of the file to its end, then that of its bases."""

        def key(found: tuple[Place, Problem]) -> tuple[bool, str, int]:
            file, line = self.line(found[0])
            return file != self.file, file, line

        return tuple(problem for _, problem in sorted(self.problems.items(), key=key))

    def inherit(self, base: "Document", *, null_is_a_value: frozenset[Place]) -> None:
        """Takes what this document does not say from `base`.

        Sections are put together field by field; lists and all else are taken or left whole. Null
        takes a field away, but at the places where it says something itself.
        """
        taken: set[Place] = set()
        self.data = _put_together(self.data, base.data, (), taken, null_is_a_value)
        for place, line in base.lines.items():
            if _is_within(place, taken):
                self.lines[place] = line
                self.files[place] = base.files.get(place, base.file)
                if place in base.first_lines:
                    self.first_lines[place] = base.first_lines[place]
        self.written |= {it: text for it, text in base.written.items() if _is_within(it, taken)}
        for place, problem in base.problems.items():
            if _is_within(place, taken) or place in ((), EXTENDS):
                self.problems.setdefault(place or EXTENDS, problem)


def _put_together(
    own: object, base: object, place: Place, taken: set[Place], null_is_a_value: frozenset[Place]
) -> object:
    if not isinstance(own, dict) or not isinstance(base, dict):
        return own
    inherited = {}
    for key, value in base.items():
        here = (*place, key)
        if key not in own:
            taken.add(here)
            inherited[key] = value
        elif own[key] is not None or here in null_is_a_value:
            inherited[key] = _put_together(own[key], value, here, taken, null_is_a_value)
    return inherited | {key: value for key, value in own.items() if key not in base}


def _is_within(place: Place, places: set[Place]) -> bool:
    return any(place[:length] in places for length in range(1, len(place) + 1))


class _Refusal(yaml.MarkedYAMLError):
    """Something that YAML has and a site's file may not use."""


class _Loader(yaml.SafeLoader):
    """Leaves all plain scalars text: YAML 1.1 would read 12:00:00 as 43200 and `no` as false."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own name and type)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuses anchors and aliases: nine of them can hold a million strings."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise _Refusal(
                None, None, "anchors and aliases (& and *) are not accepted", event.start_mark
            )
        return super().compose_node(parent, index)


def read_document(
    text: str, *, file: str, environment: Mapping[str, str], verbatim: frozenset[Place]
) -> Document:
    """The document in `text`: plain data, `${NAME}` replaced from `environment`.

    `$${` stands for `${`. At the places in `verbatim` nothing is replaced. Whatever is wrong is
    in the answer's problems; nothing is raised.
    """
    document = Document(file=file)
    if len(text) > LONGEST_CHARACTERS:
        document.report((), f"longer than {LONGEST_CHARACTERS} characters")
        return document
    try:
        node = _Loader(text).get_single_node()
        if node is None:
            document.report((), "empty; see docs/site.md for what belongs here")
        else:
            document.data = _Reading(document, environment, verbatim).read(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.lines[()] = mark.line + 1 if mark else 1
        prefix = "" if isinstance(error, _Refusal) else "not YAML: "
        document.report((), f"{prefix}{error.problem or error.context}")
    except yaml.YAMLError as error:
        document.report((), f"not YAML: {str(error).splitlines()[0]}")
    except RecursionError:
        document.report((), "nested too deeply")
    return document


@dataclass(frozen=True, slots=True)
class _Reading:
    document: Document
    environment: Mapping[str, str]
    verbatim: frozenset[Place]

    def read(self, node: yaml.Node, place: Place) -> object:
        self.document.lines.setdefault(place, node.start_mark.line + 1)
        if node.tag != _PLAIN_TAGS[type(node)]:
            self.document.report(place, f"tags such as {node.tag!r} are not accepted")
            return None
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node, place))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        return [self.read(it, (*place, index)) for index, it in enumerate(node.value)]

    def _pairs(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, object]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if (
                not isinstance(key_node, yaml.ScalarNode)
                or key_node.tag != _PLAIN_TAGS[yaml.ScalarNode]
            ):
                self.document.lines[(*place, "?")] = line
                self.document.report((*place, "?"), "a key must be a plain word")
                continue
            key: str = key_node.value
            here = (*place, key)
            if key in seen:
                self.document.lines[here] = line
                self.document.report(here, f"stands here a second time, after line {seen[key]}")
                continue
            seen[key] = line
            self.document.lines[here] = line
            yield key, self.read(value_node, here)

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> object:
        text: str = node.value
        if node.style is None:
            if text in _CONSTANTS:
                return _CONSTANTS[text]
            if _INTEGER.fullmatch(text):
                return int(text)
            if _FLOAT.fullmatch(text):
                return float(text)
        self.document.written[place] = text
        if node.style == "|":
            self.document.first_lines[place] = node.start_mark.line + 2
        if any(place[: len(it)] == it for it in self.verbatim):
            return text
        return _VARIABLE.sub(lambda match: self._replaced(match, place), text)

    def _replaced(self, match: re.Match[str], place: Place) -> str:
        escape, name = match.groups()
        if escape:
            return match[0][1:]
        if not match[0].endswith("}") or not _NAME.fullmatch(name):
            self.document.report(
                place, f"{match[0]!r} names no variable; ${{NAME}} does, and $${{ is a plain ${{"
            )
        elif name not in self.environment:
            self.document.report(place, f"the environment variable {name} is not set")
        return self.environment.get(name, "")
