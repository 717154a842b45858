"""What goes into a script, what is refused, and what a site's own templates may change."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from unit.script_jobs import (
    JOB_ID,
    deployment,
    several_nodes,
    shipped_site,
    site_with,
    training,
    with_pull,
)

from bridge.core.errors import ConfigurationError, InvalidRequestError
from bridge.core.job import (
    ArgumentList,
    Checkpoint,
    JobSpec,
    Mount,
    Parameters,
    ParametersFormat,
    Resources,
    ShellLine,
)
from bridge.core.settings import SiteSettings
from bridge.core.site import PULLED_TO_FILES, Limits, Profile, Runtime, Secret, job_folder
from bridge.script import job_files, render

IMAGE = "/testbed/images/a.sif"


def lines(text: str) -> list[str]:
    return text.splitlines()


def with_templates(folder: Path, **templates: str) -> SiteSettings:
    for name, text in templates.items():
        (folder / f"{name}.sbatch.j2").write_text(text)
    return replace(shipped_site("testbed"), templates=str(folder))


def problems(spec: JobSpec, settings: SiteSettings) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequestError) as refusal:
        render(spec, settings, 1)
    assert refusal.value.job_id == JOB_ID
    return [(it.where, it.what) for it in refusal.value.problems]


# --- directives


def test_what_the_job_asks_for_comes_before_the_sites_defaults() -> None:
    asked = Resources(
        partition="gpu", qos="debug", account="imaging", walltime=timedelta(days=1, seconds=1)
    )
    script = lines(render(replace(deployment(IMAGE), resources=asked), shipped_site("testbed"), 1))
    assert "#SBATCH --partition=gpu" in script
    assert "#SBATCH --qos=debug" in script
    assert "#SBATCH --account=imaging" in script
    assert "#SBATCH --time=1-00:00:01" in script


def test_what_nobody_says_is_left_to_slurm() -> None:
    script = render(deployment("/images/a.sif"), shipped_site("vaughan-als"), 1)
    for option in ("partition", "qos", "account", "constraint", "mem", "gpus-per-node"):
        assert f"--{option}" not in script


def test_the_tag_names_the_attempt_and_so_do_claim_and_marks() -> None:
    script = render(deployment(IMAGE), shipped_site("testbed"), 3)
    assert f"#SBATCH --job-name=hpc-bridge-{JOB_ID}-3" in lines(script)
    assert "claim=attempt-3.claim" in lines(script)
    assert f"{JOB_ID}.3.$restart.$1" in script


def test_directives_and_setup_of_the_site_stand_as_they_were_written() -> None:
    settings = shipped_site("testbed")
    site = replace(
        settings.site, directives=("--exclusive", "--licenses=a&b"), setup=('x="$(date)"', "# 'y")
    )
    script = lines(render(deployment(IMAGE), replace(settings, site=site), 1))
    assert "#SBATCH --exclusive" in script
    assert "#SBATCH --licenses=a&b" in script
    assert script[script.index('x="$(date)"') + 1] == "# 'y"


def test_shifters_modules_are_one_option() -> None:
    settings = shipped_site("testbed-shifter")
    containers = replace(settings.site.containers, modules=("gpu", "mpich"))
    site = replace(settings.site, containers=containers)
    script = render(deployment("docker:a/b:1"), replace(settings, site=site), 1)
    assert "#SBATCH --module=gpu,mpich" in lines(script)


def test_a_folder_that_all_containers_see_is_not_mounted_again() -> None:
    spec = replace(
        deployment("docker:a/b:1"),
        mounts=(
            Mount(source="/testbed/work/x", target="/testbed/work/x"),
            Mount(source="/testbed/work/y", target="/data"),
        ),
    )
    script = render(spec, shipped_site("testbed-shifter"), 1)
    # The job's own folder is below <work root>/shifter, which containers see as well.
    assert "#SBATCH --volume=/testbed/work/y:/data" in lines(script)


def test_gpus_bring_the_flag_of_the_site() -> None:
    flag = "    --nv"
    settings = shipped_site("testbed")
    assert flag in lines(render(training(IMAGE, "/testbed/work/code"), settings, 1))
    assert flag not in lines(render(deployment(IMAGE), settings, 1))


def test_jobs_of_several_nodes_start_through_srun() -> None:
    assert "    srun" in lines(render(several_nodes(IMAGE), shipped_site("testbed"), 1))
    assert "    srun" not in lines(render(deployment(IMAGE), shipped_site("testbed"), 1))


def test_further_options_of_the_runtime_come_before_the_image() -> None:
    settings = shipped_site("testbed")
    containers = replace(settings.site.containers, options=("--workdir", "/tmp/a b"))
    site = replace(settings.site, containers=containers)
    script = lines(render(deployment(IMAGE), replace(settings, site=site), 1))
    at = script.index("    --workdir")
    assert script[at + 1 : at + 3] == ["    '/tmp/a b'", f"    {IMAGE}"]


def test_a_type_of_gpu_and_a_priority_become_options() -> None:
    asked = Resources(gpus=2, gpu_type="a100")
    spec = replace(deployment(IMAGE), resources=asked, priority=-50)
    script = lines(render(spec, shipped_site("testbed"), 1))
    assert "#SBATCH --gpus-per-node=a100:2" in script
    assert "#SBATCH --nice=50" in script
    script = lines(render(replace(spec, priority=7), shipped_site("testbed"), 1))
    assert "#SBATCH --nice=-7" in script
    assert "--nice" not in render(deployment(IMAGE), shipped_site("testbed"), 1)


PARAMETERS = Parameters(
    text="{}\n", format=ParametersFormat.JSON, path="/app/it's/params.json", as_argument=True
)


def test_parameters_are_mounted_where_the_job_wants_them_and_told_last() -> None:
    spec = replace(deployment(IMAGE), parameters=PARAMETERS)
    folder = f"/testbed/work/{JOB_ID}"
    script = lines(render(spec, shipped_site("testbed"), 1))
    seen = "'/app/it'\"'\"'s/params.json'"
    assert f"export APPTAINERENV_BRIDGE_PARAMS={seen}" in script
    assert f"    --bind '{folder}/params.json:/app/it'\"'\"'s/params.json'" in script
    line = "'cd /data && python3 classify.py | tee $BRIDGE_ARTIFACTS/answer \"$@\"'"
    at = script.index(f"    {line}")
    assert script[at - 2 : at + 3] == ["    sh", "    -c", f"    {line}", "    sh", f"    {seen}"]
    spec = replace(spec, command=ArgumentList(arguments=("train", "-x")))
    script = lines(render(spec, shipped_site("testbed"), 1))
    at = script.index("    train")
    assert script[at : at + 3] == ["    train", "    -x", f"    {seen}"]


@pytest.mark.parametrize(
    ("runtime", "line"),
    [
        (Runtime.SHIFTER, "#SBATCH --volume={folder}:/app/config"),
        (Runtime.CHARLIECLOUD, "    --bind={folder}:/app/config"),
    ],
)
def test_where_no_single_file_is_mounted_the_folder_with_it_is(runtime: Runtime, line: str) -> None:
    settings = site_with(runtime)
    wanted = replace(PARAMETERS, path="/app/config/params.json")
    spec = replace(deployment("docker:a/b:1"), parameters=wanted)
    script = lines(render(spec, settings, 1))
    assert line.format(folder=job_folder(settings.site, JOB_ID)) in script
    assert [it.strip() for it in script if it.endswith("BRIDGE_PARAMS=/app/config/params.json")]


@pytest.mark.parametrize("runtime", [Runtime.SHIFTER, Runtime.CHARLIECLOUD])
@pytest.mark.parametrize(
    ("path", "mounted", "told"),
    [
        ("/app/config.json", "/data", "has to end in /params.json"),
        ("/params.json", "/data", "nothing can be mounted at / with"),
        ("/dev/params.json", "/data", "nothing can be mounted at /dev with"),
        ("/data/params.json", "/data", "mounts.0 is in its way: /data"),
        ("/data/config/params.json", "/data", "mounts.0 is in its way: /data"),
        ("/data/params.json", "/data/set", "mounts.0 is in its way: /data/set"),
        ("{folder}/p/params.json", "/data", "lies in the job's own folder"),
    ],
)
def test_such_a_folder_is_not_shown_just_anywhere(
    runtime: Runtime, path: str, mounted: str, told: str
) -> None:
    settings = site_with(runtime)
    path = path.format(folder=job_folder(settings.site, JOB_ID))
    spec = replace(
        deployment("docker:a/b:1"),
        parameters=replace(PARAMETERS, path=path),
        mounts=(Mount(source="/testbed/work/code", target=mounted),),
    )
    found = problems(spec, settings)
    assert {where for where, _ in found} == {"params_path"}
    assert told in found[0][1]


@pytest.mark.parametrize("runtime", [Runtime.COMMAND, Runtime.CONDA])
def test_without_a_container_parameters_stay_in_the_folder(runtime: Runtime) -> None:
    spec = replace(deployment("docker:a/b:1"), parameters=PARAMETERS)
    [(where, what)] = problems(spec, site_with(runtime))
    assert where == "params_path"
    assert "BRIDGE_PARAMS" in what
    stays = replace(spec, parameters=replace(PARAMETERS, path=None))
    assert f"/{JOB_ID}/params.json" in render(stays, site_with(runtime), 1)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/a:b", "cannot be mounted"),
        ("/proc/x", "nothing can be mounted at /proc/x with apptainer"),
        (f"/testbed/work/{JOB_ID}/p", "lies in the job's own folder"),
    ],
)
def test_parameters_are_not_mounted_just_anywhere(path: str, told: str) -> None:
    spec = replace(deployment(IMAGE), parameters=replace(PARAMETERS, path=path))
    [(where, what)] = problems(spec, shipped_site("testbed"))
    assert where == "params_path"
    assert told in what


def with_secrets(settings: SiteSettings, *secrets: Secret) -> SiteSettings:
    return replace(settings, site=replace(settings.site, secrets=secrets))


KEY = Secret(reference="key", file="/its/secret's")


@pytest.mark.parametrize(
    ("runtime", "variable"),
    [
        (Runtime.APPTAINER, "APPTAINERENV_TOKEN"),
        (Runtime.SINGULARITY, "SINGULARITYENV_TOKEN"),
        *((it, "BRIDGE_SECRET_TOKEN") for it in Runtime if it not in PULLED_TO_FILES),
    ],
)
def test_a_secret_is_read_by_the_script_as_it_runs(runtime: Runtime, variable: str) -> None:
    settings = with_secrets(site_with(runtime), KEY)
    spec = replace(deployment("docker:a/b:1"), secrets=(("TOKEN", "key"),))
    script = lines(render(spec, settings, 1))
    assert f"secret {variable} '/its/secret'\"'\"'s'" in script
    reveals = [f'export TOKEN="${variable}"', f"unset -v {variable}", '    sh -c "$reveal" sh']
    assert [it for it in script if it in reveals] == ([] if "ENV_" in variable else reveals)


@pytest.mark.parametrize(
    ("secrets", "where", "told"),
    [
        ((("BRIDGE_X", "key"),), "secrets.BRIDGE_X", "the bridge's own"),
        ((("LD_LIBRARY_PATH", "key"),), "secrets.LD_LIBRARY_PATH", "apptainer cannot be told"),
        ((("A B", "key"),), "secrets.A B", "letters, digits and underscores"),
        ((("SAME", "key"),), "secrets.SAME", "env has a variable of this name too"),
        ((("TOKEN", "gone"),), "secrets.TOKEN", "testbed has no secret 'gone'"),
    ],
)
def test_secrets_that_would_not_arrive_are_refused(
    secrets: tuple[tuple[str, str], ...], where: str, told: str
) -> None:
    spec = replace(deployment(IMAGE), secrets=secrets, environment=(("SAME", "x"),))
    [(found, what)] = problems(spec, with_secrets(shipped_site("testbed"), KEY))
    assert found == where
    assert told in what


def test_a_checkpoint_is_a_signal_to_the_script_before_the_end() -> None:
    asked = Checkpoint(signal="USR2", seconds_before=300)
    settings = shipped_site("testbed")
    script = lines(render(replace(deployment(IMAGE), checkpoint=asked), settings, 1))
    assert "#SBATCH --signal=B:USR2@300" in script
    assert "--signal=B" not in render(deployment(IMAGE), settings, 1)


@pytest.mark.parametrize("runtime", [Runtime.APPTAINER, Runtime.SINGULARITY])
def test_the_runtime_is_told_where_its_caches_are(runtime: Runtime) -> None:
    settings = site_with(runtime)
    containers = replace(settings.site.containers, cache="/c", scratch="/tmp/x")
    site = replace(settings.site, containers=containers)
    script = lines(render(deployment(IMAGE), replace(settings, site=site), 1))
    at = script.index("(umask 077 && mkdir -p -- /c)")
    assert script[at + 1 : at + 4] == [
        f"export {runtime.upper()}_CACHEDIR=/c",
        "(umask 077 && mkdir -p -- /tmp/x)",
        f"export {runtime.upper()}_TMPDIR=/tmp/x",
    ]


def test_the_sites_default_memory_is_for_jobs_that_ask_for_none() -> None:
    settings = shipped_site("testbed")
    defaults = replace(settings.site.defaults, memory_mib=512)
    settings = replace(settings, site=replace(settings.site, defaults=defaults))
    assert "#SBATCH --mem=512M" in lines(render(deployment(IMAGE), settings, 1))
    asked = replace(deployment(IMAGE), resources=Resources(memory_mib=100))
    assert "#SBATCH --mem=100M" in lines(render(asked, settings, 1))


def test_an_image_that_is_fetched_runs_from_its_file() -> None:
    settings = with_pull(shipped_site("testbed"), "/images/new", "*")
    image = "docker://example.org/a:1"
    script = lines(render(deployment(image), settings, 1))
    [file] = [it.split("=")[1] for it in script if "image_file=" in it]
    assert file.startswith("/images/new/docker_example.org_a_1-")
    assert f"    {file}" in script
    other = render(deployment("docker://example.org/a_1"), settings, 1)
    assert file not in other
    assert "apptainer pull" not in render(deployment("/images/a.sif"), settings, 1)
    assert "apptainer pull" not in render(deployment(image), shipped_site("testbed"), 1)


PROFILES = (
    Profile(name="small", partition="cpu", limits=Limits(gpus=0, walltime=timedelta(hours=12))),
    Profile(name="amd", partition="gpu", qos="debug", constraint="mi100", gpu_flag="--rocm"),
)


def test_a_profile_writes_its_directives_and_its_gpu_flag() -> None:
    settings = shipped_site("testbed")
    settings = replace(settings, site=replace(settings.site, profiles=PROFILES))
    script = lines(render(training(IMAGE, "/testbed/work/code"), settings, 1))
    assert "#SBATCH --partition=gpu" in script
    assert "#SBATCH --qos=debug" in script
    assert "#SBATCH --constraint=mi100" in script
    assert "#SBATCH --account=science" in script
    assert "    --rocm" in script
    assert "    --nv" not in script
    assert "# It runs in the site's profile amd." in script
    small = lines(render(deployment(IMAGE), settings, 1))
    assert "#SBATCH --partition=cpu" in small
    assert "# It runs in the site's profile small." in small


def test_a_job_that_no_profile_takes_any_longer_gets_no_script() -> None:
    settings = shipped_site("testbed")
    settings = replace(settings, site=replace(settings.site, profiles=PROFILES[:1]))
    [(where, _)] = problems(training(IMAGE, "/testbed/work/code"), settings)
    assert where == "resources"


# --- the files


def test_the_folder_gets_the_request_the_script_and_the_parameters() -> None:
    spec, settings = training(IMAGE, "/testbed/work/code"), shipped_site("testbed")
    files = job_files(spec, settings, 2, request='{"é": 1}'.encode())
    assert files == {
        "job.json": '{"é": 1}',
        "params.yaml": "epochs: 25\n",
        "attempt-2.sbatch": render(spec, settings, 2),
    }


def test_a_job_without_parameters_gets_no_file_for_them() -> None:
    files = job_files(deployment(IMAGE), shipped_site("testbed"), 1, request=b"{}")
    assert set(files) == {"job.json", "attempt-1.sbatch"}
    assert "BRIDGE_PARAMS" not in files["attempt-1.sbatch"]


# --- refusals


def test_every_reason_is_told_at_once() -> None:
    spec = replace(
        deployment(IMAGE),
        image="-x",
        command=ArgumentList(arguments=("-c", "a\0b")),
        environment=(("BRIDGE_X", "1"), ("A-B", "1"), ("HOME", "/x"), ("OK", "y" * 140_000)),
        mounts=(Mount(source="/a:b", target="/c"), Mount(source="/a", target="/proc/x")),
        resources=Resources(qos="a b\n#SBATCH --x"),
    )
    assert [where for where, _ in problems(spec, shipped_site("testbed"))] == [
        "command.0",
        "command.1",
        "image",
        "env.BRIDGE_X",
        "env.A-B",
        "env.HOME",
        "env.OK",
        "mounts.0",
        "mounts.1.target",
        "resources.qos",
    ]


@pytest.mark.parametrize("path", ["/a:b", "/a,b", "/a\\b", '/a"b', "/a\nb"])
def test_what_apptainer_would_take_apart_is_not_mounted(path: str) -> None:
    for settings in map(site_with, (Runtime.APPTAINER, Runtime.SINGULARITY, Runtime.PODMAN_HPC)):
        for mount in (Mount(source=path, target="/x"), Mount(source="/x", target=path)):
            [(where, what)] = problems(replace(deployment(IMAGE), mounts=(mount,)), settings)
            assert where == "mounts.0"
            assert "cannot be mounted" in what


@pytest.mark.parametrize("path", ["/a:b", "/a;b", "/a'b", '/a"b', "/a\\b", "/a%b", "/é", "/a\nb"])
def test_what_shifter_would_take_apart_is_not_mounted(path: str) -> None:
    spec = replace(deployment("docker:a/b:1"), mounts=(Mount(source=path, target="/x"),))
    [(where, _)] = problems(spec, shipped_site("testbed-shifter"))
    assert where == "mounts.0"


@pytest.mark.parametrize(
    "target", ["/etc", "/etc/x", "/var/lib", "/opt", "/opt/udiImage/x", "/proc", "/dev/shm", "/"]
)
def test_shifter_mounts_nothing_over_its_own_places(target: str) -> None:
    spec = replace(deployment("docker:a/b:1"), mounts=(Mount(source="/x", target=target),))
    [(where, what)] = problems(spec, shipped_site("testbed-shifter"))
    assert where == "mounts.0.target"
    assert what == f"nothing can be mounted at {target} with shifter"


@pytest.mark.parametrize("target", ["/var/tmp/x", "/opt/x", "/data"])
def test_shifter_mounts_elsewhere(target: str) -> None:
    spec = replace(deployment("docker:a/b:1"), mounts=(Mount(source="/x", target=target),))
    script = render(spec, shipped_site("testbed-shifter"), 1)
    assert f"#SBATCH --volume=/x:{target}" in lines(script)


def test_nothing_is_mounted_over_the_jobs_own_folder() -> None:
    target = f"/testbed/work/{JOB_ID}/artifacts"
    spec = replace(deployment(IMAGE), mounts=(Mount(source="/testbed/work", target=target),))
    [(where, what)] = problems(spec, shipped_site("testbed"))
    assert (where, what) == ("mounts.0.target", "lies in the job's own folder")


@pytest.mark.parametrize(
    ("site", "name"),
    [
        ("testbed", "HOME"),
        ("testbed", "EUID"),
        ("testbed", "LD_LIBRARY_PATH"),
        ("testbed", "APPTAINER_BIND"),
        ("testbed", "SINGULARITY_NAME"),
        ("testbed-shifter", "LD_PRELOAD"),
        ("testbed-shifter", "TMPDIR"),
    ],
)
def test_variables_that_would_not_arrive_are_refused(site: str, name: str) -> None:
    spec = replace(deployment("docker:a/b:1"), environment=((name, "x"),))
    [(where, what)] = problems(spec, shipped_site(site))
    assert where == f"env.{name}"
    assert "set it inside the command" in what


def test_half_a_surrogate_pair_is_no_text() -> None:
    spec = replace(deployment(IMAGE), command=ShellLine(text="echo \ud800"))
    [(where, what)] = problems(spec, shipped_site("testbed"))
    assert (where, what) == ("command", "half a surrogate pair is no character")


@pytest.mark.parametrize("word", ["", "-c", "--", "-"])
def test_a_command_begins_with_a_program(word: str) -> None:
    spec = replace(deployment(IMAGE), command=ArgumentList(arguments=(word, "x")))
    [(where, _)] = problems(spec, shipped_site("testbed"))
    assert where == "command.0"


@pytest.mark.parametrize("command", [ShellLine(text=":"), ArgumentList(arguments=("a", ":", "b"))])
def test_a_lone_colon_is_refused_where_srun_would_see_it(
    command: ShellLine | ArgumentList,
) -> None:
    spec = replace(deployment("docker:a/b:1"), command=command)
    [(where, _)] = problems(spec, shipped_site("testbed-shifter"))
    assert where.startswith("command")
    assert render(spec, shipped_site("testbed"), 1)


@pytest.mark.parametrize("runtime", [Runtime.COMMAND, Runtime.CONDA])
def test_without_a_container_nothing_is_mounted(runtime: Runtime) -> None:
    spec = replace(deployment(IMAGE), mounts=(Mount(source="/data", target="/data"),))
    [(where, what)] = problems(spec, site_with(runtime))
    assert where == "mounts.0"
    assert "without a container" in what


@pytest.mark.parametrize("runtime", [Runtime.COMMAND, Runtime.CONDA])
def test_without_a_container_no_program_has_an_equals_sign(runtime: Runtime) -> None:
    spec = replace(deployment(IMAGE), command=ArgumentList(arguments=("A=b", "c")))
    [(where, what)] = problems(spec, site_with(runtime))
    assert where == "command.0"
    assert "one line of shell" in what
    assert render(spec, site_with(Runtime.APPTAINER), 1)


def test_charliecloud_mounts_nothing_for_reading_only() -> None:
    mount = Mount(source="/data", target="/data", read_only=True)
    [(where, what)] = problems(
        replace(deployment(IMAGE), mounts=(mount,)), site_with(Runtime.CHARLIECLOUD)
    )
    assert where == "mounts.0"
    assert "read_only: true" in what


@pytest.mark.parametrize("mount", [("/a:b", "/x"), ("/x", "/a:b"), ("/x", "/a\nb")])
def test_what_charliecloud_would_take_apart_is_not_mounted(mount: tuple[str, str]) -> None:
    spec = replace(deployment(IMAGE), mounts=(Mount(source=mount[0], target=mount[1]),))
    [(where, _)] = problems(spec, site_with(Runtime.CHARLIECLOUD))
    assert where == "mounts.0"


@pytest.mark.parametrize("target", ["/tmp", "/tmp/x", "/proc/1", "/"])
def test_charliecloud_mounts_nothing_over_its_own_places(target: str) -> None:
    spec = replace(deployment(IMAGE), mounts=(Mount(source="/x", target=target),))
    [(where, _)] = problems(spec, site_with(Runtime.CHARLIECLOUD))
    assert where == "mounts.0.target"


# --- a site's own templates


def test_a_site_may_change_one_block_and_keep_the_rest(tmp_path: Path) -> None:
    settings = with_templates(
        tmp_path,
        apptainer="""\
{% extends "bridge/apptainer.sbatch.j2" %}
{% block container_options %}
    --nvccli
{{ super() }}{% endblock %}
""",
    )
    changed = lines(render(deployment(IMAGE), settings, 1))
    ours = lines(render(deployment(IMAGE), shipped_site("testbed"), 1))
    at = changed.index("    --nvccli")
    assert changed[:at] + changed[at + 1 :] == ours


def test_a_sites_base_is_the_base_of_ours_too(tmp_path: Path) -> None:
    settings = with_templates(
        tmp_path,
        base='{% extends "bridge/base.sbatch.j2" %}\n{% block setup %}echo here\n{% endblock %}\n',
    )
    script = lines(render(deployment(IMAGE), settings, 1))
    assert "echo here" in script
    assert "    apptainer exec" in script


@pytest.mark.parametrize(
    ("template", "printed"),
    [
        ("{{ job.command[0] }}", "'$(id) & '\"'\"'<'"),
        ('{{ "a" ~ job.command[0] }}', "'a$(id) & '\"'\"'<'"),
        ('{{ "a" + job.command[0] }}', "'a$(id) & '\"'\"'<'"),
        ('{{ "a %s" % job.command[0] }}', "'a $(id) & '\"'\"'<'"),
        ("{% set it %}-{{ job.command[0] }}{% endset %}{{ it }}", "-'$(id) & '\"'\"'<'"),
        (
            "{% macro m(it) %}[{{ it }}]{% endmacro %}{{ m(job.command[0]) }}",
            "['$(id) & '\"'\"'<']",
        ),
        # What was safe is plain text again, and quoted as a whole, when something is added to it.
        ('{% set it %}a b{% endset %}{{ it ~ "$x" }}', "'a b$x'"),
        ('{% set it %}a b{% endset %}{{ it + "$x" }}', "'a b$x'"),
        ('{% set it %}a %s{% endset %}{{ it % "$x" }}', "'a $x'"),
        ("{{ '' }}|{{ 7 }}|{{ -1 }}|{{ 'a&' }}|{{ 'a ' ~ 'b' }}", "''|7|-1|'a&'|'a b'"),
        ("{% for it in [1, 2] %}{{ loop.index }}{% endfor %}", "12"),
    ],
)
def test_every_value_that_a_template_prints_is_quoted(
    template: str, printed: str, tmp_path: Path
) -> None:
    spec = replace(deployment(IMAGE), command=ArgumentList(arguments=("$(id) & '<",)))
    assert render(spec, with_templates(tmp_path, apptainer=template), 1) == printed


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("a\n{% if %}", r"apptainer\.sbatch\.j2:2: "),
        ("{{ job.nothing }}", "nothing"),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ job.command }}", "neither text nor a number"),
        ("{{ job.gpus > 0 }}", "neither text nor a number"),
        ("{{ none }}", "neither text nor a number"),
        ("{{ job.folder | safe }}", "No filter named 'safe'"),
        ('{% extends "none.j2" %}', "none.j2"),
        ("{{ job.__class__.__mro__ }}", "unsafe|undefined"),
        ('{{ "a\nb" | directive }}', "cannot stand in an #SBATCH line"),
    ],
)
def test_a_template_that_is_wrong_is_the_sites_mistake(
    template: str, told: str, tmp_path: Path
) -> None:
    settings = with_templates(tmp_path, apptainer=template)
    with pytest.raises(ConfigurationError, match=told):
        render(deployment(IMAGE), settings, 1)
