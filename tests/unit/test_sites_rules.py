"""Who may run jobs, what they get by default, and where caches are, in the site's YAML file."""

from pathlib import Path

import pytest
from unit.site_files import SMALLEST, load, mistakes

RULES = (
    SMALLEST.replace("apptainer\n", "apptainer\n  cache: /c/a\n  scratch: /tmp/b\n")
    + """\
  memory: 4G
users: [alice, "*@als.example"]
"""
)


def test_all_rules_arrive(folder: Path) -> None:
    site = load(folder, RULES).site
    assert site.users == ("alice", "*@als.example")
    assert site.defaults.memory_mib == 4096
    assert (site.containers.cache, site.containers.scratch) == ("/c/a", "/tmp/b")


def test_without_rules_everybody_may_and_slurm_decides(folder: Path) -> None:
    site = load(folder, SMALLEST).site
    assert site.users == ()
    assert site.defaults.memory_mib is None
    assert (site.containers.cache, site.containers.scratch) == (None, None)


PULL = SMALLEST.replace("apptainer\n", "apptainer\n  pull: in-job\n  pull_folder: /images/new\n")


def test_jobs_fetch_images_only_where_the_file_says_so(folder: Path) -> None:
    containers = load(folder, PULL).site.containers
    assert (containers.pull, containers.pull_folder) == ("in-job", "/images/new")
    containers = load(folder, SMALLEST).site.containers
    assert (containers.pull, containers.pull_folder) == ("never", None)


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("pull: in-job", "pull: always", "site.yaml:13: containers.pull: "),
        (
            "  pull: in-job\n",
            "",
            "site.yaml:13: containers.pull_folder: has no effect without pull: before, or in-job",
        ),
        (
            "  pull_folder: /images/new\n",
            "",
            "site.yaml:11: containers.pull_folder: missing, and required for pull: in-job",
        ),
        (
            "pull: in-job",
            "pull: in-job\n  pull_timeout: 1h",
            "site.yaml:14: containers.pull_timeout: has no effect without pull: before",
        ),
        (
            "apptainer",
            "charliecloud",
            "site.yaml:13: containers.pull: images for charliecloud cannot be fetched: they",
        ),
        (
            "apptainer",
            "shifter",
            "site.yaml:13: containers.pull: a job cannot fetch images for shifter",
        ),
        (
            "/images/new",
            "/scratch/bridge/images",
            "site.yaml:14: containers.pull_folder: jobs can write to /scratch/bridge",
        ),
        (
            "  images:",
            "  bind_roots: [{path: /images, read_only: false}]\n  images:",
            "site.yaml:14: containers.pull_folder: jobs can write to /images",
        ),
    ],
)
def test_a_pull_that_will_not_do_is_told_why(was: str, now: str, told: str, folder: Path) -> None:
    [found] = mistakes(folder, PULL.replace(was, now))
    assert found.startswith(told)


@pytest.mark.parametrize("runtime", ["shifter", "podman-hpc", "charliecloud", "command", "conda"])
def test_other_runtimes_are_not_told_of_caches(runtime: str, folder: Path) -> None:
    assert mistakes(folder, RULES.replace("apptainer", runtime)) == [
        "site.yaml:13: containers.cache: is for apptainer and singularity",
        "site.yaml:14: containers.scratch: is for apptainer and singularity",
    ]


def test_the_default_memory_keeps_to_the_limit(folder: Path) -> None:
    assert mistakes(folder, RULES + "limits: {memory: 1G}\n") == [
        "site.yaml:19: defaults.memory: 4096 MiB is more than the 1024 MiB of limits.memory"
    ]


CHOICES = """\
choices:
  gpu_types: [a100]
  lowest_priority: -100
profiles:
  amd: {gpu_types: [mi100]}
  other: {}
"""


def test_types_of_gpu_and_priorities_arrive(folder: Path) -> None:
    site = load(folder, SMALLEST + CHOICES).site
    assert site.choices.gpu_types == ("a100",)
    assert (site.choices.lowest_priority, site.choices.highest_priority) == (-100, 0)
    assert [it.gpu_types for it in site.profiles] == [("mi100",), None]


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("lowest_priority: -100", "lowest_priority: 1", "site.yaml:19: choices.lowest_priority: "),
        ("lowest_pri", "highest_pri", "site.yaml:19: choices.highest_priority: "),
        ("[a100]", "['4']", "site.yaml:18: choices.gpu_types.0: "),
        (
            "profiles:",
            "directives: [--nice=50]\nprofiles:",
            "site.yaml:20: directives.0: --nice=50: jobs say it themselves, within choices",
        ),
        (
            "lowest_priority: -100",
            "highest_priority: 1\nscheduler: {kind: pyslurm}",
            "site.yaml:19: choices.highest_priority: pyslurm cannot be told of a negative --nice",
        ),
    ],
)
def test_priorities_and_types_that_will_not_do_are_told_why(
    was: str, now: str, told: str, folder: Path
) -> None:
    [found] = mistakes(folder, SMALLEST + CHOICES.replace(was, now))
    assert found.startswith(told)


def test_a_site_may_be_nice_for_all_where_jobs_may_not_choose(folder: Path) -> None:
    assert load(folder, SMALLEST + "directives: [--nice=50]\n").site.directives == ("--nice=50",)


SECRETS = """\
secrets:
  key: {file: /secrets/key}
  adas: {file: /secrets/adas, users: [ada, "*@lab"]}
"""


def test_secrets_arrive(folder: Path) -> None:
    key, adas = load(folder, SMALLEST + SECRETS).site.secrets
    assert (key.reference, key.file, key.users) == ("key", "/secrets/key", ())
    assert (adas.reference, adas.file, adas.users) == ("adas", "/secrets/adas", ("ada", "*@lab"))


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("/secrets/key", "/scratch/bridge/key", "jobs can see what is in /scratch/bridge"),
        ("/secrets/key", "/data/key", "jobs can see what is in /data"),
        ("/secrets/key", "/home/key", "jobs can see what is in /home"),
        ("/secrets/key", "key", "an absolute path without '..' is wanted"),
    ],
)
def test_a_secret_lies_out_of_every_jobs_sight(was: str, now: str, told: str, folder: Path) -> None:
    shown = "apptainer\n  visible: [/home]\n  bind_roots: [{path: /data}]\n"
    text = SMALLEST.replace("apptainer\n", shown) + SECRETS.replace(was, now)
    [found] = mistakes(folder, text)
    assert ": secrets.key.file: " in found
    assert told in found


def test_without_containers_no_secret_is_only_somebodys(folder: Path) -> None:
    [found] = mistakes(folder, SMALLEST.replace("apptainer", "command") + SECRETS)
    assert "secrets.adas.users: has no effect with runtime: command" in found
