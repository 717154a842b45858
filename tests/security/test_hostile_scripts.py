"""Whatever a message holds, it stays text: real scripts, real bash, a runtime that writes down.

The stand-in records its arguments and its environment, so that what the container would get can be
compared byte for byte; a canary tells when anything else was run.
"""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.script_jobs import EVIL, JOB_ID, fit_for, shipped_site, site_with

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.job import (
    ArgumentList,
    Command,
    JobKind,
    JobSpec,
    Mount,
    Parameters,
    ParametersFormat,
    Resources,
    ShellLine,
    Sweep,
)
from bridge.core.settings import SiteSettings
from bridge.core.site import WITHOUT_CONTAINER, BindRoot, Runtime, Secret, Site, job_folder
from bridge.script import render

STAND_IN = """\
#!/bin/bash
printf '%s\\0' "${0##*/}" "$@" >>"$RECORD/argv"
cat /proc/$$/environ >"$RECORD/environ"
"""
LAUNCHER = """\
#!/bin/bash
for word in "$@"; do [[ $word != : ]] || exit 99; done
exec "$@"
"""

CONDA = """\
#!/bin/bash
[[ $* == 'shell.bash hook' ]] || exit 99
echo 'conda() { printf "%s\\0" conda "$@" >>"$RECORD/argv"; }'
"""
PROGRAMS = {
    **dict.fromkeys(("apptainer", "singularity", "shifter", "podman-hpc", "ch-run"), STAND_IN),
    "srun": LAUNCHER,
}
FREE_PROGRAMS = {"env": STAND_IN, "conda": CONDA}
"""What starts a job without a container."""

hostile = st.one_of(
    st.lists(st.sampled_from(EVIL), max_size=8).map("".join),
    st.text(max_size=60),
)
passable = hostile.filter(lambda text: "\0" not in text)
sound_names = st.from_regex(r"\A[A-Za-z][A-Za-z0-9_]{0,10}\Z")
sound_paths = st.sampled_from(["/data", "/mnt/a b", "/x(1)#;&"])
hostile_paths = hostile.map(lambda it: f"/{it}")
commands: st.SearchStrategy[Command] = st.one_of(
    st.lists(passable, max_size=6).map(lambda it: ArgumentList(arguments=("python3", *it))),
    passable.map(lambda text: ShellLine(text=text)),
)
hostile_commands = st.lists(hostile, max_size=3).map(lambda it: ArgumentList(arguments=tuple(it)))


def mounts(paths: st.SearchStrategy[str]) -> st.SearchStrategy[list[Mount]]:
    return st.lists(
        st.builds(Mount, source=paths, target=paths, read_only=st.booleans()), max_size=2
    )


