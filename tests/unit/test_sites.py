"""The site's YAML file: what it becomes, and how its mistakes are told."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from unit.site_files import SMALLEST, environment, load, mistakes

from bridge.core.errors import ConfigurationError
from bridge.core.failure import FailureReason
from bridge.core.job import Resources
from bridge.core.placement import place
from bridge.core.retry import RetryPolicy
from bridge.core.settings import SchedulerKind
from bridge.core.site import BindRoot, Runtime
from bridge.shipped import shipped
from bridge.sites import load_site, site_schema
from bridge.sites.fields import ACCEPTED

SHIPPED = sorted(path.name for path in shipped("site_configs").glob("*.yaml"))


def test_the_smallest_file_is_enough(folder: Path) -> None:
    settings = load(folder, SMALLEST)
    assert settings.site.name == "here"
    assert settings.site.containers.runtime is Runtime.APPTAINER
    assert settings.broker.port == 5672
    assert settings.broker.password == "s3cret"
    assert settings.journal.keep == timedelta(days=30)


def test_a_walltime_needs_no_quotes(folder: Path) -> None:
    """YAML 1.1 reads 12:00:00 as the number 43200."""
    assert load(folder, SMALLEST).site.defaults.walltime == timedelta(hours=12)


def test_no_is_a_word_and_not_false(folder: Path) -> None:
    """YAML 1.1 reads it as false."""
    settings = load(folder, SMALLEST + "  partition: no\n")
    assert settings.site.defaults.partition == "no"


def test_everything_in_the_file_arrives_in_the_settings(folder: Path) -> None:
    settings = load(
        folder,
        SMALLEST.replace("  user: bridge\n", "  user: bridge\n  tls: true\n  heartbeat: 5s\n")
        + """\
