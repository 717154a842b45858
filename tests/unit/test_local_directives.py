"""What a script without Slurm gets of its #SBATCH lines."""

from datetime import timedelta

import pytest
from unit.script_jobs import deployment, several_nodes, site_with, training

from bridge.adapters.local_processes.directives import Notice, file_name, read_wishes
from bridge.core.errors import SubmissionRefusedError
from bridge.core.site import Runtime
from bridge.script import render


def script(*options: str) -> str:
    return "#!/bin/bash\n" + "".join(f"#SBATCH {it}\n" for it in options) + "true\n"


def test_the_bridges_own_script_is_understood() -> None:
    spec = deployment("/testbed/envs/digits")
    wishes = read_wishes(render(spec, site_with(Runtime.CONDA), 2))
    folder = f"/testbed/work/{spec.job_id}"
    assert wishes.name == f"hpc-bridge-{spec.job_id}-2"
    assert (wishes.chdir, wishes.output, wishes.error) == (
        folder,
        f"{folder}/stdout",
        f"{folder}/stderr",
    )
    assert (wishes.append, wishes.held, wishes.notice) == (True, False, None)
    assert wishes.limit == timedelta(minutes=10)


def test_a_checkpoint_is_a_signal_before_the_end() -> None:
    rendered = render(
        training("/testbed/images/a.sif", "/testbed/work/x"), site_with(Runtime.APPTAINER), 1
    )
    assert read_wishes(rendered).notice == Notice(signal="USR1", before=timedelta(seconds=120))


def test_a_signal_for_steps_is_none_for_the_script() -> None:
    assert read_wishes(script("--signal=USR1@30")).notice is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 300),
        ("5:30", 330),
        ("02:03:04", 7384),
        ("1-2", 93600),
        ("1-2:03", 93780),
        ("1-02:03:04", 93784),
    ],
)
def test_a_time_limit_is_read_as_sbatch_reads_it(text: str, seconds: int) -> None:
    assert read_wishes(script(f"--time={text}")).limit == timedelta(seconds=seconds)


@pytest.mark.parametrize("options", [(), ("--time=0",), ("--time=UNLIMITED",)])
def test_without_a_time_limit_there_is_none(options: tuple[str, ...]) -> None:
    assert read_wishes(script(*options)).limit is None


def test_what_comes_after_the_first_command_is_no_option() -> None:
    text = "#!/bin/sh\n# a remark\n\n#SBATCH --job-name=one\ntrue\n#SBATCH --job-name=two\n"
    assert read_wishes(text).name == "one"


def test_of_an_option_that_stands_twice_the_last_one_counts() -> None:
    assert read_wishes(script("--job-name=one", "--job-name=two")).name == "two"


def test_quotes_are_read_as_the_shell_reads_them() -> None:
    assert read_wishes(script('--comment="a b" --job-name="my job" # why')).name == "my job"


def test_options_for_what_a_laptop_has_not_are_left_alone() -> None:
    wishes = read_wishes(script("--partition=gpu", "--gpus-per-node=4", "--mem=64G"))
    assert wishes.held is False


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("--nodes=2", "nodes"),
        ("--ntasks=8", "ntasks"),
        ("--array=1-10", "array"),
        ("--dependency=afterok:1", "dependency"),
        ("--begin=16:00", "begin"),
        ("--time=soon", "soon"),
        ("--time=1:2:3:4", "1:2:3:4"),
        ('--comment="', "read"),
    ],
)
def test_what_cannot_be_done_here_is_refused_by_name(option: str, word: str) -> None:
    with pytest.raises(SubmissionRefusedError, match=word):
        read_wishes(script(option))


def test_a_job_of_several_nodes_is_refused() -> None:
    rendered = render(several_nodes("none"), site_with(Runtime.COMMAND), 1)
    with pytest.raises(SubmissionRefusedError, match="--nodes=2 needs Slurm's srun"):
        read_wishes(rendered)


def test_what_is_no_script_is_refused() -> None:
    with pytest.raises(SubmissionRefusedError, match="batch script"):
        read_wishes("true\n")


def test_a_file_name_may_name_the_job() -> None:
    assert file_name("/a/%x-%j.%%.%q", number=7, name="digits") == "/a/digits-7.%.%q"
