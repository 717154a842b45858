"""Site files that extend others."""

from pathlib import Path

import pytest
from unit.site_files import SMALLEST, environment, load, mistakes

from bridge.core.errors import ConfigurationError
from bridge.sites import load_site

HEIR = "extends: base.yaml\nsite:\n  name: heir\n"


def base(folder: Path, text: str = SMALLEST, name: str = "base.yaml") -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def test_what_a_file_does_not_say_its_base_says(folder: Path) -> None:
    base(folder)
    settings = load(folder, HEIR)
    assert settings.site.name == "heir"
    assert settings.broker.host == "localhost"
    assert settings.broker.password == "s3cret"
    assert settings.site.containers.images == ("/images/*.sif",)


def test_sections_are_put_together_and_lists_replaced(folder: Path) -> None:
    more = "environment: {A: base, B: base}\nprofiles: {one: {qos: a}, two: {qos: b}}\n"
    base(folder, SMALLEST + "  qos: normal\n" + more)
    settings = load(
        folder,
        HEIR
        + """\
containers: {images: [/mine/*.sif]}
defaults: {walltime: 01:00:00, qos: null}
environment: {B: heir, C: heir}
profiles:
  three: {qos: c}
  two: {constraint: gpu}
""",
    )
    site = settings.site
    assert site.containers.images == ("/mine/*.sif",)
    assert site.containers.runtime == "apptainer"
    assert site.defaults.walltime.total_seconds() == 3600
    assert site.defaults.qos is None
    assert site.environment == (("A", "base"), ("B", "heir"), ("C", "heir"))
    found = [(it.name, it.qos, it.constraint) for it in site.profiles]
    assert found == [("one", "a", None), ("two", "b", "gpu"), ("three", "c", None)]


def test_null_takes_away_whatever_the_base_says(folder: Path) -> None:
    more = "environment: {A: base, B: base}\nprofiles: {one: {qos: a}, two: {qos: b}}\n"
    base(folder, SMALLEST + more + "limits: {nodes: 0}\npolling: {marks: 3s}\n")
    nulls = "environment: {A: null}\nprofiles: {one: null}\nlimits: null\npolling: {marks: null}\n"
    settings = load(folder, HEIR + nulls)
    assert settings.site.environment == (("B", "base"),)
    assert [it.name for it in settings.site.profiles] == ["two"]
    assert settings.site.limits.nodes is None
    assert settings.polling.marks.total_seconds() == 0.5


def test_what_is_needed_cannot_be_taken_away(folder: Path) -> None:
    base(folder)
    assert mistakes(folder, HEIR + "work_root: null\n") == [
        "site.yaml:4: work_root: missing, and required"
    ]


def test_null_says_something_where_commands_start(folder: Path) -> None:
    base(folder, SMALLEST + "mlexchange: {start_in: /app}\n")
    rules = load(folder, HEIR + "mlexchange: {start_in: null}\n").mlexchange
    assert rules is not None
    assert rules.start_in is None


def test_a_null_that_takes_nothing_away_is_shown_as_it_is_written(folder: Path) -> None:
    base(folder)
    assert mistakes(folder, HEIR + "environment: {A: null}\n") == [
        "site.yaml:4: environment.A: text is wanted (found null)"
    ]


def test_a_base_may_extend_another_relative_to_itself(folder: Path) -> None:
    base(folder, SMALLEST.replace("12:00:00", "02:00:00"), "all/first.yaml")
    base(folder, "extends: first.yaml\nbroker: {port: 5000}\n", "all/second.yaml")
    settings = load(folder, "extends: all/second.yaml\nsite: {name: third}\n")
    assert settings.site.name == "third"
    assert settings.broker.port == 5000
    assert settings.site.defaults.walltime.total_seconds() == 7200


def test_a_mistake_is_told_in_the_file_where_it_stands(folder: Path) -> None:
    base(folder, SMALLEST.replace("12:00:00", "noon").replace("localhost", "${NOWHERE}"))
    assert mistakes(folder, HEIR + "journal: {paht: /x}\n") == [
        "site.yaml:4: journal.paht: unknown field; did you mean 'path'?",
        "base.yaml:5: broker.host: the environment variable NOWHERE is not set",
        (
            "base.yaml:16: defaults.walltime: a time as HH:MM:SS or D-HH:MM:SS is wanted, "
            "such as 01:30:00 (found 'noon')"
        ),
    ]


def test_a_mistake_that_the_heir_puts_right_is_none(folder: Path) -> None:
    base(folder, SMALLEST.replace("localhost", "${NOWHERE}"))
    assert load(folder, HEIR + "broker: {host: here}\n").broker.host == "here"


def test_what_contradicts_the_base_is_told_where_it_was_said(folder: Path) -> None:
    base(folder)
    assert mistakes(folder, HEIR + "limits: {walltime: 01:00:00}\n") == [
        "base.yaml:16: defaults.walltime: 12:00:00 is more than the 01:00:00 of limits.walltime"
    ]


def test_a_password_in_a_base_is_refused_too(folder: Path) -> None:
    base(folder, SMALLEST.replace("${PASSWORD}", "hunter2"))
    [told] = mistakes(folder, HEIR)
    assert told.startswith("base.yaml:7: broker.password: a password may not stand in this file")
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "site.yaml:1: extends: {folder}/base.yaml: cannot be read: No such file"),
        ("a: [1, 2\nb: 3\n", "base.yaml:2: not YAML: "),
        ("", "base.yaml:1: empty"),
        ("- 1\n", "site.yaml:1: extends: {folder}/base.yaml has no fields"),
        ("extends: base.yaml\n", "base.yaml:1: extends: {folder}/base.yaml comes to extend"),
        ("extends: site.yaml\n", "base.yaml:1: extends: {folder}/site.yaml comes to extend"),
        ("extends: none.yaml\n", "base.yaml:1: extends: {folder}/none.yaml: cannot be read"),
        ("extends: ../x/y/\n", "base.yaml:1: extends: {folder}/../x/y: cannot be read"),
        ("extends: .\n", "base.yaml:1: extends: {folder}: cannot be read: Is a directory"),
    ],
)
def test_a_base_that_will_not_do_is_told_of(text: str | None, told: str, folder: Path) -> None:
    if text is not None:
        base(folder, text)
    found = mistakes(folder, HEIR)
    assert any(it.startswith(told.format(folder=folder)) for it in found), found


def test_a_long_way_round_is_found_too(folder: Path) -> None:
    base(folder, "extends: b.yaml\n", "a.yaml")
    base(folder, "extends: ./c.yaml\n", "b.yaml")
    base(folder, "extends: a.yaml\n", "c.yaml")
    with pytest.raises(ConfigurationError, match=r"c\.yaml:1: extends: .*comes to extend itself"):
        load_site(folder / "a.yaml", environment(folder))


@pytest.mark.parametrize("named", ["[a, b]", "7", "''"])
def test_a_base_is_named_by_text(named: str, folder: Path) -> None:
    found = mistakes(folder, SMALLEST + f"extends: {named}\n")
    assert all(it.startswith("site.yaml:17: extends: ") for it in found)