limits: {nodes: 4, memory: 2G, walltime: 1-00:00:00}
choices: {partitions: [cpu, gpu]}
environment: {A: x, B: "2"}
directives: ["--exclusive"]
polling: {shortest: 500ms, longest: 2s}
scheduler: {tag_prefix: mine, environment: {SLURM_CONF: /etc/slurm.conf}}
""",
    )
    assert settings.broker.tls
    assert settings.broker.heartbeat == timedelta(seconds=5)
    assert settings.site.limits.nodes == 4
    assert settings.site.limits.memory_mib == 2048
    assert settings.site.limits.walltime == timedelta(days=1)
    assert settings.site.choices.partitions == ("cpu", "gpu")
    assert settings.site.environment == (("A", "x"), ("B", "2"))
    assert settings.site.directives == ("--exclusive",)
    assert settings.site.tag_prefix == "mine"
    assert settings.polling.looks.shortest == timedelta(milliseconds=500)
    assert settings.scheduler.environment == (("SLURM_CONF", "/etc/slurm.conf"),)


def test_a_folder_may_be_mounted_for_reading_unless_the_file_says_more(folder: Path) -> None:
    text = SMALLEST.replace(
        "    - /images/*.sif\n",
        "    - /images/*.sif\n  bind_roots:\n    - path: /data/\n"
        "    - {path: /out, read_only: false}\n",
    )
    assert load(folder, text).site.containers.bind_roots == (
        BindRoot(path="/data", read_only=True),
        BindRoot(path="/out", read_only=False),
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_file_is_right(name: str, folder: Path) -> None:
    settings = load_site(shipped("site_configs") / name, environment(folder))
    assert f"{settings.site.name}.yaml" == name
    assert settings.broker.password == "s3cret"


def test_the_two_bridges_of_the_testbed_do_not_meet(folder: Path) -> None:
    one, other = (
        load_site(shipped("site_configs") / name, environment(folder))
        for name in ("testbed.yaml", "testbed-shifter.yaml")
    )
    assert one.site.work_root != other.site.work_root
    assert one.journal.path != other.journal.path
    assert one.site.tag_prefix != other.site.tag_prefix


def test_perlmutter_is_never_given_a_partition(folder: Path) -> None:
    site = load_site(shipped("site_configs") / "nersc-perlmutter.yaml", environment(folder)).site
    assert site.defaults.partition is None
    assert site.choices.partitions == ()
    assert {it.partition for it in site.profiles} == {None}
    assert all(it.qos and it.constraint for it in site.profiles)


@pytest.mark.parametrize(
    ("site", "asked", "profile"),
    [
        ("nersc-perlmutter", Resources(), "cpu-shared"),
        ("nersc-perlmutter", Resources(nodes=2), "cpu"),
        ("nersc-perlmutter", Resources(gpus=1), "gpu-shared"),
        ("nersc-perlmutter", Resources(gpus=4), "gpu"),
        ("nersc-perlmutter", Resources(nodes=2, gpus=4), "gpu"),
        ("nersc-perlmutter", Resources(gpus=1, profile="preempt"), "preempt"),
        ("vaughan-calcua", Resources(), "zen2"),
        ("vaughan-calcua", Resources(memory_mib=400 * 1024), "zen3_512"),
        ("vaughan-calcua", Resources(gpus=1), "ampere_gpu"),
        ("vaughan-calcua", Resources(gpus=1, profile="arcturus_gpu"), "arcturus_gpu"),
        ("vaughan-als", Resources(), "cpu"),
        ("vaughan-als", Resources(gpus=2), "gpu"),
    ],
)
def test_jobs_get_these_profiles_at_the_sites(
    site: str, asked: Resources, profile: str, folder: Path
) -> None:
    settings = load_site(shipped("site_configs") / f"{site}.yaml", environment(folder))
    placement = place(asked, settings.site)
    assert placement.problems == ()
    assert placement.profile is not None
    assert placement.profile.name == profile


# --- variables


def test_a_variable_stands_for_a_number_too(folder: Path) -> None:
    path = shipped("site_configs") / "testbed.yaml"
    assert load_site(path, environment(folder)).broker.port == 20123


def test_variables_are_replaced_within_text_and_escaped_by_a_second_dollar(folder: Path) -> None:
    text = SMALLEST + "environment:\n  A: x${BRIDGE_DATA}y${BRIDGE_DATA}\n  B: $${HOME} $HOME $5\n"
    assert load(folder, text).site.environment == (
        ("A", "x/datay/data"),
        ("B", "${HOME} $HOME $5"),
    )


def test_what_a_variable_holds_is_never_read_as_a_variable_again(folder: Path) -> None:
    path = folder / "site.yaml"
    path.write_text(SMALLEST + "environment: {A: '${TRAP}'}\n")
    names = {**environment(folder), "TRAP": "${PASSWORD}"}
    assert load_site(path, names).site.environment == (("A", "${PASSWORD}"),)


def test_setup_is_bash_and_stays_as_it_is(folder: Path) -> None:
    text = SMALLEST + 'setup: |\n  module load ${NAME}\n\n  echo "$${x}"\n'
    assert load(folder, text).site.setup == ("module load ${NAME}", "", 'echo "$${x}"')


def test_every_variable_that_is_not_set_is_named(folder: Path) -> None:
    text = SMALLEST.replace("localhost", "${NOT_SET}").replace("/scratch", "${NEITHER}")
    assert mistakes(folder, text) == [
        "site.yaml:5: broker.host: the environment variable NOT_SET is not set",
        "site.yaml:10: work_root: the environment variable NEITHER is not set",
    ]


@pytest.mark.parametrize("written", ["${}", "${A-b}", "${A", "${A b}"])
def test_what_is_no_name_of_a_variable_is_refused(written: str, folder: Path) -> None:
    [told] = mistakes(folder, SMALLEST.replace("localhost", f"'{written}'"))
    assert told.startswith("site.yaml:5: broker.host: ")
    assert "names no variable" in told


# --- mistakes


def test_every_mistake_is_told_at_once_with_its_line(folder: Path) -> None:
    text = SMALLEST.replace("name: here", "name: Here").replace("user: bridge", "usr: bridge")
    text = text.replace("12:00:00", "noon") + "limits:\n  nodes: many\n"
    assert mistakes(folder, text) == [
        (
            "site.yaml:3: site.name: lower case letters, digits and hyphens are wanted, "
            "a letter or a digit first (found 'Here')"
        ),
        "site.yaml:4: broker.user: missing, and required",
        "site.yaml:6: broker.usr: unknown field; did you mean 'user'?",
        (
            "site.yaml:16: defaults.walltime: a time as HH:MM:SS or D-HH:MM:SS is wanted, "
            "such as 01:30:00 (found 'noon')"
        ),
        "site.yaml:18: limits.nodes: a whole number is wanted (found 'many')",
    ]


def test_an_unknown_field_that_resembles_none_is_told_what_there_is(folder: Path) -> None:
    [told] = mistakes(folder, SMALLEST + "  colour: red\n")
    assert told == (
        "site.yaml:17: defaults.colour: unknown field; accepted here: "
        "walltime, partition, qos, account, constraint, memory"
    )


def test_an_unknown_field_in_a_list_has_its_index(folder: Path) -> None:
    text = SMALLEST.replace(
        "    - /images/*.sif\n",
        "    - /images/*.sif\n  bind_roots:\n    - path: /a\n    - {path: /b, readonly: true}\n",
    )
    assert mistakes(folder, text) == [
        "site.yaml:17: containers.bind_roots.1.readonly: unknown field; did you mean 'read_only'?"
    ]


def test_a_key_that_stands_twice_is_told(folder: Path) -> None:
    assert mistakes(folder, SMALLEST + "  walltime: 01:00:00\n") == [
        "site.yaml:17: defaults.walltime: stands here a second time, after line 16"
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: [1, 2\nb: 3\n", 2, "not YAML: "),
        ("a: 'b\n", 2, "not YAML: "),
        ("\tversion: 1\n", 1, "not YAML: "),
        ("version: 1\n---\nversion: 1\n", 2, "not YAML: "),
        ("a: \0\n", 1, "not YAML: "),
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("null\n", 1, "empty"),
        ("[" * 100_000, 1, "nested too deeply"),
        ("a" * 1_100_000, 1, "longer than"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_why(
    text: str, line: int, what: str, folder: Path
) -> None:
    [told] = mistakes(folder, text)
    assert told.startswith(f"site.yaml:{line}: {what}")


@pytest.mark.parametrize("text", ["just words\n", "- 1\n- 2\n"])
def test_a_file_without_fields_is_told_that_fields_are_wanted(text: str, folder: Path) -> None:
    [told] = mistakes(folder, text)
    assert told.startswith("site.yaml:1: fields are wanted here")


def test_a_file_that_is_not_text_is_told_so(folder: Path) -> None:
    path = folder / "site.yaml"
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(ConfigurationError, match="not UTF-8 text: byte 3 cannot be read"):
        load_site(path, {})


def test_a_file_that_is_not_there_is_told_so(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml: cannot be read: No such file"):
        load_site(folder / "none.yaml", {})


def test_a_bomb_of_aliases_is_refused_before_it_goes_off(folder: Path) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    [told] = mistakes(folder, bomb)
    assert told == "site.yaml:1: anchors and aliases (& and *) are not accepted"


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!int", "!mine", "!!binary"])
def test_tags_are_refused(tag: str, folder: Path) -> None:
    [told] = mistakes(folder, SMALLEST.replace("localhost", f"{tag} '1'"))
    assert told.startswith("site.yaml:5: broker.host: tags such as ")


def test_a_key_that_is_no_word_is_refused(folder: Path) -> None:
    [told] = mistakes(folder, SMALLEST + "? [a, b]\n: c\n")
    assert told == "site.yaml:17: ?: a key must be a plain word"


# --- the password


def test_a_password_in_the_file_is_refused_and_not_repeated(folder: Path) -> None:
    [told] = mistakes(folder, SMALLEST.replace("${PASSWORD}", "hunter2"))
    assert told.startswith("site.yaml:7: broker.password: a password may not stand in this file")
    assert "password_file" in told
    assert "hunter2" not in told


def test_a_password_in_the_file_is_told_whatever_else_is_wrong(folder: Path) -> None:
    text = SMALLEST.replace("${PASSWORD}", "hunter2").replace("12:00:00", "noon")
    first, second = mistakes(folder, text)
    assert first.startswith("site.yaml:7: broker.password: a password may not stand in this file")
    assert second.startswith("site.yaml:16: defaults.walltime: ")
    assert "hunter2" not in first


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("users: alice\n", "users: a list is wanted, such as [one, two] or one `- ` a line"),
        ("site: {name: 7}\n", "site.name: text is wanted (found 7)"),
        ("limits: {nodes: 0}\n", "limits.nodes: at least 1 is wanted (found 0)"),
        ("retry: {attempts: 101}\n", "retry.attempts: at most 100 is accepted (found 101)"),
        ("retry: {reasons: [oom]}\n", "retry.reasons.0: there is no such reason; accepted: boot"),
        ("broker: {tls: maybe}\n", "broker.tls: true or false is wanted (found 'maybe')"),
        ("containers: {runtime: docker}\n", "containers.runtime: accepted: 'apptainer', 'singul"),
        ("containers: {images: []}\n", "containers.images: at least 1 wanted (found [])"),
        ("retry: {walltime_factor: big}\n", "retry.walltime_factor: a number is wanted (found '"),
        ("profiles: {GPU: {}}\n", "profiles.GPU: lower case letters, digits, _ and - are wanted"),
        ("limits: 7\n", "limits: fields are wanted here, one a line (found 7)"),
    ],
)
def test_a_mistake_is_told_in_words_that_an_administrator_knows(
    text: str, told: str, folder: Path
) -> None:
    (folder / "base.yaml").write_text(SMALLEST)
    [found] = mistakes(folder, f"version: 1\nextends: base.yaml\n{text}")
    assert found.startswith(f"site.yaml:3: {told}")


def test_every_form_that_a_word_may_have_has_words_for_it() -> None:
    def patterns(part: object) -> Iterator[str]:
        if isinstance(part, list):
            for inner in part:
                yield from patterns(inner)
        elif isinstance(part, dict):
            yield from part.get("patternProperties", {})
            if "pattern" in part and "format" not in part:
                yield part["pattern"]
            yield from patterns(list(part.values()))

    assert set(patterns(site_schema())) == set(ACCEPTED)


@pytest.mark.parametrize("written", ["123456", "[hunter2, 123456]", "x${PASSWORD}"])
def test_no_form_of_a_password_in_the_file_is_repeated(written: str, folder: Path) -> None:
    [told] = mistakes(folder, SMALLEST.replace("${PASSWORD}", written))
    assert told.startswith("site.yaml:7: broker.password: ")
    assert "123456" not in told
    assert "hunter2" not in told
    assert "s3cret" not in told


def test_a_password_is_named_once(folder: Path) -> None:
    text = SMALLEST.replace("  password: ${PASSWORD}\n", "")
    assert mistakes(folder, text)[0].startswith("site.yaml:4: broker.password_file: missing")
    both = SMALLEST.replace("  user:", f"  password_file: {folder}/password\n  user:")
    assert mistakes(folder, both) == [
        "site.yaml:8: broker.password: give either password or password_file, not both"
    ]


def test_the_password_is_the_first_line_of_its_file(folder: Path) -> None:
    (folder / "password").write_text("first\r\nsecond\n")
    text = SMALLEST.replace("password: ${PASSWORD}", f"password_file: {folder}/password")
    assert load(folder, text).broker.password == "first"


@pytest.mark.parametrize(
    ("content", "mode", "what"),
    [
        (None, 0o600, "cannot be read: No such file or directory"),
        ("", 0o600, "has no password in its first line"),
        ("\nsecond\n", 0o600, "has no password in its first line"),
        ("s3cret", 0o644, "is open to everybody: chmod o= "),
    ],
)
def test_a_password_file_that_will_not_do_is_told_why(
    content: str | None, mode: int, what: str, folder: Path
) -> None:
    path = folder / "other"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    text = SMALLEST.replace("password: ${PASSWORD}", f"password_file: {path}")
    [told] = mistakes(folder, text)
    assert told.startswith(f"site.yaml:7: broker.password_file: {path} {what}")
    assert "s3cret" not in told


def test_a_password_file_that_is_no_text_is_told_so(folder: Path) -> None:
    (folder / "password").write_bytes(b"\xff\n")
    text = SMALLEST.replace("password: ${PASSWORD}", f"password_file: {folder}/password")
    [told] = mistakes(folder, text)
    assert told.endswith("is not UTF-8 text")


def test_an_empty_variable_is_no_password(folder: Path) -> None:
    path = folder / "site.yaml"
    path.write_text(SMALLEST)
    with pytest.raises(ConfigurationError, match=r"broker\.password: the variable is empty"):
        load_site(path, {"PASSWORD": ""})


# --- fields that do not go together


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (
            "12:00:00\n",
            "12:00:00\nlimits: {walltime: 01:00:00}\n",
            "site.yaml:16: defaults.walltime: 12:00:00 is more than the 01:00:00 of limits",
        ),
        (
            "apptainer\n",
            "shifter\n  gpu_flag: --nv\n",
            "site.yaml:13: containers.gpu_flag: is nothing for shifter; accepted: none; ",
        ),
        (
            "apptainer\n",
            "podman-hpc\n  gpu_flag: --nv\n",
            "site.yaml:13: containers.gpu_flag: is nothing for podman-hpc; accepted: --gpu",
        ),
        (
            "apptainer\n",
            "charliecloud\n  bind_roots: [{path: /data}]\n",
            "site.yaml:13: containers.bind_roots.0: Charliecloud cannot mount for reading only",
        ),
        (
            "apptainer\n",
            "command\n  bind_roots: [{path: /data}]\n",
            "site.yaml:13: containers.bind_roots: has no effect with runtime: command",
        ),
        (
            "apptainer\n",
            "conda\n  options: [--x]\n",
            "site.yaml:13: containers.options: has no effect with runtime: conda",
        ),
        (
            "apptainer\n",
            "apptainer\n  modules: [gpu]\n",
            "site.yaml:13: containers.modules: is for shifter",
        ),
        ("work_root: /scratch/", "work_root: ", "site.yaml:10: work_root: an absolute path"),
        ("/scratch/bridge", "/a/../b", "site.yaml:10: work_root: an absolute path without"),
        ("/scratch/bridge", "/a:b", "site.yaml:10: work_root: an absolute path of letters"),
        ("/scratch/bridge", "/a b", "site.yaml:10: work_root: an absolute path of letters"),
        ("/scratch/bridge", "/a%j", "site.yaml:10: work_root: an absolute path of letters"),
        ("/scratch/bridge", "/", "site.yaml:10: work_root: an absolute path of letters"),
        ("/var/lib", "var/lib", "site.yaml:9: journal.path: an absolute path"),
        (
            "12:00:00\n",
            "12:00:00\npolling: {shortest: 2m}\n",
            "site.yaml:17: polling.shortest: is longer than polling.longest",
        ),
        (
            "12:00:00\n",
            "12:00:00\npolling: {shortest: 0s}\n",
            "site.yaml:17: polling.shortest: a time such as 500ms, 30s",
        ),
        (
            "12:00:00\n",
            "12:00:00\npolling: {longest: 1000000d}\n",
            "site.yaml:17: polling.longest: a time such as 500ms",
        ),
        (
            "12:00:00\n",
            '12:00:00\nenvironment: {A: "x\\0"}\n',
            "site.yaml:17: environment.A: a NUL character",
        ),
        (
            "12:00:00\n",
            "12:00:00\ndirectives: [-q debug]\n",
            "site.yaml:17: directives.0: a long option of sbatch is wanted",
        ),
        (
            "  user:",
            "  heartbeat: 1500ms\n  user:",
            "site.yaml:6: broker.heartbeat: whole seconds",
        ),
        (
            "  user:",
            "  certificate_authority: /ca.pem\n  user:",
            "site.yaml:6: broker.certificate_authority: has no effect without tls: true",
        ),
        (
            "12:00:00\n",
            "12:00:00\ntemplates: /nowhere/at/all\n",
            "site.yaml:17: templates: there is no folder /nowhere/at/all",
        ),
        (
            "12:00:00\n",
            '12:00:00\ndirectives: ["--output=x"]\n',
            "site.yaml:17: directives.0: --output is written by the bridge itself",
        ),
        (
            "12:00:00\n",
            "12:00:00\ndirectives: [--clusters=east]\n",
            "site.yaml:17: directives.0: --clusters sends jobs where nobody looks for them",
        ),
        *(
            (
                "12:00:00\n",
                f"12:00:00\nscheduler:\n  environment:\n    {name}: east\n",
                f"site.yaml:19: scheduler.environment.{name}: sends jobs where nobody looks",
            )
            for name in ("SLURM_CLUSTERS", "SBATCH_CLUSTERS", "SQUEUE_FEDERATION")
        ),
        (
            "12:00:00\n",
            '12:00:00\ndirectives: ["--a\\nrm -rf x"]\n',
            "site.yaml:17: directives.0: control characters",
        ),
        (
            "12:00:00\n",
            "12:00:00\nenvironment: {'A B': x}\n",
            "site.yaml:17: environment.A B: the name of a variable is wanted",
        ),
    ],
)
def test_what_does_not_fit_is_told(was: str, now: str, told: str, folder: Path) -> None:
    assert was in SMALLEST
    [answer] = mistakes(folder, SMALLEST.replace(was, now))
    assert answer.startswith(told)


@pytest.mark.parametrize("work_root", ["/var/tmp/bridge", "/opt/a"])
def test_shifter_can_mount_a_work_root(work_root: str, folder: Path) -> None:
    text = SMALLEST.replace("apptainer", "shifter").replace("/scratch/bridge", work_root)
    assert load(folder, text).site.work_root == work_root


@pytest.mark.parametrize("work_root", ["/var/bridge", "/opt", "/opt/udiImage/a", "/proc/x"])
def test_shifter_cannot_mount_a_work_root_everywhere(work_root: str, folder: Path) -> None:
    text = SMALLEST.replace("apptainer", "shifter").replace("/scratch/bridge", work_root)
    assert mistakes(folder, text) == [
        f"site.yaml:10: work_root: Shifter mounts nothing at {work_root}"
    ]


def test_a_work_root_that_containers_see_anyway_may_be_anywhere(folder: Path) -> None:
    text = SMALLEST.replace("apptainer", "shifter\n  visible: [/var/bridge]")
    text = text.replace("/scratch/bridge", "/var/bridge/work")
    assert load(folder, text).site.work_root == "/var/bridge/work"


def test_the_schema_knows_every_section_and_allows_no_others() -> None:
    schema = json.loads(json.dumps(site_schema()))
    assert schema["additionalProperties"] is False
    required = schema["then"]["required"]
    assert {"version", "site", "broker", "work_root", "defaults"} <= set(required)
    assert schema["then"]["properties"]["containers"] == {"required": ["runtime", "images"]}
    assert schema["if"] == {"not": {"required": ["extends"]}}
    assert "required" not in schema
    assert "required" not in schema["$defs"]["ContainersSection"]
    assert schema["$defs"]["BrokerSection"]["additionalProperties"] is False


# --- budgets, retries, silence, the journal's disk


def test_what_the_file_leaves_out_is_cautious(folder: Path) -> None:
    settings = load(folder, SMALLEST)
    assert settings.retry.attempts == 1
    assert settings.retry.reasons == {"preempted", "node-failure", "boot-failure"}
    assert settings.retry.wait == timedelta(seconds=30)
    assert (settings.retry.walltime_factor, settings.retry.memory_factor) == (1, 1)
    assert settings.site.most_attempts == 5
    assert settings.scheduler.queries_per_minute == 30
    assert settings.scheduler.submissions_per_minute is None
    assert settings.polling.unreachable_after == timedelta(minutes=2)
    assert settings.journal.disk == "detect"


def test_a_site_may_say_all_of_it_itself(folder: Path) -> None:
    settings = load(
        folder,
        SMALLEST.replace("journal:\n", "journal:\n  disk: network\n")
        + """\