@st.composite
def jobs(draw: st.DrawFn) -> JobSpec:
    """Jobs whose free text is anything, and of which one field at most can make them refused."""
    wild = draw(
        st.sampled_from(
            ["", "", "image", "command", "names", "mounts", "words", "params", "secrets"]
        )
    )
    variables = draw(st.dictionaries(sound_names, passable, max_size=3))
    if wild == "names":
        variables |= draw(st.dictionaries(hostile, hostile, max_size=2))
    names = hostile if wild == "secrets" else sound_names.map(lambda it: f"S_{it}")
    secrets = draw(st.dictionaries(names, st.sampled_from(sorted(SECRETS)), max_size=2))
    word = draw(hostile if wild == "words" else st.sampled_from([None, "gpu&hbm80g|(a*2)"]))
    place = draw(hostile if wild == "words" else st.sampled_from([None, "cpu,gpu"]))
    gpus = draw(st.integers(0, 3))
    gpu_type = draw(hostile if wild == "words" else st.sampled_from([None, "a100"]))
    form = draw(st.sampled_from(ParametersFormat))
    path = draw(st.none() | (hostile_paths if wild == "params" else sound_paths))
    if path is not None and draw(st.booleans()):
        # Where a runtime mounts folders only, the path has to end so.
        path = f"{path}/params.{form}"
    parameters = st.builds(
        Parameters,
        text=hostile,
        format=st.just(form),
        path=st.just(path if wild in {"params", "mounts"} else None),
        as_argument=st.booleans(),
    )
    return JobSpec(
        job_id=JOB_ID,
        name=draw(hostile),
        kind=JobKind.TRAINING,
        image=draw(hostile | hostile_paths) if wild == "image" else "docker:a/b:1",
        command=draw(hostile_commands if wild == "command" else commands),
        parameters=draw(st.none() | parameters),
        environment=tuple(variables.items()),
        secrets=tuple(secrets.items()),
        mounts=tuple(draw(mounts(hostile_paths if wild == "mounts" else sound_paths))),
        resources=Resources(
            qos=word,
            constraint=word,
            partition=place,
            account=place,
            gpus=gpus,
            gpu_type=gpu_type,
        ),
        priority=draw(st.integers(-1000, 1000)),
        labels=((draw(hostile), draw(hostile)),),
        user=draw(hostile),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the stand-in was told."""

    argv: list[bytes]
    environment: dict[bytes, bytes]
    code: int
    stderr: str


SECRETS = {"evil": "".join(EVIL).replace("\0", ""), "lines": "\na\n\nb\n", "empty": ""}
"""The site's secrets, by the names that jobs know them by."""


@contextmanager
def site_in(folder: Path, of: SiteSettings) -> Iterator[SiteSettings]:
    """The site with its work root and programs in `folder`."""
    programs = folder / "bin"
    programs.mkdir()
    free = FREE_PROGRAMS if of.site.containers.runtime in WITHOUT_CONTAINER else {}
    for name, text in (PROGRAMS | free).items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    anywhere = (BindRoot(path="/", read_only=False),)
    containers = replace(of.site.containers, visible=(), images=("*",), bind_roots=anywhere)
    secrets = tuple(Secret(reference=it, file=f"{folder}/{it} s'ecret") for it in SECRETS)
    for it in secrets:
        Path(it.file).write_text(f"{SECRETS[it.reference]}\n", encoding="utf-8", newline="")
    site = replace(
        of.site,
        secrets=secrets,
        work_root=str(folder / "work"),
        environment=(("PATH", f"{programs}:/usr/bin:/bin"), ("RECORD", str(folder))),
        containers=containers,
    )
    yield replace(of, site=site)


def run(script: str, site: Site, folder: Path) -> Run:
    """Runs the script as Slurm would, without Slurm."""
    job = Path(job_folder(site, JOB_ID))
    job.mkdir(parents=True)
    file = folder / "script"
    file.write_text(script, encoding="utf-8", newline="")
    done = subprocess.run(
        ["/bin/bash", str(file)],
        check=False,
        capture_output=True,
        cwd=job,
        env={"SLURM_JOB_ID": "17", "SLURMD_NODENAME": "n1"},
        timeout=60,
    )
    argv = (folder / "argv").read_bytes().split(b"\0")[:-1]
    environment = (folder / "environ").read_bytes().split(b"\0")[:-1]
    return Run(
        argv=argv,
        environment=dict(it.split(b"=", 1) for it in environment),
        code=done.returncode,
        stderr=done.stderr.decode(errors="replace"),
    )


def directives(script: str) -> list[str]:
    """The lines that sbatch obeys: those before the first command (sbatch(1))."""
    found = []
    for line in script.split("\n"):
        if line.strip() and not line.startswith("#"):
            break
        if line.startswith("#SBATCH"):
            found.append(line)
    return found


def sbatch_words(line: str) -> list[str]:
    """The words of a line as sbatch splits it: like a shell, with # for a comment."""
    return shlex.split(line.removeprefix("#SBATCH"), comments=True)


def everything_in(folder: Path) -> set[str]:
    return {str(it.relative_to(folder)) for it in folder.rglob("*")}


def parameters_at(spec: JobSpec, site: Site) -> list[str]:
    """Where the job sees its parameters, if it has some."""
    if spec.parameters is None:
        return []
    name = {"json": "params.json", "yaml": "params.yaml"}[spec.parameters.format]
    return [spec.parameters.path or f"{site.work_root}/{JOB_ID}/{name}"]


def expected_command(spec: JobSpec, site: Site) -> list[str]:
    told = spec.parameters is not None and spec.parameters.as_argument
    last = parameters_at(spec, site) if told else []
    if isinstance(spec.command, ShellLine):
        if last:
            return ["sh", "-c", spec.command.text.rstrip() + ' "$@"', "sh", *last]
        return ["sh", "-c", spec.command.text]
    return [*spec.command.arguments, *last]


def own_environment(spec: JobSpec, site: Site) -> dict[str, str]:
    folder = f"{site.work_root}/{JOB_ID}"
    return {
        "BRIDGE_JOB_ID": JOB_ID,
        "BRIDGE_ATTEMPT": "1",
        "BRIDGE_SITE": site.name,
        "BRIDGE_JOB_DIR": folder,
        **({"BRIDGE_PARAMS": it} if (it := "".join(parameters_at(spec, site))) else {}),
        "BRIDGE_PROGRESS": f"{folder}/progress.jsonl",
        "BRIDGE_ARTIFACTS": f"{folder}/artifacts",
    }


def expected_mounts(spec: JobSpec, site: Site) -> list[Mount]:
    """What the job mounts, its parameters included."""
    parameters = spec.parameters
    if parameters is None or parameters.path is None:
        return list(spec.mounts)
    if site.containers.runtime in {Runtime.SHIFTER, Runtime.CHARLIECLOUD}:
        above = str(PurePosixPath(parameters.path).parent)
        return [*spec.mounts, Mount(source=f"{site.work_root}/{JOB_ID}", target=above)]
    source = f"{site.work_root}/{JOB_ID}/params.{parameters.format}"
    return [*spec.mounts, Mount(source=source, target=parameters.path)]


def expected_argv(spec: JobSpec, site: Site) -> list[str]:
    """What the runtime has to be told, its own options included."""
    folder = f"{site.work_root}/{JOB_ID}"
    runtime = site.containers.runtime
    variables = {**own_environment(spec, site), **dict(spec.environment)}
    command = expected_command(spec, site)
    pairs = [f"{name}={value}" for name, value in variables.items()]
    told = [f"--env={it}" for it in pairs]
    if spec.secrets and runtime not in {Runtime.APPTAINER, Runtime.SINGULARITY}:
        inside = "".join(
            f'\nexport {it}="$BRIDGE_SECRET_{it}"\nunset -v BRIDGE_SECRET_{it}'
            for it, _ in spec.secrets
        )
        command = ["sh", "-c", f'{inside}\nexec "$@"', "sh", *command]
    flag = [site.containers.gpu_flag] if spec.resources.gpus and site.containers.gpu_flag else []
    if runtime is Runtime.COMMAND:
        return ["env", "--", *pairs, *command]
    if runtime is Runtime.CONDA:
        # The script looks whether it can, before the job begins.
        activation = ["conda", "activate", spec.image]
        return [*activation, *activation, "env", "--", *pairs, *command]
    if runtime is Runtime.SHIFTER:
        return ["shifter", f"--workdir={folder}", *told, *command]
    seen = [*expected_mounts(spec, site), Mount(source=folder, target=folder)]
    binds = [
        word
        for it in seen
        for word in ("--bind", f"{it.source}:{it.target}" + (":ro" if it.read_only else ""))
    ]
    binds += [
        word
        for it in ("stdout", "stderr")
        for word in ("--bind", f"{folder}/{it}:{folder}/{it}:ro")
    ]
    if runtime is Runtime.CHARLIECLOUD:
        quoted = {it: f"'{v}'" if v.startswith("'") else v for it, v in variables.items()}
        return [
            *("ch-run", "--private-tmp", f"--cd={folder}"),
            *(
                f"--unset-env={'!(BRIDGE_SECRET_*)' if spec.secrets else '*'}",
                "--env-no-expand",
                "--set-env",
                "--set-env=HOME=/tmp",
            ),
            *(f"--set-env={name}={value}" for name, value in quoted.items()),
            *(f"--bind={it.source}:{it.target}" for it in seen),
            *(spec.image, "--", *command),
        ]
    if runtime is Runtime.PODMAN_HPC:
        options = ["--rm", "--pull=never", "--entrypoint=", f"--workdir={folder}", *flag, *told]
        options += [f"--env=BRIDGE_SECRET_{it}" for it, _ in spec.secrets]
        volumes = [f"--volume={it}" for it in binds[1::2]]
        look = ["podman-hpc", "image", "exists", spec.image]
        return [*look, "podman-hpc", "run", *options, *volumes, spec.image, *command]
    fixed = ["--containall", "--no-eval", "--writable-tmpfs", "--pwd", folder, *flag]
    return [runtime, "exec", *fixed, *binds, spec.image, *command]


def expected_gpus(asked: Resources) -> dict[str, str]:
    if not asked.gpus:
        return {}
    kind = f"{asked.gpu_type}:" if asked.gpu_type is not None else ""
    return {"gpus-per-node": f"{kind}{asked.gpus}"}


def expected_directives(spec: JobSpec, site: Site) -> dict[str, str | None]:
    """Every option that the script may give to sbatch; None where only the name counts."""
    folder = f"{site.work_root}/{JOB_ID}"
    wanted: dict[str, str | None] = {
        "job-name": f"{site.tag_prefix}-{JOB_ID}-1",
        "comment": None,
        "chdir": folder,
        "output": f"{folder}/stdout",
        "error": f"{folder}/stderr",
        "open-mode": "append",
        "export": "NIL",
        "requeue": None,
        "kill-on-invalid-dep": "yes",
        "time": "00:10:00",
        "nodes": "1",
        "ntasks": "1",
        "cpus-per-task": "1",
        **expected_gpus(spec.resources),
        "partition": spec.resources.partition or "cpu",
        "qos": spec.resources.qos or "regular",
        "account": spec.resources.account or "science",
    }
    if spec.resources.constraint:
        wanted["constraint"] = spec.resources.constraint
    if spec.priority:
        wanted["nice"] = str(-spec.priority)
    if site.containers.runtime is Runtime.SHIFTER:
        seen = [*expected_mounts(spec, site), Mount(source=folder, target=folder)]
        wanted["image"] = spec.image
        wanted["volume"] = ";".join(
            f"{it.source}:{it.target}" + (":ro" if it.read_only else "") for it in seen
        )
    return wanted


def rendered(spec: JobSpec, of: SiteSettings) -> str | None:
    """The script; None when it was refused with reasons."""
    problems: tuple[Problem, ...] = ()
    try:
        return render(spec, of, 1)
    except InvalidRequestError as refusal:
        problems = refusal.problems
    assert problems
    assert all(it.where and it.what for it in problems)
    return None


def moved_below(folder: Path, spec: JobSpec) -> JobSpec:
    """The job, with the files and folders of the site that it names in a folder of ours."""
    mounts = tuple(replace(it, source=f"{folder}/mounted{it.source}") for it in spec.mounts)
    is_a_path = spec.image.startswith("/")
    return replace(
        spec, mounts=mounts, image=f"{folder}/images{spec.image}" if is_a_path else spec.image
    )


def holds(spec: JobSpec, of: SiteSettings) -> bool:
    """Runs the job's script and checks all of it; False when the job was refused."""
    with tempfile.TemporaryDirectory() as name, site_in(Path(name), of) as site_settings:
        folder, site = Path(name), site_settings.site
        spec = moved_below(folder, spec)
        script = rendered(spec, site_settings)
        if script is None:
            return False
        for path in (spec.image, *(it.source for it in spec.mounts)):
            if path.startswith("/"):
                Path(path).mkdir(parents=True, exist_ok=True)
        given_options = [sbatch_words(line) for line in directives(script)]
        assert all(len(words) == 1 for words in given_options)
        options = [words[0].removeprefix("--").partition("=") for words in given_options]
        wanted = expected_directives(spec, site)
        assert [name for name, _, _ in options] == list(wanted)
        assert all(wanted[name] in (None, value) for name, _, value in options)

        done = run(script, site, folder)
        assert done.code == 0, done.stderr
        assert done.argv == [os.fsencode(it) for it in expected_argv(spec, site)]
        if site.containers.runtime in {Runtime.APPTAINER, Runtime.SINGULARITY}:
            prefix = f"{site.containers.runtime.upper()}ENV_".encode()
            told = {
                name.removeprefix(prefix): value
                for name, value in done.environment.items()
                if name.startswith(prefix)
            }
            secrets = {name: SECRETS[reference] for name, reference in spec.secrets}
            variables = {**own_environment(spec, site), **dict(spec.environment), **secrets}
            assert told == {it.encode(): value.encode() for it, value in variables.items()}
        else:
            secret = {
                it: done.environment[f"BRIDGE_SECRET_{it}".encode()] for it, _ in spec.secrets
            }
            assert secret == {it: SECRETS[name].encode() for it, name in spec.secrets}
        marks = {f"{JOB_ID}/attempt-1.0.{it}" for it in ("started", "artifacts", "ended")}
        spool = {f"spool/{JOB_ID}.1.0.{it}" for it in ("started", "ended")}
        claim = f"{JOB_ID}/attempt-1.claim"
        assert everything_in(folder / "work") == {
            JOB_ID, f"{JOB_ID}/artifacts", claim, "spool", *marks, *spool,
        }  # fmt: skip
        return True


SITES: dict[str, Callable[[], SiteSettings]] = {
    **{it: partial(site_with, it) for it in Runtime if it is not Runtime.SHIFTER},
    "shifter": lambda: shipped_site("testbed-shifter"),
}


@pytest.mark.parametrize("runtime", SITES)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=jobs())
def test_a_job_arrives_byte_for_byte_or_is_refused(runtime: str, spec: JobSpec) -> None:
    holds(spec, SITES[runtime]())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=jobs())
