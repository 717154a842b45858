"""Containers on the testbed, as an ordinary user has them: at the prompt and in Slurm jobs."""

import signal
import subprocess
from pathlib import Path

import pytest
from testbed import Testbed

BUSYBOX = "docker:testbed/busybox:1"
SKLEARN = "docker:testbed/sklearn:1"
TRAIN_ON_DIGITS = """
import numpy, yaml
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

images, labels = load_digits(return_X_y=True)
learn, held_out, is_learn, is_held_out = train_test_split(images / 16, labels, random_state=0)
model = MLPClassifier((64,), random_state=0)
for _ in range(30):
    model.partial_fit(learn, is_learn, classes=numpy.arange(10))
print(yaml.safe_dump({"accuracy": float(model.score(held_out, is_held_out))}))
"""


def run(testbed: Testbed, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        testbed.as_user(argv, environment=environment),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )


def shifter(testbed: Testbed, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(testbed, "shifter", f"--image={BUSYBOX}", *argv, **environment)


def apptainer(testbed: Testbed, image: str, *argv: str) -> subprocess.CompletedProcess[str]:
    options = ("--containall", "--no-home", "--pwd", "/")
    return run(testbed, "apptainer", "exec", *options, str(testbed.images / image), *argv)


def batch(testbed: Testbed, folder: Path, script: str, *options: str) -> tuple[int, str, str]:
    """Submits and waits: sbatch's exit code, what the job printed, what sbatch complained of."""
    path = folder / "job.sbatch"
    path.write_text(script, encoding="utf-8")
    output = folder / "output"
    done = run(
        testbed, "sbatch", "--wait", "-p", "cpu", "-t", "2", "-o", str(output), *options, str(path)
    )
    printed = output.read_text(encoding="utf-8") if output.exists() else ""
    return done.returncode, printed, done.stderr


def accuracy(printed: str) -> float:
    name, _, value = printed.strip().rpartition(": ")
    assert name == "accuracy"
    return float(value)


@pytest.mark.parametrize("image", ["busybox.sif", "busybox"])
def test_apptainer_gives_back_the_exit_code_of_an_image_file_and_of_a_folder(
    testbed: Testbed, image: str
) -> None:
    done = apptainer(testbed, image, "/bin/sh", "-c", "echo inside; exit 7")
    assert (done.stdout, done.returncode) == ("inside\n", 7)


def test_the_scientific_image_learns_real_digits_under_apptainer(testbed: Testbed) -> None:
    done = apptainer(testbed, "sklearn.sif", "python", "-c", TRAIN_ON_DIGITS)
    assert done.returncode == 0, done.stderr
    assert accuracy(done.stdout) > 0.85


def test_the_scientific_image_learns_real_digits_under_shifter(testbed: Testbed) -> None:
    done = run(testbed, "shifter", f"--image={SKLEARN}", "python", "-c", TRAIN_ON_DIGITS)
    assert done.returncode == 0, done.stderr
    assert accuracy(done.stdout) > 0.85


def test_charliecloud_runs_an_image_folder(testbed: Testbed) -> None:
    folder = str(testbed.images / "busybox")
    done = run(testbed, "ch-run", folder, "--", "sh", "-c", "id -un; exit 7", USER=testbed.user)
    assert (done.stdout, done.returncode) == (f"{testbed.user}\n", 7)


def test_the_image_folders_hold_no_setuid_program(testbed: Testbed) -> None:
    for name in ("busybox", "sklearn"):
        files = [path for path in (testbed.images / name).resolve().rglob("*") if path.is_file()]
        assert files
        assert not [
            path for path in files if not path.is_symlink() and path.stat().st_mode & 0o6000
        ]


def test_shifter_works_in_the_current_folder_of_the_work_root(
    testbed: Testbed, user_folder: Path
) -> None:
    command = ["shifter", f"--image={BUSYBOX}", "sh", "-c", "pwd; echo kept > made; exit 7"]
    done = run(testbed, "env", f"--chdir={user_folder}", *command)
    assert (done.stdout, done.returncode) == (f"{user_folder}\n", 7)
    assert (user_folder / "made").read_text(encoding="utf-8") == "kept\n"


def test_shifter_passes_variables_as_they_are(testbed: Testbed) -> None:
    odd = """a "b" $HOME it's, `c`; \\ d"""
    print_all = ("sh", "-c", 'printf "%s|%s|%s" "$ODD" "$FROM_HOST" "$TESTBED_IMAGE"')
    done = shifter(testbed, "--env", f"ODD={odd}", *print_all, FROM_HOST="h", TESTBED_IMAGE="host")
    assert done.stdout == f"{odd}|h|busybox"


def test_shifter_keeps_loader_settings_and_tmpdir_of_the_host_out(testbed: Testbed) -> None:
    done = shifter(testbed, "env", LD_LIBRARY_PATH="/nowhere", TMPDIR="/nowhere", KEPT="yes")
    assert done.returncode == 0
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert "KEPT" in names
    assert names.isdisjoint({"LD_LIBRARY_PATH", "TMPDIR"})


def test_shifter_clears_the_environment_and_reads_a_file_with_its_quotes(
    testbed: Testbed, user_folder: Path
) -> None:
    (user_folder / "env").write_text('QUOTED="x"\n', encoding="utf-8")
    done = shifter(testbed, "--clearenv", f"--env-file={user_folder}/env", "env", FROM_HOST="h")
    assert 'QUOTED="x"' in done.stdout.splitlines()
    assert "FROM_HOST" not in done.stdout


def test_shifter_makes_a_read_only_volume_read_only_and_no_other(
    testbed: Testbed, user_folder: Path
) -> None:
    user_folder.joinpath("given").write_text("text", encoding="utf-8")
    volumes = ("--volume", f"{user_folder}:/data:ro", f"--volume={user_folder}:/mnt")
    words = "cat given; echo > /data/new || echo refused; echo > /mnt/other && echo written"
    done = shifter(testbed, *volumes, "--workdir=/data", "sh", "-c", words)
    assert done.stdout == "textrefused\nwritten\n"
    assert sorted(path.name for path in user_folder.iterdir()) == ["given", "other"]


@pytest.mark.parametrize(
    "target",
    ["/etc", "/etc/x", "/var", "/var/lib", "/dev/shm", "/proc", "/opt", "/opt/udiImage/x", "//etc"],
)
def test_shifter_refuses_a_volume_over_what_it_protects(
    testbed: Testbed, user_folder: Path, target: str
) -> None:
    done = shifter(testbed, f"--volume={user_folder}:{target}", "true")
    assert done.returncode == 1
    assert "is not allowed" in done.stderr


@pytest.mark.parametrize(
    ("volume", "complaint"),
    [
        ("{folder}:/no/such", "the image has no /no/such"),
        ("/no/such:/data", "/no/such: it does not exist"),
        ("{folder}:/data:rw", "unknown flag 'rw'"),
        ("{folder}", "expected SRC:DST"),
        ("{folder}/../x:/data", "without '..'"),
    ],
)
def test_shifter_says_what_is_wrong_with_a_volume(
    testbed: Testbed, user_folder: Path, volume: str, complaint: str
) -> None:
    done = shifter(testbed, f"--volume={volume.format(folder=user_folder)}", "true")
    assert done.returncode == 1
    assert complaint in done.stderr


def test_shifter_does_not_know_an_image_that_is_not_there(testbed: Testbed) -> None:
    done = run(testbed, "shifter", "--image=docker:no/such:1", "true")
    assert done.returncode == 1
    assert "docker:no/such:1" in done.stderr


def test_sigterm_reaches_the_command_in_the_container(testbed: Testbed) -> None:
    words = 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'
    argv = testbed.as_user(["shifter", f"--image={BUSYBOX}", "sh", "-c", words])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=60) == 9


