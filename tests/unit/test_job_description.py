"""What pyslurm is told of a script, and what it cannot be told."""

from pathlib import Path

import pytest

from bridge.core.batch_options import BatchOption, read_options
from bridge.core.job_description import JobDescription, describe, never_told

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SIZE = ("--nodes=1", "--ntasks=1", "--cpus-per-task=1")
DEBIAN_12, NEWER = (22, 5, 3), (24, 11, 0)


def told(*options: str, version: tuple[int, ...] = NEWER, export: str = "NIL") -> JobDescription:
    lines = (f"--export={export}", *SIZE, *options)
    text = "#!/bin/sh\n" + "".join(f"#SBATCH {it}\n" for it in lines)
    return describe(read_options(text), version)


def test_all_that_our_own_template_writes_is_told() -> None:
    script = (GOLDEN / "testbed-training.sbatch").read_text(encoding="utf-8")
    name = "hpc-bridge-6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b-1"
    folder = "/testbed/work/6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b"
    assert describe(read_options(script), NEWER) == JobDescription(
        attributes={
            "name": name,
            "comment": "digits, 25 epochs (first)",
            "working_directory": folder,
            "standard_output": f"{folder}/stdout",
            "standard_error": f"{folder}/stderr",
            "log_files_open_mode": "append",
            "is_requeueable": True,
            "kill_on_invalid_dependency": True,
            "time_limit": "02:30:00",
            "signal": {"signal": 10, "time": 120, "batch_only": 1},
            "nodes": 1,
            "ntasks": 1,
            "cpus_per_task": 4,
            "gres_per_node": {"gpu": 1},
            "memory_per_node": "8192M",
            "partitions": ["cpu"],
            "qos": "regular",
            "account": "science",
        },
        environment={
            "SLURM_JOB_NAME": name,
            "SLURM_OPEN_MODE": "a",
            "SLURM_EXPORT_ENV": "NIL",
            "SLURM_CPUS_PER_TASK": "4",
            "SLURM_GPUS_PER_NODE": "1",
            "SLURM_TRES_PER_TASK": "cpu=4",
            "HYDRA_BOOTSTRAP": "slurm",
            "HYDRA_LAUNCHER_EXTRA_ARGS": "--external-launcher",
            "I_MPI_HYDRA_BOOTSTRAP": "slurm",
            "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS": "--external-launcher",
            "OMPI_MCA_plm_slurm_args": "--external-launcher",
            "PRTE_MCA_plm_slurm_args": "--external-launcher",
        },
        login_environment=False,
    )


@pytest.mark.parametrize(
    ("option", "attribute", "value"),
    [
        ("--hold", "priority", 0),
        ("--no-requeue", "is_requeueable", False),
        ("--exclusive", "resource_sharing", "no"),
        ("--gpus-per-node=a100:4", "gres_per_node", {"gpu:a100": 4}),
        ("--gres=gpu:h100:2,shard:8", "gres_per_node", {"gpu:h100": 2, "shard": 8}),
        ("--signal=TERM", "signal", {"signal": 15, "time": 60, "batch_only": 0}),
        ("--signal=B:12@300", "signal", {"signal": 12, "time": 300, "batch_only": 1}),
        ("--partition=cpu,gpu", "partitions", ["cpu", "gpu"]),
        ("--nice=5", "nice", 5),
        ("--time=2-00:00:00", "time_limit", "2-00:00:00"),
    ],
)
def test_an_option_becomes_an_attribute(option: str, attribute: str, value: object) -> None:
    assert told(option).attributes[attribute] == value


def test_an_older_sbatch_adds_less() -> None:
    assert told(version=DEBIAN_12).environment == {
        "SLURM_CPUS_PER_TASK": "1",
        "SLURM_EXPORT_ENV": "NIL",
    }


def test_of_an_option_that_stands_twice_the_last_counts() -> None:
    assert told("--nodes=2", "--ntasks=2", "--nodes=1").attributes["nodes"] == 1