scheduler: {queries_per_minute: 4, submissions_per_minute: 60}
polling: {unreachable_after: 10m}
retry:
  attempts: 3
  most_attempts: 9
  reasons: [timeout, out-of-memory]
  wait: 5m
  walltime_factor: 1.5
  memory_factor: 2
""",
    )
    assert settings.journal.disk == "network"
    assert settings.scheduler.queries_per_minute == 4
    assert settings.scheduler.submissions_per_minute == 60
    assert settings.polling.unreachable_after == timedelta(minutes=10)
    assert settings.site.most_attempts == 9
    assert settings.retry == RetryPolicy(
        attempts=3,
        reasons=frozenset({FailureReason.TIMEOUT, FailureReason.OUT_OF_MEMORY}),
        wait=timedelta(minutes=5),
        walltime_factor=1.5,
        memory_factor=2.0,
    )


def test_numbers_and_factors_may_come_from_variables(folder: Path) -> None:
    path = folder / "site.yaml"
    path.write_text(
        SMALLEST + "retry: {attempts: '${N}', walltime_factor: '${F}'}\n", encoding="utf-8"
    )
    settings = load_site(path, environment(folder) | {"N": "4", "F": "1.25"})
    assert (settings.retry.attempts, settings.retry.walltime_factor) == (4, 1.25)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("retry: {attempts: 0}", "retry.attempts: "),
        ("retry: {most_attempts: 101}", "retry.most_attempts: "),
        (
            "retry: {reasons: [lost]}",
            "retry.reasons.0: a job that failed so is never tried again; accepted: boot-failure, ",
        ),
        ("retry: {reasons: [boredom]}", "retry.reasons.0: "),
        ("retry: {wait: soon}", "retry.wait: a time such as 500ms, 30s, 5m, 12h or 30d is wanted"),
        ("retry: {walltime_factor: 0.5}", "retry.walltime_factor: "),
        ("retry: {memory_factor: much}", "retry.memory_factor: "),
        ("retry: {memory_factor: true}", "retry.memory_factor: "),
        ("scheduler: {queries_per_minute: 0}", "scheduler.queries_per_minute: "),
        ("scheduler: {submissions_per_minute: none}", "scheduler.submissions_per_minute: "),
        ("polling: {unreachable_after: 0s}", "polling.unreachable_after: a time such as"),
    ],
)
def test_what_does_not_fit_there_is_told_by_its_place(
    section: str, told: str, folder: Path
) -> None:
    [found] = mistakes(folder, SMALLEST + section + "\n")
    assert found.startswith(f"site.yaml:17: {told}")


def test_the_journals_disk_is_one_of_three_words(folder: Path) -> None:
    [found] = mistakes(folder, SMALLEST.replace("journal:\n", "journal:\n  disk: floppy\n"))
    assert found.startswith("site.yaml:9: journal.disk: ")
    assert "'network'" in found


# --- without Slurm


def test_a_site_has_slurm_unless_it_says_otherwise(folder: Path) -> None:
    assert load(folder, SMALLEST).scheduler.kind is SchedulerKind.SLURM


def test_a_laptop_runs_local_processes_a_few_at_once(folder: Path) -> None:
    text = SMALLEST + "scheduler:\n  kind: local\n  local_jobs: 3\n"
    scheduler = load(folder, text).scheduler
    assert (scheduler.kind, scheduler.local_jobs) == (SchedulerKind.LOCAL, 3)


def test_what_is_for_slurm_alone_contradicts_local_processes(folder: Path) -> None:
    why = "has no effect with kind: local, which calls no Slurm"
    section = "scheduler:\n  kind: local\n  queries_per_minute: 5\n  access:\n    host: login\n"
    assert mistakes(folder, SMALLEST + section) == [
        f"site.yaml:19: scheduler.queries_per_minute: {why}",
        f"site.yaml:20: scheduler.access: {why}",
    ]


def test_a_number_of_local_jobs_contradicts_slurm(folder: Path) -> None:
    assert mistakes(folder, SMALLEST + "scheduler:\n  local_jobs: 3\n") == [
        "site.yaml:18: scheduler.local_jobs: has no effect without kind: local"
    ]


# --- through pyslurm

PYSLURM = "scheduler:\n  kind: pyslurm\n"
INSTEAD = "set scheduler.kind: slurm, or scheduler.pyslurm_fallback: command-line"
NOT_TOLD = "the bridge cannot tell pyslurm of this option"


def test_what_pyslurm_cannot_is_refused_unless_the_site_wants_sbatch_then(folder: Path) -> None:
    assert not load(folder, SMALLEST + PYSLURM).scheduler.pyslurm_fallback
    scheduler = load(folder, SMALLEST + PYSLURM + "  pyslurm_fallback: command-line\n").scheduler
    assert scheduler.kind is SchedulerKind.PYSLURM
    assert scheduler.pyslurm_fallback


def test_a_fallback_without_pyslurm_has_no_effect(folder: Path) -> None:
    assert mistakes(folder, SMALLEST + "scheduler:\n  pyslurm_fallback: none\n") == [
        "site.yaml:18: scheduler.pyslurm_fallback: has no effect without kind: pyslurm"
    ]


def test_pyslurm_does_not_reach_another_machine(folder: Path) -> None:
    assert mistakes(folder, SMALLEST + PYSLURM + "  access:\n    host: login\n") == [
        "site.yaml:19: scheduler.access: pyslurm submits on this machine: kind: slurm"
    ]


def test_directives_that_pyslurm_cannot_be_told_are_refused_with_the_remedy(folder: Path) -> None:
    text = SMALLEST + PYSLURM + "directives:\n  - --exclusive\n  - --licenses=cfs\n"
    assert mistakes(folder, text) == [
        f"site.yaml:21: directives.1: --licenses=cfs: {NOT_TOLD}; {INSTEAD}"
    ]
    load(folder, text.replace("directives:", "  pyslurm_fallback: command-line\ndirectives:"))


def test_the_scripts_for_shifter_are_not_for_pyslurm(folder: Path) -> None:
    text = SMALLEST.replace("apptainer", "shifter") + PYSLURM
    (mistake,) = mistakes(folder, text)
    assert mistake.startswith(
        "site.yaml:12: containers.runtime: our scripts for shifter have #SBATCH"
    )
    assert INSTEAD in mistake
    own = f"templates: {folder}\n"
    assert load(folder, text + own).scheduler.kind is SchedulerKind.PYSLURM
