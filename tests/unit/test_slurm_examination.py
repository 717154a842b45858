"""A look at a site's Slurm, over a runner with recorded answers of Slurm 22.05 and 24.11."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from unit.script_jobs import shipped_site

from bridge.adapters.slurm.examination import COMMANDS, Sample, SlurmExamination
from bridge.adapters.slurm.inventory import (
    features_in,
    read_associations,
    read_features,
    read_partitions,
    read_version,
    seconds_of,
)
from bridge.core.errors import UnavailableError
from bridge.core.finding import Finding, Grade
from bridge.core.settings import SiteSettings
from bridge.core.site import Choices, Profile
from bridge.ports import Completed
from bridge.testing.runner import FakeRunner, completed

CONFIG = """\
Configuration data as of 2026-11-24T04:28:30
AccountingStorageEnforce = associations,limits,qos
AccountingStorageType   = accounting_storage/slurmdbd
ClusterName             = testbed
MessageTimeout          = 10 sec
MinJobAge               = 300 sec
SLURM_VERSION           = 22.05.8

Slurmctld(primary) at localhost is UP
"""
PARTITION = (
    "PartitionName={name} AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL Default={default} QoS=N/A "
    "MaxNodes=UNLIMITED MaxTime={longest} Nodes=n[1-2] State={state} TotalCPUs=16\n"
)
CPU = PARTITION.format(name="cpu", default="YES", longest="2-00:00:00", state="UP")
GPU = PARTITION.format(name="gpu", default="NO", longest="UNLIMITED", state="UP")
ASSOCIATIONS = "imaging||debug,preempt,regular\nscience||debug,preempt,regular\n"
QOS = "normal\npreempt\nregular\ndebug\n"
TAKEN = "sbatch: Job 7 to start at 2026-11-24T04:28:30 using 1 processors on nodes n1\n"
SAMPLE = Sample(name="a job", script="#!/bin/bash\n#SBATCH --partition=cpu\n")

Answers = Mapping[str, Completed]


def site(**changes: object) -> SiteSettings:
    """The testbed, with nothing to choose."""
    settings = shipped_site("testbed")
    changed = {"choices": Choices()} | changes
    return replace(settings, site=replace(settings.site, **changed))  # type: ignore[arg-type]


def with_defaults(settings: SiteSettings, **changes: object) -> SiteSettings:
    defaults = replace(settings.site.defaults, **changes)  # type: ignore[arg-type]
    return replace(settings, site=replace(settings.site, defaults=defaults))


def answers(**changed: Completed) -> list[Completed]:
    """What Slurm says, in the order in which it is asked."""
    usual: dict[str, Completed] = {
        **{it: completed(stdout="slurm-wlm 22.05.8\n") for it in COMMANDS},
        "config": completed(stdout=CONFIG),
        "accounting": completed(),
        "partitions": completed(stdout=CPU + GPU),
        "user": completed(stdout="ada\n"),
        "associations": completed(stdout=ASSOCIATIONS),
        "qos": completed(stdout=QOS),
        "sample": completed(stderr=TAKEN),
    }
    assert changed.keys() <= usual.keys() | {"features"}
    if "features" in changed:
        sample = usual.pop("sample")
        usual |= {"features": changed["features"], "sample": sample}
    return list((usual | changed).values())


def look(settings: SiteSettings, said: Sequence[Completed]) -> dict[str, Finding]:
    runner = FakeRunner(*said)
    return {it.subject: it for it in SlurmExamination(runner, settings).findings([SAMPLE])}


def wrong(found: Mapping[str, Finding]) -> dict[str, tuple[str, str | None]]:
    return {it.subject: (it.words, it.remedy) for it in found.values() if it.grade is Grade.WRONG}


def test_a_site_that_is_as_its_file_says_is_all_well() -> None:
    found = look(site(), answers())
    assert {it.grade for it in found.values()} == {Grade.OK}
    assert found["controller"].words == "cluster testbed, Slurm 22.05.8"
    assert found["sbatch --test-only, a job"].words.startswith("Job 7 to start at")
    assert {"partition cpu", "account science", "QOS regular", "accounting"} <= found.keys()


def test_every_command_gets_the_sites_variables_and_changes_nothing() -> None:
    runner = FakeRunner(*answers())
    list(SlurmExamination(runner, site()).findings([SAMPLE]))
    for command in runner.commands:
        assert command.argv[0] == "env"
        assert "SLURM_CONF=/testbed/slurm.conf" in command.argv
        harmless = {"--version", "--test-only", "show", "sacct", "id", "sinfo"}
        assert harmless.intersection(command.argv), command.argv
    assert runner.commands[-1].stdin == SAMPLE.script


def test_a_command_that_is_not_there_is_told_with_where_to_say_its_place() -> None:
    missing = completed(127, stderr="env: 'sacct': No such file or directory\n")
    found = wrong(look(site(), answers(sacct=missing)))
    words, remedy = found["command sacct"]
    assert "No such file" in words
    assert "scheduler.environment" in str(remedy)


def test_commands_that_cannot_be_started_are_all_told() -> None:
    absent = UnavailableError("sbatch cannot be started: No such file or directory")
    runner = FakeRunner(*[absent] * (len(COMMANDS) + 1))
    found = wrong({it.subject: it for it in SlurmExamination(runner, site()).findings([SAMPLE])})
    assert list(found) == [*(f"command {it}" for it in COMMANDS), "controller"]
    assert "cannot be started" in found["controller"][0]


def test_a_controller_that_is_away_ends_the_look() -> None:
    words = "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)\n"
    found = look(site(), answers(config=completed(1, stderr=words))[: len(COMMANDS) + 1])
    assert "Unable to contact slurm controller" in wrong(found)["controller"][0]
    assert len(found) == len(COMMANDS) + 1


def test_a_partition_that_is_not_there_is_told_with_those_that_are_and_who_names_it() -> None:
    settings = with_defaults(site(), partition="cpux")
    assert wrong(look(settings, answers()))["partition cpux"] == (
        "is not there; there are: cpu, gpu",
        "correct defaults.partition",
    )


def test_what_profiles_and_choices_name_is_looked_for_too() -> None:
    settings = site(
        choices=Choices(partitions=("big",)),
        profiles=(Profile(name="fast", partition="cpu,big", qos="fast", account="cern"),),
    )
    found = wrong(look(settings, answers()))
    assert found["partition big"][1] in (
        "correct choices.partitions",
        "correct profiles.fast.partition",
    )
    assert found["QOS fast"] == (
        "is not there; ada may use: debug, preempt, regular",
        "correct profiles.fast.qos",
    )
    assert found["account cern"] == (
        "is not ada's; allowed: imaging, science",
        "correct profiles.fast.account, or ask the site for it",
    )


def test_a_qos_that_is_there_and_not_ours_is_told() -> None:
    found = wrong(look(with_defaults(site(), qos="normal"), answers()))
    assert found["QOS normal"][0] == "is not ada's to use; allowed: debug, preempt, regular"


def test_a_foreign_account_is_a_note_where_slurm_does_not_insist() -> None:
    config = completed(stdout=CONFIG.replace("associations,limits,qos", "none"))
    found = look(with_defaults(site(), account="cern"), answers(config=config))
    assert found["account cern"].grade is Grade.NOTE


def test_without_a_partition_slurm_needs_a_default_one() -> None:
    settings = with_defaults(site(), partition=None)
    assert wrong(look(settings, answers())) == {}
    found = wrong(look(settings, answers(partitions=completed(stdout=GPU))))
    assert found["partition"][1] == "name one in defaults.partition"


def test_a_partition_that_is_down_is_a_note() -> None:
    down = CPU.replace("State=UP", "State=DOWN")
    found = look(site(), answers(partitions=completed(stdout=down + GPU)))
    assert found["partition cpu"].grade is Grade.NOTE


def test_a_default_walltime_that_the_partition_does_not_take_is_wrong() -> None:
    short = PARTITION.format(name="cpu", default="YES", longest="00:05:00", state="UP")
    found = wrong(look(site(), answers(partitions=completed(stdout=short + GPU))))
    assert found["partition cpu"][1] == "set defaults.walltime to 00:05:00 at most"


def test_accounting_that_is_off_is_a_note_and_leaves_rights_unknown() -> None:
    off = completed(1, stderr="Slurm accounting storage is disabled\n")
    away = completed(
        1, stderr="sacctmgr: error: You are not running a supported accounting plugin\n"
    )
    said = answers(accounting=off, associations=away)
    del said[len(COMMANDS) + 5]  # nobody asks for the QOS then
    found = look(site(), said)
    assert found["accounting"].grade is Grade.NOTE
    assert found["account science"].grade is Grade.SKIPPED
    assert found["QOS regular"].grade is Grade.SKIPPED
    assert wrong(found) == {}


def test_a_slurmdbd_that_is_away_is_wrong() -> None:
    away = completed(1, stderr="sacct: error: Problem talking to the database: refused\n")
    assert "accounting" in wrong(look(site(), answers(accounting=away)))


@pytest.mark.parametrize(
    ("was", "now", "subject", "remedy"),
    [
        ("300 sec", "60 sec", "MinJobAge", "set polling.min_job_age to 60s"),
        ("10 sec", "60 sec", "MessageTimeout", "set scheduler.settle_time to 120s at least"),
    ],
)
def test_times_that_slurm_does_not_keep_to_are_told(
    was: str, now: str, subject: str, remedy: str
) -> None:
    config = completed(stdout=CONFIG.replace(f"= {was}", f"= {now}"))
    assert wrong(look(site(), answers(config=config)))[subject][1] == remedy


def test_a_feature_that_no_node_has_is_told() -> None:
    settings = with_defaults(site(), constraint="[gpu*2&a100]|h100")
    found = wrong(look(settings, answers(features=completed(stdout="gpu,a100\n(null)\n"))))
    assert found["constraint [gpu*2&a100]|h100"][0] == "no node has h100; there are: a100, gpu"


def test_a_sample_that_slurm_refuses_is_wrong_in_slurms_own_words() -> None:
    refusal = "allocation failure: Invalid qos specification\n"
    found = wrong(look(site(), answers(sample=completed(1, stderr=refusal))))
    assert found["sbatch --test-only, a job"][0] == "allocation failure: Invalid qos specification"


def test_a_sample_that_slurm_cannot_judge_now_is_not_wrong() -> None:
    busy = "allocation failure: Socket timed out on send/recv operation\n"
    found = look(site(), answers(sample=completed(1, stderr=busy)))
    assert found["sbatch --test-only, a job"].grade is Grade.SKIPPED


def test_a_question_that_slurm_does_not_answer_ends_the_look() -> None:
    silent = completed(1, stderr="slurm_load_partitions: Unable to contact slurm controller\n")
    with pytest.raises(UnavailableError, match=r"scontrol: .*Unable to contact"):
        look(site(), answers(partitions=silent))


# --- the answers


def test_a_version_is_read_from_debians_and_from_slurms_own() -> None:
    assert read_version(completed(stdout="slurm-wlm 22.05.8\n")) == "22.05.8"
    assert read_version(completed(stdout="slurm 24.11.0\n")) == "24.11.0"
    assert read_version(completed(stdout="bash: no slurm here\n")) is None
    assert read_version(completed(1, stdout="slurm 24.11.0\n")) is None


def test_a_controller_that_limits_our_rate_is_there_though_scontrol_says_it_is_down() -> None:
    config = completed(1, stdout=CONFIG.replace(" is UP", " is DOWN"))
    found = look(site(), answers(config=config))
    assert {it.grade for it in found.values()} == {Grade.OK}


def test_times_of_the_configuration_are_read() -> None:
    assert seconds_of("300 sec") == timedelta(minutes=5)
    assert seconds_of("N/A") is None
    assert seconds_of(None) is None


def test_partitions_are_read_with_their_limits() -> None:
    found = read_partitions(CPU + GPU)
    assert found["cpu"].longest == timedelta(days=2)
    assert found["cpu"].is_default
    assert found["gpu"].longest is None
    assert not found["gpu"].is_default
    assert read_partitions("No partitions in the system\n") == {}


def test_associations_are_read_and_the_roots_empty_ones_left_out() -> None:
    (found,) = read_associations("\nscience|gpu|debug,regular\n||normal\nodd\n")
    assert (found.account, found.partition) == ("science", "gpu")
    assert found.qos == {"debug", "regular"}


def test_features_are_those_of_all_nodes() -> None:
    assert read_features("gpu,a100\n(null)\ncpu\n") == {"gpu", "a100", "cpu"}


@pytest.mark.parametrize(
    ("constraint", "features"),
    [
        ("gpu", {"gpu"}),
        ("gpu&hbm40g", {"gpu", "hbm40g"}),
        ("[rack1|rack2]", {"rack1", "rack2"}),
        ("[rack1*2&rack2*4]", {"rack1", "rack2"}),
        ("(a&b)|c", {"a", "b", "c"}),
    ],
)
def test_a_constraint_names_features(constraint: str, features: set[str]) -> None:
    assert features_in(constraint) == features
