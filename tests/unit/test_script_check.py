"""`hpc-bridge check` writes scripts and has bash read them: what it finds, and where."""

from pathlib import Path

import pytest
from unit.script_jobs import shipped_site, with_runtime
from unit.site_files import SMALLEST, environment, load

from bridge.core.errors import ConfigurationError, UnavailableError
from bridge.core.site import Runtime
from bridge.script_check import check_scripts
from bridge.shipped import shipped
from bridge.sites import setup_line
from bridge.testing.runner import FakeRunner, completed

SHIPPED = sorted(it.stem for it in shipped("site_configs").glob("*.yaml"))
EXTENDS_OURS = '{% extends "bridge/apptainer.sbatch.j2" %}\n'


def checked(folder: Path, text: str, runner: FakeRunner | None = None) -> int | None:
    """How many scripts of this site can be read."""
    settings = load(folder, text)
    names = environment(folder)
    return check_scripts(settings, lambda it: setup_line(folder / "site.yaml", names, it), runner)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refusal:
        checked(folder, text)
    return [str(it).replace(f"{folder}/", "") for it in refusal.value.problems]


def with_templates(folder: Path, **templates: str) -> str:
    """A site with templates of its own."""
    own = folder / "templates"
    own.mkdir()
    for name, text in templates.items():
        (own / f"{name}.sbatch.j2").write_text(text)
    return f"{SMALLEST}templates: {own}\n"


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_site_has_scripts_that_bash_can_read(name: str) -> None:
    count = check_scripts(shipped_site(name), str)
    assert count is not None
    assert count >= 2


@pytest.mark.parametrize("runtime", list(Runtime))
def test_jobs_of_every_runtime_have_scripts_that_bash_can_read(runtime: Runtime) -> None:
    assert check_scripts(with_runtime(shipped_site("testbed"), runtime), str) is not None


@pytest.mark.parametrize(
    ("setup", "line", "words"),
    [
        ("module load x\nfi\nmodule load y\n", 2, "syntax error near unexpected token `fi'"),
        ("if true; then\n  module load x\n", 2, "unexpected end of file"),
        ("module load x\necho 'it is\n", 2, "unexpected EOF while looking for matching `''"),
        ("echo $(date\nmodule load x\n", 2, "unexpected EOF"),
        ("\n\ncat <<END\nmodule load x\n", 3, "here-document at line 3 delimited by end-of-file"),
    ],
)
def test_a_line_of_setup_that_bash_cannot_read_is_named(
    tmp_path: Path, setup: str, line: int, words: str
) -> None:
    indented = "".join(f"  {it}\n" if it else "\n" for it in setup.splitlines())
    (told,) = mistakes(tmp_path, f"{SMALLEST}# Ours.\nsetup: |\n{indented}")
    first = len(SMALLEST.splitlines()) + 3
    assert told.startswith(f"site.yaml:{first + line - 1}: setup: bash cannot read this: ")
    assert words in told


def test_setup_that_is_written_in_one_line_is_named_with_that_line(tmp_path: Path) -> None:
    (told,) = mistakes(tmp_path, f'{SMALLEST}setup: "true\\nfi\\n"\n')
    assert told.startswith(f"site.yaml:{len(SMALLEST.splitlines()) + 1}: setup: bash cannot")


def test_setup_of_a_base_is_named_in_the_file_of_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(f"{SMALLEST}setup: |\n  true\n  )\n")
    (told,) = mistakes(tmp_path, "version: 1\nextends: base.yaml\n")
    assert told.startswith(f"base.yaml:{len(SMALLEST.splitlines()) + 3}: setup: bash cannot")


def test_setup_that_bash_can_read_is_right(tmp_path: Path) -> None:
    setup = "setup: |\n  module load x\n  if true; then\n    export A=1\n  fi\n"
    assert checked(tmp_path, SMALLEST + setup)


@pytest.mark.parametrize(
    ("setup", "told"),
    [
        ("{% if job.gpus %}", ":5: Encountered unknown tag 'endblock'"),
        (
            "{{ super() }}\n{{ job.colour }}",
            ":4: 'bridge.script.script_job.ScriptJob object' has no attribute 'colour'",
        ),
        # Only a job that asks for GPUs comes there.
        ("{% if job.gpus %}\nexport A={{ gpus }}\n{% endif %}", ":4: 'gpus' is undefined"),
        ("{{ job.mounts }}", ":3: "),
        ("{% for it in range(10**9) %}{% endfor %}", ":3: Range too big"),
        ("{{ 1 // 0 }}", ":3: "),
        ('{% include "apptainer.sbatch.j2" %}', ":1: it includes itself"),
    ],
)
def test_a_block_that_is_wrong_is_named_with_its_line(
    tmp_path: Path, setup: str, told: str
) -> None:
    template = f"{EXTENDS_OURS}{{% block setup %}}\n{setup}\n\n{{% endblock %}}\n"
    (only,) = mistakes(tmp_path, with_templates(tmp_path, apptainer=template))
    assert only.startswith(f"templates/apptainer.sbatch.j2{told}")


def test_a_template_that_extends_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = with_templates(tmp_path, apptainer='{% extends "ours.sbatch.j2" %}\n')
    assert mistakes(tmp_path, text) == [
        "templates/apptainer.sbatch.j2:1: there is no template ours.sbatch.j2"
    ]


def test_every_template_that_is_none_is_named(tmp_path: Path) -> None:
    text = with_templates(tmp_path, shifter="{% block %}", array="{{", other="{{ fine }}")
    array, shifter = mistakes(tmp_path, text)
    assert array.startswith("templates/array.sbatch.j2:1: ")
    assert shifter.startswith("templates/shifter.sbatch.j2:1: ")


def test_the_template_of_arrays_is_tried_too(tmp_path: Path) -> None:
    text = with_templates(tmp_path, array="#!/bin/bash\n{{ directives }}\n{{ missing }}\n")
    assert mistakes(tmp_path, text) == ["templates/array.sbatch.j2:3: 'missing' is undefined"]


def test_a_template_that_makes_no_bash_is_told_with_the_line_of_the_script(tmp_path: Path) -> None:
    template = f"{EXTENDS_OURS}{{% block setup %}}\nfi\n{{% endblock %}}\n"
    told = mistakes(tmp_path, with_templates(tmp_path, apptainer=template))
    assert len(told) == 2
    assert told[0].startswith("the script of a job that asks for nothing, line ")
    assert "syntax error near unexpected token `fi'; the line is 'fi'" in told[0]


def test_where_there_is_no_bash_templates_are_looked_at_all_the_same(tmp_path: Path) -> None:
    assert checked(tmp_path, SMALLEST, FakeRunner(UnavailableError("no such program"))) is None
    assert checked(tmp_path, SMALLEST, FakeRunner(completed(None))) is None
    template = f"{EXTENDS_OURS}{{% block setup %}}{{{{ missing }}}}{{% endblock %}}\n"
    assert mistakes(tmp_path, with_templates(tmp_path, apptainer=template))


def test_what_bash_says_without_a_line_is_told_as_it_is(tmp_path: Path) -> None:
    runner = FakeRunner(completed(2, stderr="bash: out of memory\n"))
    with pytest.raises(ConfigurationError, match="setup: bash cannot read this: bash: out of mem"):
        checked(tmp_path, f"{SMALLEST}setup: module load x\n", runner)
