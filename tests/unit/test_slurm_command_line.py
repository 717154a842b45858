"""The scheduler over a scripted runner: which commands run, and what their answers add up to."""

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.core.errors import (
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.job import SlurmId, SubmissionTag
from bridge.core.settings import SchedulerSettings
from bridge.core.slurm_client import SlurmClient
from bridge.ports import Completed
from bridge.testing.runner import FakeRunner, completed

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TAG = SubmissionTag("bridge-7c9e6679-7425-40de-944b-e07fc1f90ae7-1")
SETTINGS = SchedulerSettings(
    environment=(("SLURM_CONF", "/etc/slurm/site.conf"),),
    query_timeout=timedelta(seconds=11),
    submit_timeout=timedelta(seconds=22),
)
DOWN = completed(1, stderr="sacct: error: Problem talking to the database: Connection refused\n")
OFF = completed(1, stderr="Slurm accounting storage is disabled\n")


def scheduler(*answers: Completed) -> tuple[SlurmCommandLine, FakeRunner]:
    runner = FakeRunner(*answers)
    return SlurmCommandLine(runner, SETTINGS), runner


def queued(*ids: str, tag: str = TAG) -> Completed:
    rows = (f"{it}\x1fPENDING\x1fNone\x1f1\x1fN/A\x1fN/A\x1f\x1f{tag}" for it in ids)
    return completed(stdout="".join(f"{row}\n" for row in rows))


def recorded(*ids: str, tag: str = TAG) -> Completed:
    rows = (f"{it}\x1fCOMPLETED\x1f0:0\x1f1\x1f2\x1f3\x1fn1\x1fNone\x1f{tag}" for it in ids)
    return completed(stdout="".join(f"{row}\n" for row in rows))


def test_a_script_goes_to_sbatch_on_stdin_with_the_sites_environment() -> None:
    slurm, runner = scheduler(completed(stdout="12\n"))
    assert slurm.submit("#!/bin/sh\ntrue\n") == "12"
    (command,) = runner.commands
    assert command.stdin == "#!/bin/sh\ntrue\n"
    assert command.timeout == timedelta(seconds=22)
    assert command.argv == (
        "env",
        "SLURM_CONF=/etc/slurm/site.conf",
        "LC_ALL=C",
        "sbatch",
        "--parsable",
    )


OURS = completed(stdout="ClusterName             = West\nSlurmctldPort           = 6817\n")


def test_a_job_that_sbatch_says_is_on_our_cluster_has_the_id_that_rows_have() -> None:
    slurm, runner = scheduler(completed(stdout="12;west\n"), OURS, completed(stdout="13;west\n"))
    assert slurm.submit("#!/bin/sh\n") == "12"
    assert slurm.submit("#!/bin/sh\n") == "13"
    # Which cluster that is does not change.
    assert [it.argv[3] for it in runner.commands] == ["sbatch", "scontrol", "sbatch"]


def test_a_job_that_went_to_another_cluster_is_cancelled_there_and_refused() -> None:
    slurm, runner = scheduler(completed(stdout="12;east\n"), OURS, completed())
    with pytest.raises(SubmissionRefusedError, match="cluster east, where it is 12") as refusal:
        slurm.submit("#!/bin/sh\n")
    assert "on west alone; it was cancelled there" in str(refusal.value)
    assert runner.commands[-1].argv[-4:] == ("scancel", "--clusters", "east", "12")


@pytest.mark.parametrize(
    "answer",
    [
        completed(1, stderr="scancel: error: No cluster 'east' known by database.\n"),
        completed(None),
    ],
)
def test_one_that_cannot_be_cancelled_there_is_refused_and_told(answer: Completed) -> None:
    slurm, _ = scheduler(completed(stdout="12;east\n"), OURS, answer)
    with pytest.raises(SubmissionRefusedError, match="it is there still: "):
        slurm.submit("#!/bin/sh\n")


@pytest.mark.parametrize(
    "answer",
    [
        completed(1, stderr="Unable to contact slurm controller (connect failure)\n"),
        completed(stdout="SlurmctldPort           = 6817\n"),
        completed(stdout="ClusterName             = \n"),
    ],
)
def test_while_nobody_says_which_cluster_is_ours_the_submission_is_uncertain(
    answer: Completed,
) -> None:
    slurm, runner = scheduler(completed(stdout="12;west\n"), answer)
    with pytest.raises(SubmissionUncertainError, match="cluster west, where it is 12"):
        slurm.submit("#!/bin/sh\n")
    assert len(runner.commands) == 2


def test_questions_ask_for_times_in_seconds_since_the_epoch() -> None:
    slurm, runner = scheduler(queued("3"))
    assert [it.slurm_id for it in slurm.queue()] == ["3"]
    (command,) = runner.commands
    assert command.timeout == timedelta(seconds=11)
    assert command.argv[:6] == (
        "env",
        "SLURM_CONF=/etc/slurm/site.conf",
        "LC_ALL=C",
        "SLURM_TIME_FORMAT=%s",
        "TZ=UTC",
        "squeue",
    )


def test_a_tag_is_found_wherever_it_is_lowest_id_first() -> None:
    slurm, _ = scheduler(queued("10", "9"), recorded("9", "2"))
    assert slurm.find([TAG], since=NOON)[TAG] == ("2", "9", "10")


def test_a_job_with_a_name_that_only_resembles_the_tag_is_not_found() -> None:
    slurm, _ = scheduler(queued("10", tag=TAG + "0"), recorded("9", tag=TAG.upper()))
    assert slurm.find([TAG], since=NOON)[TAG] == ()


def test_where_accounting_is_off_the_queue_alone_says_that_a_job_is_not_there() -> None:
    slurm, _ = scheduler(queued(), OFF)
    assert slurm.find([TAG], since=NOON)[TAG] == ()


def test_while_accounting_is_down_nobody_says_that_a_job_is_not_there() -> None:
    slurm, _ = scheduler(queued(), DOWN)
    with pytest.raises(UnavailableError):
        slurm.find([TAG], since=NOON)[TAG]


def test_a_job_in_the_queue_is_found_while_accounting_is_down() -> None:
    slurm, _ = scheduler(queued("4"), DOWN)
    assert slurm.find([TAG], since=NOON)[TAG] == ("4",)


def test_while_the_controller_is_away_nobody_says_that_a_job_is_not_there() -> None:
    away = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
    slurm, _ = scheduler(completed(1, stderr=away), recorded("4"))
    with pytest.raises(UnavailableError):
        slurm.find([TAG], since=NOON)[TAG]


def test_many_tags_are_looked_for_three_hundred_at_a_time() -> None:
    tags = [SubmissionTag(f"bridge-{number}-1") for number in range(350)]
    slurm, runner = scheduler(
        queued("7", tag=tags[0]), recorded(), queued(), recorded("5", tag=tags[349])
    )
    found = slurm.find(tags, since=NOON)
    assert list(found) == tags
    assert {tag: ids for tag, ids in found.items() if ids} == {tags[0]: ("7",), tags[349]: ("5",)}
    assert [it.argv[it.argv.index("--name") + 1].count(",") for it in runner.commands] == [
        *(299, 299),
        *(49, 49),
    ]


def test_while_accounting_is_down_the_tags_that_the_queue_lacks_have_no_answer() -> None:
    other = SubmissionTag("bridge-other-1")
    slurm, _ = scheduler(queued("4"), DOWN)
    assert slurm.find([other, TAG], since=NOON) == {TAG: ("4",)}


def test_accounting_is_asked_in_chunks_of_three_hundred() -> None:
    ids = [SlurmId(str(number)) for number in range(1, 702)]
    slurm, runner = scheduler(recorded("1"), recorded("301"), recorded("601"))
    records = slurm.accounting(ids, since=NOON)
    assert records is not None
    assert [it.slurm_id for it in records] == ["1", "301", "601"]
    asked = [it.argv[it.argv.index("--jobs") + 1].split(",") for it in runner.commands]
    assert [len(it) for it in asked] == [300, 300, 101]
    assert [it for chunk in asked for it in chunk] == ids


def test_one_chunk_without_an_answer_leaves_no_answer() -> None:
    ids = [SlurmId(str(number)) for number in range(1, 400)]
    slurm, _ = scheduler(recorded("1"), DOWN)
    with pytest.raises(UnavailableError):
        slurm.accounting(ids, since=NOON)


def test_accounting_that_is_off_answers_none() -> None:
    slurm, _ = scheduler(OFF)
    assert slurm.accounting([SlurmId("1")], since=NOON) is None


def test_a_federated_jobs_record_bears_the_id_that_it_was_asked_by() -> None:
    slurm, _ = scheduler(recorded("5"))
    records = slurm.accounting([SlurmId("5;east")], since=NOON)
    assert records is not None
    assert [it.slurm_id for it in records] == ["5;east"]


def test_a_refused_cancellation_is_left_to_the_jobs_state() -> None:
    denied = "scancel: error: Kill job error on job id 3: Access/permission denied\n"
    slurm, runner = scheduler(queued("3"), completed(1, stderr=denied))
    slurm.cancel([(SlurmId("3"), TAG)])
    assert runner.commands[1].argv[-2:] == ("scancel", "3")


def test_what_bears_its_tag_is_cancelled_by_one_command() -> None:
    slurm, runner = scheduler(queued("3", "5_0", "5_1", "6_7"), completed())
    slurm.cancel([(SlurmId(it), TAG) for it in ("3", "5_1", "6", "7")])
    asked, cancelled = (it.argv for it in runner.commands)
    assert asked[asked.index("--name") + 1] == TAG
    assert cancelled[-4:] == ("scancel", "3", "5_1", "6")


@pytest.mark.parametrize("answer", [queued(), queued("3_0"), queued("3_1", tag="x")])
def test_a_job_that_is_anothers_or_is_gone_is_not_cancelled(answer: Completed) -> None:
    slurm, runner = scheduler(answer)
    slurm.cancel([(SlurmId("3_1"), TAG)])
    (asked,) = runner.commands
    assert "squeue" in asked.argv


def test_a_job_is_not_cancelled_while_nobody_says_whose_it_is() -> None:
    away = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
    slurm, runner = scheduler(completed(1, stderr=away))
    with pytest.raises(UnavailableError):
        slurm.cancel([(SlurmId("3"), TAG)])
    assert len(runner.commands) == 1


def test_a_job_of_another_cluster_is_cancelled_there() -> None:
    slurm, runner = scheduler(queued(), completed())
    slurm.cancel([(SlurmId("3;east"), TAG)])
    assert runner.commands[1].argv[-4:] == ("scancel", "--clusters", "east", "3")


@pytest.mark.parametrize("command", ["squeue", "sacct"])
def test_a_row_that_is_not_understood_hides_no_other_and_is_logged(command: str) -> None:
    good = (queued if command == "squeue" else recorded)("3")
    slurm, _ = scheduler(completed(stdout=good.stdout + "a line of " + "x" * 1000 + "\n"))
    with capture_logs() as logged:
        seen = (
            slurm.queue() if command == "squeue" else slurm.accounting([SlurmId("3")], since=NOON)
        )
    assert [it.slurm_id for it in seen or ()] == ["3"]
    (entry,) = logged
    assert entry["event"] == f"{command}_row_not_understood"
    assert len(entry["row"]) == 200


def test_slurm_not_accepting_who_we_are_is_an_alarm() -> None:
    words = "sbatch: error: Batch job submission failed: Protocol authentication error\n"
    slurm, _ = scheduler(completed(1, stderr=words))
    with capture_logs() as logged, pytest.raises(UnavailableError, match="authentication"):
        slurm.submit("#!/bin/sh\n")
    assert [(it["event"], it["log_level"]) for it in logged] == [
        ("slurm_does_not_accept_us", "error")
    ]


def test_slurms_commands_say_what_they_are() -> None:
    slurm, runner = scheduler(
        completed(stdout="slurm-wlm 22.05.8\n"), completed(stdout="CliFilterPlugins = lua\n")
    )
    assert slurm.client() == SlurmClient(version=(22, 5, 8), cli_filters=("lua",))
    assert [it.argv[3:] for it in runner.commands] == [
        ("sbatch", "--version"),
        ("scontrol", "show", "config"),
    ]
