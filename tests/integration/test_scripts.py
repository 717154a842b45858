"""Scripts in the real Slurm, with the real runtimes, as the site's ordinary user."""

import shutil
import subprocess
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from slurm_site import eventually
from testbed import CHECKOUT, Testbed
from unit.script_jobs import (
    EVIL,
    TESTBEDS,
    deployment,
    fit_for,
    several_nodes,
    training,
    with_runtime,
)

from bridge.core.errors import InvalidRequestError
from bridge.core.job import (
    ArgumentList,
    Checkpoint,
    Command,
    JobId,
    JobKind,
    JobSpec,
    Mount,
    Parameters,
    ParametersFormat,
    Resources,
)
from bridge.core.site import BindRoot, Runtime, job_folder, spool_folder
from bridge.script import job_files
from bridge.sites import load_site

IMAGES = {
    Runtime.APPTAINER: "busybox.sif",
    Runtime.SINGULARITY: "busybox.sif",
    Runtime.SHIFTER: "docker:testbed/busybox:1",
    Runtime.PODMAN_HPC: "testbed/busybox:1",
    Runtime.CHARLIECLOUD: "busybox",
    Runtime.COMMAND: "none",
}
"""What the jobs' images are; the environment of conda is made for each test."""
FILES = {Runtime.APPTAINER, Runtime.SINGULARITY, Runtime.CHARLIECLOUD}
RUNTIMES = sorted(Runtime)
OVER = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How Slurm says that a job ended."""

    state: str
    exit_code: str


class Desk:
    """Where the ordinary user submits jobs to a site of their own."""

    def __init__(self, testbed: Testbed, folder: Path, runtime: Runtime) -> None:
        base = TESTBEDS.get(runtime, "testbed")
        settings = load_site(CHECKOUT / "site_configs" / f"{base}.yaml", _variables(testbed))
        if runtime not in TESTBEDS:
            settings = with_runtime(settings, runtime)
        anywhere = (BindRoot(path=str(folder), read_only=False),)
        containers = replace(settings.site.containers, images=("*",), bind_roots=anywhere)
        site = replace(settings.site, work_root=str(folder), containers=containers)
        self.runtime = runtime
        self.testbed = testbed
        self.settings = replace(settings, site=site)
        if runtime is Runtime.CONDA:
            self.image = str(_made_up_environment(folder / "environment of mine"))
        elif runtime in FILES:
            self.image = str(testbed.images / IMAGES[runtime])
        else:
            self.image = IMAGES[runtime]

    def job(self, command: Command, **fields: Any) -> JobSpec:
        return JobSpec(
            job_id=JobId(str(uuid4())),
            name="a test's job (1)",
            kind=JobKind.OTHER,
            image=self.image,
            command=command,
            **fields,
        )

    def shell(self, text: str, *words: str, **fields: Any) -> JobSpec:
        return self.job(ArgumentList(arguments=("sh", "-c", text, "sh", *words)), **fields)

    def prepare(self, spec: JobSpec, attempt: int = 1) -> Path:
        """The job's folder with its files, as the bridge leaves them."""
        folder = self.folder(spec)
        folder.mkdir(exist_ok=True)
        for name, text in job_files(spec, self.settings, attempt, request=b"{}").items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, self.testbed.user)
        return folder

    def folder(self, spec: JobSpec) -> Path:
        return Path(job_folder(self.settings.site, spec.job_id))

    def call(self, *argv: str, **environment: str) -> str:
        done = subprocess.run(
            self.testbed.as_user(argv, environment=environment),
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def submit(self, spec: JobSpec, *options: str, **environment: str) -> str:
        script = self.prepare(spec) / "attempt-1.sbatch"
        return self.call("sbatch", "--parsable", *options, str(script), **environment)

    def end_of(self, slurm_id: str) -> Ended:
        """Waits for it."""

        def look() -> Ended | None:
            shown = self.call("scontrol", "--oneliner", "show", "job", slurm_id)
            fields = dict(it.split("=", 1) for it in shown.split() if "=" in it)
            if fields["JobState"] not in OVER:
                return None
            return Ended(state=fields["JobState"], exit_code=fields["ExitCode"])

        return eventually(look)

    def run(self, spec: JobSpec, **environment: str) -> Ended:
        return self.end_of(self.submit(spec, **environment))

    def printed(self, spec: JobSpec, name: str = "stdout") -> str:
        return (self.folder(spec) / name).read_text(encoding="utf-8")

    def marks(self, spec: JobSpec) -> dict[str, list[str]]:
        """The marks in the spool: `attempt.restart.word` to what they say."""
        return {
            it.name.removeprefix(f"{spec.job_id}."): it.read_text().split()
            for it in Path(spool_folder(self.settings.site)).iterdir()
            if it.name.startswith(spec.job_id)
        }


def _made_up_environment(folder: Path) -> Path:
    """What the stand-in for conda takes for an environment: a program, and a variable."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "measure").write_text('#!/bin/sh\necho "$MADE_UP $*"\nexit 5\n')
    (folder / "bin" / "measure").chmod(0o755)
    (folder / "etc" / "conda" / "activate.d").mkdir(parents=True)
    (folder / "etc" / "conda" / "activate.d" / "x.sh").write_text("export MADE_UP=activated\n")
    return folder


def _variables(testbed: Testbed) -> dict[str, str]:
    broker = testbed.broker
    return {
        "BRIDGE_TESTBED_AMQP_HOST": broker.host,
        "BRIDGE_TESTBED_AMQP_PORT": str(broker.port),
        "BRIDGE_TESTBED_AMQP_VHOST": broker.vhost,
        "BRIDGE_TESTBED_AMQP_USER": broker.user,
        "BRIDGE_TESTBED_AMQP_PASSWORD_FILE": str(broker.password_file),
        "BRIDGE_TESTBED_SLURM_CONF": str(testbed.slurm_conf),
        "BRIDGE_TESTBED_PATH": testbed.path,
        "BRIDGE_TESTBED_WORK_ROOT": str(testbed.work_root),
        "BRIDGE_TESTBED_IMAGES": str(testbed.images),
    }


@pytest.fixture
def desk(testbed: Testbed, user_folder: Path, request: pytest.FixtureRequest) -> Desk:
    """With Apptainer, unless the test names a runtime."""
    return Desk(testbed, user_folder, getattr(request, "param", Runtime.APPTAINER))


with_every_runtime = pytest.mark.parametrize("desk", RUNTIMES, indirect=True)


@with_every_runtime
def test_sbatch_accepts_scripts_of_every_kind(desk: Desk) -> None:
    work_root = desk.settings.site.work_root
    jobs = (
        fit_for(desk.runtime, training(desk.image, work_root)),
        deployment(desk.image),
        several_nodes(desk.image),
    )
    for spec in jobs:
        on_gpus = replace(spec.resources, partition="gpu" if spec.resources.gpus else "cpu")
        script = desk.prepare(replace(spec, resources=on_gpus)) / "attempt-1.sbatch"
        desk.call("sbatch", "--test-only", str(script))


@with_every_runtime
def test_the_exit_code_of_the_container_is_the_jobs(desk: Desk) -> None:
    spec = desk.shell("echo to stdout; echo to stderr >&2; pwd; exit 7")
    assert desk.run(spec) == Ended(state="FAILED", exit_code="7:0")
    assert desk.printed(spec).splitlines() == ["to stdout", str(desk.folder(spec))]
    assert "to stderr" in desk.printed(spec, "stderr").splitlines()
    marks = desk.marks(spec)
    assert set(marks) == {"1.0.started", "1.0.ended"}
    assert marks["1.0.started"][1] in {"n1", "n2"}
    assert marks["1.0.ended"][1] == "7"
    assert float(marks["1.0.started"][0]) <= float(marks["1.0.ended"][0])
    for word in ("started", "ended"):
        copy = (desk.folder(spec) / f"attempt-1.0.{word}").read_text().split()
        assert copy == marks[f"1.0.{word}"]


@with_every_runtime
def test_evil_text_arrives_byte_for_byte(desk: Desk) -> None:
    refused = {"\0", ":"} if desk.settings.site.containers.launcher else {"\0"}
    every = "".join(EVIL).replace("\0", "")
    texts = [*(it for it in EVIL if it not in refused), "", every, "'x" * 60_000]
    spec = desk.shell(
        'cat /proc/self/environ >artifacts/environ; printf "%s\\0" "$@" >artifacts/argv',
        *texts,
        environment=tuple((f"V{index}", it) for index, it in enumerate(texts)),
    )
    assert desk.run(spec) == Ended(state="COMPLETED", exit_code="0:0")
    artifacts = desk.folder(spec) / "artifacts"
    arrived = (artifacts / "argv").read_bytes().split(b"\0")[:-1]
    assert arrived == [it.encode() for it in texts]
    pairs = (artifacts / "environ").read_bytes().split(b"\0")[:-1]
    environment = dict(it.split(b"=", 1) for it in pairs)
    assert [environment[f"V{index}".encode()] for index in range(len(texts))] == arrived
    assert environment[b"BRIDGE_JOB_ID"].decode() == spec.job_id
    assert environment[b"BRIDGE_JOB_DIR"].decode() == str(desk.folder(spec))
    left = {it.name for it in desk.folder(spec).iterdir()}
    assert not any("CANARY" in name for name in left)
    assert "evil" not in desk.call("squeue", "--me", "--noheader", "--states=all", "--format=%k")


def test_srun_is_never_given_the_word_after_which_it_starts_another_program(desk: Desk) -> None:
    """`srun shifter ... : touch x` would run touch on the node itself."""
    spec = desk.shell("true", ":", "touch", "x", resources=Resources(tasks=2))
    with pytest.raises(InvalidRequestError, match=r"^command\.4: srun takes a lone ':'"):
        desk.prepare(spec)


@with_every_runtime
def test_a_job_finds_its_parameters_and_leaves_results(desk: Desk) -> None:
    spec = desk.shell(
        'cat "$BRIDGE_PARAMS" >"$BRIDGE_ARTIFACTS/copy"; echo "{}" >"$BRIDGE_PROGRESS"',
        parameters=Parameters(text="epochs: 3\n"),
    )
    assert desk.run(spec).state == "COMPLETED"
    assert desk.printed(spec, "artifacts/copy") == "epochs: 3\n"
    assert desk.printed(spec, "progress.jsonl") == "{}\n"


@pytest.mark.parametrize("desk", [Runtime.APPTAINER, Runtime.PODMAN_HPC], indirect=True)
def test_parameters_arrive_at_a_place_that_the_image_does_not_have(desk: Desk) -> None:
    spec = desk.shell(
        'cat "$1" "$BRIDGE_PARAMS"; echo "$1 $#"',
        parameters=Parameters(
            text='{"epochs": 3}\n',
            format=ParametersFormat.JSON,
            path="/app/work/config/params.json",
            as_argument=True,
        ),
    )
    assert desk.run(spec).state == "COMPLETED"
    told = '{"epochs": 3}\n' * 2 + "/app/work/config/params.json 1\n"
    assert desk.printed(spec) == told


@pytest.mark.parametrize("desk", [Runtime.SHIFTER, Runtime.CHARLIECLOUD], indirect=True)
def test_parameters_arrive_at_a_folder_that_the_image_has(desk: Desk) -> None:
    wanted = Parameters(text="epochs: 3\n", path="/data/params.yaml", as_argument=True)
    spec = desk.shell('cat "$1" "$BRIDGE_PARAMS"; echo "$1 $#"', parameters=wanted)
    assert desk.run(spec).state == "COMPLETED"
    assert desk.printed(spec) == "epochs: 3\n" * 2 + "/data/params.yaml 1\n"


@pytest.mark.parametrize("desk", [Runtime.APPTAINER], indirect=True)
def test_slurm_hears_of_the_type_of_gpu_and_of_the_priority(desk: Desk) -> None:
    spec = desk.shell(
        'echo "$BRIDGE_JOB_ID"',
        resources=Resources(gpus=1, gpu_type="pretended", partition="gpu"),
        priority=-77,
    )
    slurm_id = desk.submit(spec, "--hold")
    # Slurm 22.05 writes gres:gpu, 24.11 gres/gpu.
    told = desk.call("scontrol", "show", "job", slurm_id).replace("gres/gpu", "gres:gpu").split()
    desk.call("scancel", slurm_id)
    assert "Nice=77" in told
    assert "TresPerNode=gres:gpu:pretended:1" in told


@pytest.mark.parametrize("desk", [Runtime.APPTAINER, Runtime.SINGULARITY], indirect=True)
def test_mounts_arrive_where_they_should_whatever_they_are_called(desk: Desk) -> None:
    source = Path(desk.settings.site.work_root) / "it's $(id) `#1`;(&)*?é"
    for name in ("one", "two"):
        (source / name).mkdir(parents=True)
        (source / name / "file").write_text(name)
        shutil.chown(source / name, desk.testbed.user)
    spec = desk.shell(
        'cat "$1/file" "$2/file"; touch "$1/new"; touch "$2/new"',
        "/new/place $HOME",
        "/opt/it's",
        mounts=(
            Mount(source=str(source / "one"), target="/new/place $HOME", read_only=True),
            Mount(source=str(source / "two"), target="/opt/it's"),
        ),
    )
    desk.run(spec)
    assert desk.printed(spec) == "onetwo"
    assert "Read-only" in desk.printed(spec, "stderr")
    assert not (source / "one" / "new").exists()
    assert (source / "two" / "new").exists()


@pytest.mark.parametrize("desk", [Runtime.APPTAINER, Runtime.SINGULARITY], indirect=True)
def test_no_container_can_turn_slurms_output_elsewhere(desk: Desk) -> None:
    """After a requeue Slurm would follow a link out of the container, as the user."""
    spec = desk.shell(
        "for it in stdout stderr; do "
        'rm -f $it; mv $it moved; ln -sf /elsewhere $it; echo x >>$it; mv "$PWD" /gone; '
        "done; echo to stdout; echo to stderr >&2"
    )
    assert desk.run(spec).state == "COMPLETED"
    for name in ("stdout", "stderr"):
        assert not (desk.folder(spec) / name).is_symlink()
        assert f"to {name}" in desk.printed(spec, name).splitlines()


def test_of_two_slurm_jobs_of_one_attempt_one_runs(desk: Desk) -> None:
    spec = desk.shell("echo ran >>artifacts/runs; sleep 1")
    script = str(desk.prepare(spec) / "attempt-1.sbatch")
    submitted = [desk.call("sbatch", "--parsable", script) for _ in range(2)]
    ends = {desk.end_of(it) for it in submitted}
    assert ends == {
        Ended(state="COMPLETED", exit_code="0:0"),
        Ended(state="FAILED", exit_code="75:0"),
    }
    assert desk.printed(spec, "artifacts/runs") == "ran\n"
    assert set(desk.marks(spec)) == {"1.0.started", "1.0.ended"}
    assert "runs nothing" in desk.printed(spec, "stderr")


def test_a_requeued_job_keeps_its_claim_and_runs_again(desk: Desk) -> None:
    spec = desk.shell(
        "echo ran >>artifacts/runs; [ -e again ] && exit 0; touch again; exec sleep 600"
    )
    slurm_id = desk.submit(spec)
    eventually((desk.folder(spec) / "again").exists)
    desk.call("scontrol", "requeue", slurm_id)
    eventually(lambda: "1.1.ended" in desk.marks(spec))
    assert desk.end_of(slurm_id) == Ended(state="COMPLETED", exit_code="0:0")
    assert desk.printed(spec, "artifacts/runs") == "ran\nran\n"
    assert {"1.0.started", "1.1.started", "1.1.ended"} <= set(desk.marks(spec))
    assert desk.marks(spec)["1.1.ended"][1] == "0"
    assert "runs nothing" not in desk.printed(spec, "stderr")


def test_an_attempt_that_another_one_has_followed_runs_nothing(desk: Desk) -> None:
    """Slurm may requeue a job after it was given up as lost to its node, and relaunched."""
    spec = desk.shell("echo ran >>artifacts/runs")
    script = desk.prepare(spec) / "attempt-1.sbatch"
    (desk.folder(spec) / "attempt-2.sbatch").write_text("")
    slurm_id = desk.call("sbatch", "--parsable", str(script))
    assert desk.end_of(slurm_id) == Ended(state="FAILED", exit_code="75:0")
    assert not (desk.folder(spec) / "artifacts" / "runs").exists()
    assert "attempt 2 has begun" in desk.printed(spec, "stderr")


@pytest.mark.parametrize(
    ("desk", "signal"),
    [
        *((runtime, signal) for runtime in RUNTIMES for signal in ("USR1", "USR2")),
        # srun hands these two on to nobody: it takes a first INT for a question, TERM for the end.
        *((runtime, "INT") for runtime in RUNTIMES if runtime is not Runtime.SHIFTER),
        *((runtime, "TERM") for runtime in RUNTIMES if runtime is not Runtime.SHIFTER),
    ],
    indirect=["desk"],
)
def test_a_signal_to_the_script_reaches_the_container(desk: Desk, signal: str) -> None:
    spec = desk.shell(
        f"trap 'echo {signal} >artifacts/got; exit 3' {signal}; touch artifacts/ready; "
        "while :; do sleep 0.2; done"
    )
    slurm_id = desk.submit(spec)
    eventually((desk.folder(spec) / "artifacts" / "ready").exists)
    desk.call("scancel", "--batch", f"--signal={signal}", slurm_id)
    assert desk.end_of(slurm_id) == Ended(state="FAILED", exit_code="3:0")
    assert desk.printed(spec, "artifacts/got") == f"{signal}\n"
    assert desk.marks(spec)["1.0.ended"][1] == "3"


@pytest.mark.parametrize("desk", [Runtime.APPTAINER, Runtime.SHIFTER], indirect=True)
def test_a_training_saves_its_work_when_slurm_says_that_the_time_will_be_up(desk: Desk) -> None:
    """Slurm looks every half minute whose time is near; it is near once the training is ready."""
    spec = desk.shell(
        "trap 'echo epoch 3 >artifacts/saved; exit 0' USR1; touch artifacts/ready; "
        "while :; do sleep 0.2; done",
        resources=Resources(walltime=timedelta(minutes=20)),
        checkpoint=Checkpoint(signal="USR1", seconds_before=119),
    )
    slurm_id = desk.submit(spec)
    eventually((desk.folder(spec) / "artifacts" / "ready").exists)
    desk.call("scontrol", "update", f"job={slurm_id}", "TimeLimit=2")
    assert desk.end_of(slurm_id) == Ended(state="COMPLETED", exit_code="0:0")
    assert desk.printed(spec, "artifacts/saved") == "epoch 3\n"


@with_every_runtime
def test_nothing_of_the_submitters_environment_gets_into_the_job(desk: Desk) -> None:
    spec = desk.shell("cat /proc/self/environ >artifacts/environ")
    assert desk.run(spec, HPC_BRIDGE_SECRET="hunter2").state == "COMPLETED"
    assert "hunter2" not in desk.printed(spec, "artifacts/environ")


def test_the_name_that_people_gave_is_the_comment(desk: Desk) -> None:
    slurm_id = desk.submit(desk.shell("true"))
    told = desk.call("squeue", "--noheader", "--states=all", "--format=%k", f"--jobs={slurm_id}")
    assert told == "a test_s job (1)"
    desk.end_of(slurm_id)


@pytest.mark.parametrize(
    "desk", [it for it in RUNTIMES if it is not Runtime.SINGULARITY], indirect=True
)
def test_every_task_gets_its_container_and_its_processors(desk: Desk) -> None:
    spec = desk.shell(
        'echo "$GREETING $(grep Cpus_allowed_list /proc/self/status | wc -l)"',
        environment=(("GREETING", "it's me"),),
        resources=Resources(nodes=2, tasks=4, cpus_per_task=2),
    )
    assert desk.run(spec) == Ended(state="COMPLETED", exit_code="0:0")
    assert desk.printed(spec) == "it's me 1\n" * 4


@pytest.mark.parametrize("desk", [Runtime.CHARLIECLOUD], indirect=True)
def test_charliecloud_shows_nothing_of_the_host_but_what_it_should(desk: Desk) -> None:
    mounted = Path(desk.settings.site.work_root) / "it's here"
    mounted.mkdir()
    (mounted / "file").write_text("given\n")
    spec = desk.shell(
        'cat /data/file; ls -A /tmp; echo "$HOME $TESTBED_IMAGE"; '
        'tr "\\0" "\\n" </proc/self/environ',
        mounts=(Mount(source=str(mounted), target="/data"),),
    )
    assert desk.run(spec).state == "COMPLETED"
    given_file, names, *variables = desk.printed(spec).splitlines()
    assert (given_file, names) == ("given", "/tmp busybox")
    left = {it.split("=")[0] for it in variables if not it.startswith("BRIDGE_")}
    assert left <= {"HOME", "PATH", "TESTBED_IMAGE", "CH_RUNNING", "PWD", "SHLVL", "_"}


@pytest.mark.parametrize("desk", [Runtime.CONDA], indirect=True)
def test_a_job_runs_in_the_conda_environment_that_its_image_names(desk: Desk) -> None:
    spec = desk.job(ArgumentList(arguments=("measure", "it's", "$HOME")))
    assert desk.run(spec) == Ended(state="FAILED", exit_code="5:0")
    assert desk.printed(spec) == "activated it's $HOME\n"


@pytest.mark.parametrize("desk", [Runtime.CONDA], indirect=True)
def test_an_environment_that_has_no_such_name_is_told_and_nothing_runs(desk: Desk) -> None:
    spec = replace(desk.shell("echo ran"), image="no such environment")
    assert desk.run(spec) == Ended(state="FAILED", exit_code="76:0")
    assert desk.printed(spec) == ""
    told = "hpc-bridge: nothing has run, conda cannot activate no such environment"
    assert told in desk.printed(spec, "stderr")
    assert {word: said[1:] for word, said in desk.marks(spec).items()} == {
        "1.0.hindered": ["no-image"]
    }


@pytest.mark.parametrize(
    ("desk", "image"),
    [
        (Runtime.APPTAINER, "/no/such/image.sif"),
        (Runtime.SINGULARITY, "/no/such/image.sif"),
        (Runtime.CHARLIECLOUD, "/no/such/folder"),
        (Runtime.CONDA, "/no/such/environment"),
        (Runtime.PODMAN_HPC, "testbed/busybox:2"),
    ],
    indirect=["desk"],
)
def test_an_image_that_is_not_there_is_told_and_nothing_runs(desk: Desk, image: str) -> None:
    spec = replace(desk.shell("echo ran"), image=image)
    assert desk.run(spec) == Ended(state="FAILED", exit_code="76:0")
    assert desk.printed(spec) == ""
    told = f"hpc-bridge: nothing has run, there is no image {image}"
    assert told in desk.printed(spec, "stderr")
    assert {word: said[1:] for word, said in desk.marks(spec).items()} == {
        "1.0.hindered": ["no-image"]
    }


def test_an_image_that_cannot_be_read_is_told_and_nothing_runs(desk: Desk) -> None:
    image = Path(desk.settings.site.work_root) / "secret.sif"
    image.write_text("")
    image.chmod(0o600)
    spec = replace(desk.shell("echo ran"), image=str(image))
    assert desk.run(spec) == Ended(state="FAILED", exit_code="76:0")
    assert f"the image {image} cannot be read" in desk.printed(spec, "stderr")
    assert desk.marks(spec)["1.0.hindered"][1] == "no-image"


@pytest.mark.parametrize(
    "desk", [Runtime.APPTAINER, Runtime.CHARLIECLOUD, Runtime.PODMAN_HPC], indirect=True
)
def test_a_folder_that_is_not_there_to_be_mounted_is_told_and_nothing_runs(desk: Desk) -> None:
    missing = f"{desk.settings.site.work_root}/it's not there"
    spec = desk.shell("echo ran", mounts=(Mount(source=missing, target="/data"),))
    assert desk.run(spec) == Ended(state="FAILED", exit_code="77:0")
    assert desk.printed(spec) == ""
    told = f"hpc-bridge: nothing has run, there is no {missing}, which the job mounts"
    assert told in desk.printed(spec, "stderr")
    assert desk.marks(spec)["1.0.hindered"][1:] == ["mount", "0"]


@pytest.mark.parametrize("desk", [Runtime.SHIFTER], indirect=True)
def test_an_image_that_shifter_does_not_have_is_refused_by_sbatch(desk: Desk) -> None:
    """Its plugin looks for it when the job is submitted: sbatch fails with the plugin's words."""
    spec = replace(desk.shell("echo ran"), image="docker:testbed/none:1")
    with pytest.raises(AssertionError, match="testbed/none:1"):
        desk.submit(spec)


@pytest.mark.parametrize("desk", [Runtime.PODMAN_HPC], indirect=True)
def test_podman_hpc_is_told_of_gpus_and_mounts(desk: Desk) -> None:
    mounted = Path(desk.settings.site.work_root) / "it's here"
    mounted.mkdir()
    (mounted / "file").write_text("given\n")
    spec = desk.shell(
        "cat /data/file; touch /data/new",
        mounts=(Mount(source=str(mounted), target="/data", read_only=True),),
        resources=Resources(gpus=1, partition="gpu"),
    )
    assert "    --gpu" in (desk.prepare(spec) / "attempt-1.sbatch").read_text().splitlines()
    assert desk.run(spec).state == "FAILED"
    assert desk.printed(spec) == "given\n"
    assert "Read-only" in desk.printed(spec, "stderr")
