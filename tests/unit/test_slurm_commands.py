"""Slurm's commands: what is asked, and how real answers (recorded from 22.05.8) are read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from bridge.adapters.slurm.commands import (
    Rows,
    in_chunks,
    read_cli_filters,
    read_sacct,
    read_sbatch,
    read_scancel,
    read_squeue,
    read_version,
    sacct_argv,
    sbatch_argv,
    scancel_argvs,
    squeue_argv,
)
from bridge.core.errors import (
    BridgeError,
    SiteFullError,
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.facts import Sighting
from bridge.core.job import SlurmId, SubmissionTag
from bridge.core.slurm_state import SlurmState
from bridge.ports import Completed
from bridge.testing.runner import completed

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = (
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy"
    " (job submit limit, user's size and/or time limits)\n"
)


def squeue_said(*lines: str) -> tuple[Sighting, ...]:
    return read_squeue(completed(stdout=text_of(*lines))).sightings


def sacct_said(*lines: str) -> tuple[Sighting, ...]:
    rows = read_sacct(completed(stdout=text_of(*lines)))
    assert rows is not None
    return rows.sightings


def text_of(*lines: str) -> str:
    return "".join(line.replace("|", "\x1f") + "\n" for line in lines)


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-24T{clock}+00:00")


# --- sbatch ---------------------------------------------------------------------------------------


def test_sbatch_reads_the_script_from_stdin_and_names_the_id() -> None:
    assert sbatch_argv() == ("sbatch", "--parsable")


@pytest.mark.parametrize(
    ("stdout", "slurm_id"),
    [
        ("9\n", "9"),
        ("123;perlmutter\n", "123;perlmutter"),
        ("Welcome to the machine room\n123\nHave a nice day\n", "123"),
    ],
)
def test_the_new_jobs_id_is_read(stdout: str, slurm_id: str) -> None:
    assert read_sbatch(completed(stdout=stdout)) == slurm_id


def test_a_submission_that_was_retried_is_a_success() -> None:
    noise = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying.\n"
    assert read_sbatch(completed(stdout="77\n", stderr=noise)) == "77"


@pytest.mark.parametrize(
    "stdout", ["", "\n", "Submitted\n", "12 13\n", "12\n13\n", "-1\n", "1_2\n"]
)
def test_a_success_without_one_id_is_uncertain(stdout: str) -> None:
    with pytest.raises(SubmissionUncertainError):
        read_sbatch(completed(stdout=stdout))


@pytest.mark.parametrize(
    ("return_code", "stderr", "expected", "words"),
    [
        (
            1,
            (
                "sbatch: error: Batch job submission failed:"
                " Unable to contact slurm controller (connect failure)\n"
            ),
            UnavailableError,
            "Unable to contact slurm controller (connect failure)",
        ),
        (
            1,
            "sbatch: error: Batch job submission failed: Invalid qos specification\n",
            SubmissionRefusedError,
            "Invalid qos specification",
        ),
        (1, "sbatch: error: QOSMaxSubmitJobPerUserLimit\n" + POLICY, SiteFullError, "QOSMaxSubmit"),
        (
            1,
            "sbatch: error: QOSMaxWallDurationPerJobLimit\n" + POLICY,
            SubmissionRefusedError,
            "QOSMaxWallDurationPerJobLimit; Job violates accounting/QOS policy",
        ),
        (
            1,
            "sbatch: error: Batch job submission failed: Protocol authentication error\n",
            UnavailableError,
            "Protocol authentication error",
        ),
        (
            1,
            "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
            SubmissionUncertainError,
            "Socket timed out",
        ),
        (
            255,
            (
                "sbatch: unrecognized option '--image=x:y'\n"
                'Try "sbatch --help" for more information\n'
            ),
            SubmissionRefusedError,
            "unrecognized option '--image=x:y'",
        ),
        (255, "sbatch: error: Invalid --time specification\n", SubmissionRefusedError, "--time"),
        (255, "", SubmissionRefusedError, "option"),
        (127, "env: 'sbatch': No such file or directory\n", UnavailableError, "cannot be started"),
        (126, "env: 'sbatch': Permission denied\n", UnavailableError, "cannot be started"),
        (1, "sbatch: error: words of the year 2030\n", SubmissionUncertainError, "year 2030"),
        (1, "", SubmissionUncertainError, "ended with 1"),
        (-9, "", SubmissionUncertainError, "ended with -9"),
        (None, "", SubmissionUncertainError, "did not end in time"),
        (
            None,
            "sbatch: error: Unable to contact slurm controller (connect failure)\n",
            SubmissionUncertainError,
            "did not end in time",
        ),
    ],
)
def test_what_a_failed_submission_means(
    return_code: int | None, stderr: str, expected: type[BridgeError], words: str
) -> None:
    with pytest.raises(expected) as caught:
        read_sbatch(completed(return_code, stderr=stderr))
    assert type(caught.value) is expected
    assert words in str(caught.value)


# --- squeue ---------------------------------------------------------------------------------------


def test_one_question_is_asked_about_the_whole_queue() -> None:
    assert squeue_argv() == (
        "squeue",
        "--local",
        "--me",
        "--noheader",
        "--array",
        "--states=all",
        "--format",
        "%i\x1f%T\x1f%r\x1f%V\x1f%S\x1f%e\x1f%N\x1f%j",
    )


def test_the_queue_can_be_asked_for_names() -> None:
    argv = squeue_argv([SubmissionTag("bridge-x-1"), SubmissionTag("bridge-y-1")])
    assert argv[argv.index("--name") + 1] == "bridge-x-1,bridge-y-1"


def test_a_running_job_is_seen_with_its_start_and_node() -> None:
    assert squeue_said("9|RUNNING|None|1795488880|1795488881|1795489481|n1|t-a") == (
        Sighting(
            slurm_id=SlurmId("9"),
            tag=SubmissionTag("t-a"),
            word="RUNNING",
            state=SlurmState.RUNNING,
            submitted_at=at("02:54:40"),
            started_at=at("02:54:41"),
            nodes="n1",
        ),
    )


def test_the_start_that_slurm_expects_of_a_pending_job_is_no_start() -> None:
    (seen,) = squeue_said("13|PENDING|Priority|1795488880|1795495440|1795496040||t-big")
    assert seen.state is SlurmState.PENDING
    assert seen.reason == "Priority"
    assert (seen.started_at, seen.ended_at, seen.nodes) == (None, None, None)


def test_a_held_job_is_seen_with_slurms_reason() -> None:
    (seen,) = squeue_said("10|PENDING|JobHeldUser|1795488880|N/A|N/A||t-hold")
    assert seen.reason == "JobHeldUser"
    assert seen.submitted_at == at("02:54:40")


def test_a_job_that_was_cancelled_in_the_queue_never_started() -> None:
    (seen,) = squeue_said("4|CANCELLED|JobHeldUser|1795488742|1795488742|1795488742||wrap")
    assert seen.state is SlurmState.CANCELLED
    assert seen.started_at is None
    assert seen.ended_at == at("02:52:22")


def test_a_job_that_ended_shows_when() -> None:
    (seen,) = squeue_said("2|FAILED|NonZeroExitCode|1795488739|1795488740|1795488741|n2|wrap")
    assert (seen.started_at, seen.ended_at) == (at("02:52:20"), at("02:52:21"))
    assert seen.exit_code is None


def test_the_end_that_slurm_expects_of_a_completing_job_is_not_told() -> None:
    (seen,) = squeue_said("2|COMPLETING|None|1795488739|1795488740|1795488741|n2|wrap")
    assert (seen.state, seen.started_at, seen.ended_at) == (SlurmState.COMPLETING, None, None)


def test_a_word_that_slurm_will_invent_is_kept_and_means_nothing() -> None:
    (seen,) = squeue_said("5|TELEPORTING|None|1795488739|1795488740|1795488741|n2|wrap")
    assert (seen.word, seen.state) == ("TELEPORTING", None)
    assert (seen.started_at, seen.ended_at) == (None, None)


def test_array_tasks_and_parts_of_heterogeneous_jobs_keep_their_ids() -> None:
    seen = squeue_said(
        "12_1|RUNNING|None|1795488880|1795488881|1795489481|n2|t-arr",
        "12_[2-20]|PENDING|Resources|1795488880|1795494840|1795495440||t-arr",
        "14+1|PENDING|None|1795488880|N/A|N/A||het",
    )
    assert [it.slurm_id for it in seen] == ["12_1", "12_[2-20]", "14+1"]


def test_an_empty_queue_is_an_answer() -> None:
    assert read_squeue(completed()) == Rows(sightings=())


def test_a_name_may_hold_the_delimiter() -> None:
    (seen,) = squeue_said("47|PENDING|None|1795488880|N/A|N/A||a|b|c")
    assert seen.tag == "a\x1fb\x1fc"


def test_what_is_no_row_is_left_out_and_reported() -> None:
    answer = completed(
        stdout=text_of(
            "47|PENDING|None|1795488880|N/A|N/A||a",
            "b of a name with a line feed",
            "48|PENDING|None",
            "x|PENDING|None|1795488880|N/A|N/A||a",
            "49|PENDING|None|1795488880|N/A|N/A||c",
        )
    )
    rows = read_squeue(answer)
    assert [it.slurm_id for it in rows.sightings] == ["47", "49"]
    assert rows.not_understood == (
        "b of a name with a line feed",
        "48\x1fPENDING\x1fNone",
        "x\x1fPENDING\x1fNone\x1f1795488880\x1fN/A\x1fN/A\x1f\x1fa",
    )


@pytest.mark.parametrize(
    ("return_code", "stderr"),
    [
        (1, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"),
        (1, "slurm_load_jobs error: Protocol authentication error\n"),
        (1, ""),
        (127, "env: 'squeue': No such file or directory\n"),
        (-9, ""),
        (None, ""),
        # Seen while the user database is away: an empty queue, and success.
        (0, "squeue: error: Invalid user: 54321\n"),
    ],
)
def test_a_queue_that_was_not_told_is_never_an_empty_one(
    return_code: int | None, stderr: str
) -> None:
    with pytest.raises(UnavailableError, match=r"^squeue "):
        read_squeue(completed(return_code, stderr=stderr))


# --- sacct ----------------------------------------------------------------------------------------


def test_accounting_is_asked_for_many_jobs_from_a_minute_before() -> None:
    since = NOON.astimezone(timezone(timedelta(hours=-8)))
    assert sacct_argv(slurm_ids=[SlurmId("9"), SlurmId("12_3")], since=since) == (
        "sacct",
        "-X",
        "--noheader",
        "--parsable2",
        "--duplicates",
        "--delimiter=\x1f",
        "--jobs",
        "9,12_3",
        "--starttime",
        "2026-11-24T11:59:00",
        "--format",
        "JobID,State,ExitCode,Submit,Start,End,NodeList,Reason,JobName",
    )


def test_accounting_is_asked_for_the_plain_id_of_a_federated_job() -> None:
    argv = sacct_argv(slurm_ids=[SlurmId("9;east")], since=NOON)
    assert argv[argv.index("--jobs") + 1] == "9"


def test_accounting_can_be_asked_for_names() -> None:
    argv = sacct_argv(tags=[SubmissionTag("bridge-x-1"), SubmissionTag("bridge-y-1")], since=NOON)
    assert argv[argv.index("--name") + 1] == "bridge-x-1,bridge-y-1"
    assert "--jobs" not in argv


def test_a_failed_job_is_recorded_with_its_exit_code_and_times() -> None:
    assert sacct_said("45|FAILED|7:0|1795488880|1795488881|1795488882|n1|None|t-7") == (
        Sighting(
            slurm_id=SlurmId("45"),
            tag=SubmissionTag("t-7"),
            word="FAILED",
            state=SlurmState.FAILED,
            exit_code=7,
            signal=0,
            submitted_at=at("02:54:40"),
            started_at=at("02:54:41"),
            ended_at=at("02:54:42"),
            nodes="n1",
        ),
    )


def test_a_job_that_was_killed_is_recorded_with_the_signal() -> None:
    (seen,) = sacct_said("46|FAILED|0:15|1795489006|1795489050|1795489050|n1|None|wrap")
    assert (seen.exit_code, seen.signal) == (0, 15)


def test_a_cancelled_job_is_recorded_whoever_cancelled_it() -> None:
    (ran,) = sacct_said("9|CANCELLED by 999|0:0|1795488880|1795488881|1795489050|n1|None|t-a")
    assert (ran.state, ran.word) == (SlurmState.CANCELLED, "CANCELLED by 999")
    assert ran.started_at == at("02:54:41")


@pytest.mark.parametrize(
    "line",
    [
        "13|CANCELLED by 999|0:0|1795488880|None|1795489050|None assigned|None|t-big",
        "13|CANCELLED|0:0|1795488880|1795489050|1795489050|None assigned|None|wrap",
    ],
)
def test_a_job_that_was_cancelled_in_the_queue_has_no_start_on_record(line: str) -> None:
    (seen,) = sacct_said(line)
    assert (seen.state, seen.started_at, seen.nodes) == (SlurmState.CANCELLED, None, None)
    assert seen.ended_at == at("02:57:30")


def test_a_pending_job_has_neither_start_nor_exit_code_on_record() -> None:
    (seen,) = sacct_said(
        "10|PENDING|0:0|1795488880|Unknown|Unknown|None assigned|JobHeldUser|t-hold"
    )
    assert (seen.state, seen.reason) == (SlurmState.PENDING, "JobHeldUser")
    assert (seen.exit_code, seen.signal) == (None, None)
    assert (seen.started_at, seen.ended_at, seen.nodes) == (None, None, None)


@pytest.mark.parametrize("newest_is_last", [True, False])
def test_of_a_requeued_jobs_records_the_newest_counts(newest_is_last: bool) -> None:  # noqa: FBT001
    records = [
        "11|REQUEUED|7:0|1795488880|1795488881|1795489050|n1|None|t-7",
        "11|PENDING|0:0|1795489050|Unknown|Unknown|None assigned|BeginTime|t-7",
    ]
    (seen,) = sacct_said(*(records if newest_is_last else reversed(records)))
    assert (seen.state, seen.submitted_at) == (SlurmState.PENDING, at("02:57:30"))


def test_a_record_without_a_readable_exit_code_is_still_a_record() -> None:
    (seen,) = sacct_said("45|FAILED||1795488880|1795488881|1795488882|n1|None|t-7")
    assert (seen.state, seen.exit_code, seen.signal) == (SlurmState.FAILED, None, None)


def test_accounting_that_is_off_is_something_else_than_no_record() -> None:
    off = completed(1, stderr="Slurm accounting storage is disabled\n")
    assert read_sacct(off) is None
    assert read_sacct(completed()) == Rows(sightings=())


@pytest.mark.parametrize(
    ("return_code", "stderr"),
    [
        (
            1,
            (
                "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent"
                " connection to host:127.0.0.1:26019: Connection refused\n"
                "sacct: error: Sending PersistInit msg: Connection refused\n"
                "sacct: error: Problem talking to the database: Connection refused\n"
            ),
        ),
        (1, "Invalid time specification (pos=0): 1795488600\n"),
        (1, ""),
        (-15, ""),
        (None, ""),
    ],
)
def test_accounting_that_does_not_answer_is_not_an_answer(
    return_code: int | None, stderr: str
) -> None:
    with pytest.raises(UnavailableError, match=r"^sacct "):
        read_sacct(completed(return_code, stderr=stderr))


def test_ids_are_asked_for_in_chunks_that_leave_none_out() -> None:
    ids = [SlurmId(str(number)) for number in range(7)]
    assert list(in_chunks(ids, 3)) == [("0", "1", "2"), ("3", "4", "5"), ("6",)]
    assert list(in_chunks([], 3)) == []


# --- scancel --------------------------------------------------------------------------------------


def test_jobs_are_cancelled_where_they_are() -> None:
    ids = map(SlurmId, ("9", "9_4;east", "12", "8;east"))
    assert list(scancel_argvs(ids)) == [
        ("scancel", "9", "12"),
        ("scancel", "--clusters", "east", "9_4", "8"),
    ]
    assert list(scancel_argvs(())) == []


def test_cancelling_is_silent_when_the_controller_has_the_request() -> None:
    assert read_scancel(completed()) is None


@pytest.mark.parametrize(
    ("return_code", "stderr"),
    [
        (
            8,
            (
                "scancel: error: Kill job error on job id 10:"
                " Unable to contact slurm controller (connect failure)\n"
            ),
        ),
        (239, "scancel: error: Kill job error on job id 3: Protocol authentication error\n"),
        (
            1,
            "scancel: error: Kill job error on job id 3: Socket timed out on send/recv operation\n",
        ),
        (127, "env: 'scancel': No such file or directory\n"),
        (None, ""),
        (-9, ""),
    ],
)
def test_cancelling_is_to_be_repeated_when_the_controller_is_away(
    return_code: int | None, stderr: str
) -> None:
    with pytest.raises(UnavailableError, match=r"^scancel "):
        read_scancel(completed(return_code, stderr=stderr))


def test_cancelling_a_job_that_is_over_is_no_failure() -> None:
    over = "scancel: error: Kill job error on job id 3: Job/step already completing or completed\n"
    assert read_scancel(completed(1, stderr=over)) == (
        "Kill job error on job id 3: Job/step already completing or completed"
    )


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("slurm-wlm 22.05.8\n", (22, 5, 8)),
        ("slurm 24.05.3\n", (24, 5, 3)),
        ("slurm 25.11.0-0rc1\n", (25, 11, 0)),
        ("a line of the site's\nslurm 23.11.10\n", (23, 11, 10)),
    ],
)
def test_the_version_of_slurms_commands_is_read(printed: str, version: tuple[int, ...]) -> None:
    assert read_version(completed(stdout=printed)) == version


@pytest.mark.parametrize(
    ("line", "plugins"),
    [
        ("CliFilterPlugins        = (null)", ()),
        ("CliFilterPlugins        = ", ()),
        ("CliFilterPlugins        = lua", ("lua",)),
        (
            "CliFilterPlugins        = cli_filter/lua,cli_filter/user_defaults",
            ("cli_filter/lua", "cli_filter/user_defaults"),
        ),
    ],
)
def test_the_plugins_that_filter_the_command_line_are_read(
    line: str, plugins: tuple[str, ...]
) -> None:
    printed = f"BurstBufferType         = (null)\n{line}\nClusterName             = here\n"
    assert read_cli_filters(completed(stdout=printed)) == plugins


def test_the_configuration_counts_though_the_ping_after_it_fails() -> None:
    printed = "CliFilterPlugins        = lua\n\nSlurmctld(primary) at vm is DOWN\n"
    assert read_cli_filters(completed(1, stdout=printed)) == ("lua",)


def test_a_configuration_that_was_cut_off_counts_for_nothing() -> None:
    for answer in (completed(None, stdout="CliFilterPlugins = l"), completed(1, stdout="")):
        with pytest.raises(UnavailableError, match="scontrol show config"):
            read_cli_filters(answer)


@pytest.mark.parametrize(
    "answer",
    [completed(1, stdout="slurm 24.05.3"), completed(None), completed(stdout="CliFilter=")],
)
def test_what_is_no_answer_tells_nothing_of_slurms_commands(answer: Completed) -> None:
    for read in (read_version, read_cli_filters):
        with pytest.raises(UnavailableError):
            read(answer)