@pytest.mark.parametrize("export", ["ALL", "NONE", "NIL"])
def test_the_real_sbatch_takes_a_shifter_script(
    testbed: Testbed, user_folder: Path, export: str
) -> None:
    user_folder.joinpath("given").write_text("text\n", encoding="utf-8")
    script = f"""#!/bin/bash
#SBATCH --image={BUSYBOX}
#SBATCH --volume={user_folder}:/data:ro
#SBATCH --module=gpu
#SBATCH --export={export}
srun shifter cat /data/given
shifter sh -c 'echo $TESTBED_IMAGE; exit 7'
"""
    code, printed, complaint = batch(testbed, user_folder, script)
    assert (code, printed) == (7, "text\nbusybox\n"), complaint


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("--image=docker:no/such:1", "docker:no/such:1"),
        ("--volume=/home:/etc/x", "'/etc/x' is not allowed"),
        ("--volume=/no/such:/data", "/no/such does not exist"),
    ],
)
def test_sbatch_refuses_what_shifter_would_refuse(
    testbed: Testbed, user_folder: Path, option: str, complaint: str
) -> None:
    code, printed, complaints = batch(testbed, user_folder, "#!/bin/bash\necho ran\n", option)
    assert code == 1
    assert complaint in complaints
    assert printed == ""


def test_apptainer_runs_an_image_file_in_a_job(testbed: Testbed, user_folder: Path) -> None:
    image = testbed.images / "busybox.sif"
    script = f"""#!/bin/bash
apptainer exec --containall --no-home --bind {user_folder}:/data --pwd /data {image} \
    sh -c 'pwd; echo kept > made; exit 7'
"""
    code, printed, complaint = batch(testbed, user_folder, script)
    assert (code, printed.splitlines()[-1]) == (7, "/data"), complaint
    assert (user_folder / "made").read_text(encoding="utf-8") == "kept\n"