@pytest.mark.parametrize(
    ("export", "version", "is_made"),
    [
        ("NIL", (22, 5, 3), True),
        ("NIL", (23, 2, 3), False),
        ("NIL", (25, 11, 2), False),
        ("NONE", (22, 5, 3), True),
        ("NONE", (25, 11, 2), True),
    ],
)
def test_the_environment_of_a_login_is_made_where_sbatch_would_have_it_made(
    export: str, version: tuple[int, ...], *, is_made: bool
) -> None:
    assert told(export=export, version=version).login_environment is is_made


@pytest.mark.parametrize("version", [(22, 5, 3), (23, 2, 2), (23, 11, 0)])
def test_a_signal_is_refused_where_pyslurm_would_silently_drop_it(version: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="--signal is ignored by this version"):
        told("--signal=USR1", version=version)


@pytest.mark.parametrize("version", [(23, 2, 3), (23, 11, 1), (24, 5, 0), (25, 11, 2)])
def test_a_signal_is_told_where_pyslurm_heeds_it(version: tuple[int, ...]) -> None:
    assert "signal" in told("--signal=USR1", version=version).attributes


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--image=docker:x", "--image=docker:x: pyslurm hands on no options of SPANK plugins"),
        ("--colour=red", "--colour=red: the bridge cannot tell pyslurm of this option"),
        ("--time=30", "--time=30: \\[D-\\]HH:MM:SS is wanted"),
        ("--mem=0", "--mem=0: a size above 0 is wanted"),
        ("--nodes=1-2", "--nodes=1-2: a number above 0 is wanted"),
        ("--kill-on-invalid-dep=no", "yes is wanted"),
        ("--exclusive=user", "no value is wanted"),
        ("--gres=gpu", "NAME:NUMBER or NAME:TYPE:NUMBER is wanted"),
        ("--gres=", "NAME:NUMBER"),
        ("--partition=cpu,", "a list with commas is wanted"),
        ("--job-name", "a value is wanted"),
        ("--signal=NOPE", "the name of a signal is wanted"),
        ("--nodes=2", "--ntasks=1 is less than --nodes=2"),
        ("-N2", "'-N2' in an #SBATCH line is not understood"),
        ("2", "'2' in an #SBATCH line is not understood"),
        ("--comment='open", "No closing quotation"),
    ],
)
def test_what_pyslurm_cannot_be_told_is_refused(option: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        told(option)


def test_two_options_for_one_attribute_are_refused() -> None:
    with pytest.raises(ValueError, match="--gres and --gpus-per-node cannot both"):
        told("--gpus-per-node=1", "--gres=shard:1")


@pytest.mark.parametrize("export", ["ALL", "HOME", "NIL,HOME"])
def test_no_environment_of_ours_is_handed_on(export: str) -> None:
    with pytest.raises(ValueError, match="--export=NIL or --export=NONE is wanted"):
        told(export=export)


@pytest.mark.parametrize("missing", ["nodes", "ntasks", "cpus-per-task", "export"])
def test_what_pyslurm_would_make_up_by_itself_must_be_said(missing: str) -> None:
    lines = [it for it in ("--export=NIL", *SIZE) if not it.startswith(f"--{missing}=")]
    text = "#!/bin/sh\n" + "".join(f"#SBATCH {it}\n" for it in lines)
    with pytest.raises(ValueError, match=f"--{missing}"):
        describe(read_options(text), NEWER)


def test_options_end_where_the_script_begins() -> None:
    text = "#!/bin/sh\n\n# a word\n#SBATCH --hold # and why\necho\n#SBATCH --nice=5\n"
    assert read_options(text) == (BatchOption(name="hold", value=None),)


def test_a_site_is_told_which_of_its_own_options_no_pyslurm_takes() -> None:
    options = (
        BatchOption(name="exclusive", value=None),
        BatchOption(name="licenses", value="cfs"),
        BatchOption(name="signal", value="USR1"),
    )
    ((option, words),) = never_told(options)
    assert option.name == "licenses"
    assert words == "--licenses=cfs: the bridge cannot tell pyslurm of this option"