def test_an_array_asks_of_slurm_what_one_job_asks_and_no_more(spec: JobSpec) -> None:
    settings = SITES["shifter"]()
    alone = rendered(spec, settings)
    if alone is not None:
        array = render(replace(spec, sweep=Sweep(tasks=3, at_once=2)), settings, 1)
        assert directives(array) == [*directives(alone), "#SBATCH --array=0-2%2"]


def evil_everywhere(command: Command) -> JobSpec:
    """Everything evil at once, where any text is accepted."""
    return JobSpec(
        job_id=JOB_ID,
        name="".join(EVIL),
        kind=JobKind.TRAINING,
        image="docker:a/b:1",
        command=command,
        environment=(
            *((f"V{index}", it) for index, it in enumerate(EVIL) if it != "\0"),
            ("ALL", "".join(EVIL).replace("\0", "")),
            ("LONG", "x'" * 60_000),
            ("EMPTY", ""),
        ),
        mounts=(Mount(source="/it s #1;(&)", target="/$(id)`*?~!{a}[b]<>|é", read_only=True),),
    )


@pytest.mark.parametrize("runtime", [it for it in SITES if it != "shifter"])
def test_all_that_is_evil_arrives_as_arguments(runtime: Runtime) -> None:
    words = [it for it in EVIL if it != "\0"]
    arguments = ("echo", "", *words, "".join(words), "x'" * 60_000)
    spec = fit_for(runtime, evil_everywhere(ArgumentList(arguments=arguments)))
    assert holds(spec, SITES[runtime]())


def test_all_that_is_evil_arrives_as_arguments_of_shifter() -> None:
    """But for a lone colon, after which srun would start another program, on the node itself."""
    words = [it for it in EVIL if it not in {"\0", ":"}]
    arguments = ("echo", "", *words, "".join(words), "x'" * 60_000)
    spec = replace(evil_everywhere(ArgumentList(arguments=arguments)), mounts=())
    assert holds(spec, SITES["shifter"]())
    with_colon = replace(spec, command=ArgumentList(arguments=(*arguments, ":", "touch", "x")))
    assert not holds(with_colon, SITES["shifter"]())


@pytest.mark.parametrize("runtime", SITES)
def test_a_shell_line_is_one_word_outside_the_container(runtime: str) -> None:
    line = "".join(EVIL).replace("\0", "")
    spec = replace(evil_everywhere(ShellLine(text=line)), mounts=())
    assert holds(spec, SITES[runtime]())
