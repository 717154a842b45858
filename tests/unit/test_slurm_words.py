"""The table of Slurm's error texts, row by row, as the real commands print them."""

import pytest

from bridge.core.slurm_words import TABLE, Verdict, said, verdict

UNCERTAIN = (
    "Unable to contact slurm controller (send failure)",
    "Unable to contact slurm controller (receive failure)",
    "Unable to contact slurm controller (shutdown failure)",
    "Communication shutdown failure",
    "Socket timed out on send/recv operation",
    "Zero Bytes were transmitted or received",
    "Unexpected missing socket error",
    "Message send failure",
    "Message receive failure",
    "Connection timed out",
)
SITE_FULL = (
    "QOSMaxSubmitJobPerUserLimit",
    "QOSMaxSubmitJobPerAccountLimit",
    "QOSGrpSubmitJobsLimit",
    "AssocMaxSubmitJobLimit",
    "AssocGrpSubmitJobsLimit",
)
AUTHENTICATION = (
    "Protocol authentication error",
    "Invalid user id",
    "Authentication credential expired",
    "Invalid authentication credential",
    "Munge encode failed: Failed to access the socket: No such file or directory",
)
REFUSED = (
    "Invalid account or account/partition combination specified",
    "Invalid partition name specified",
    "Invalid qos specification",
    "Invalid feature specification",
    "Invalid node name specified",
    "Invalid generic resource (gres) specification",
    "Invalid Trackable RESource (TRES) specification",
    "Invalid license specification",
    "Invalid wckey specification",
    "Invalid job array specification",
    "Access/permission denied",
    "User's group not permitted to use this partition",
    "No partition specified or system default partition",
    "Requested nodes not in this partition",
    "Requested node configuration is not available",
    "Requested time limit is invalid (missing or exceeds some limit)",
    "Requested reservation is invalid",
    "Access denied to requested reservation",
    "More processors requested than permitted",
    "Requested more tasks than available processors",
    "Node count specification invalid",
    "CPU count specification invalid",
    "Task count specification invalid",
    "Memory required by task is not available",
    "Job size specification needs to be provided",
    "Job dependency problem",
    "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
    "Pathname of a file, directory or other parameter too long",
    "This does not look like a batch script.  The first",
    "Batch script is empty!",
    r"Batch script contains DOS line breaks (\r\n)",
    r"contain a NULL character '\0'.",
    "Unable to open file /tmp/job.sh",
)
UNAVAILABLE = (
    "Unable to contact slurm controller (connect failure)",
    "Communication connection failure",
    "Slurm backup controller in standby mode",
    "Controller is in standby mode, try a different controller",
    "Rate limit exceeded, please retry momentarily",
    "Rate limit exceeded, please retry later",
    "Resource temporarily unavailable",
    "MaxJobCount limit reached",
    "Slurm job queue full, sleeping and retrying",
    "Unable to create job record, try again",
    "Job creation temporarily disabled",
    "System submissions disabled",
    "I/O error writing script/environment to file",
    "Required partition not available (inactive or drain)",
    "Required node not available (down, drained or reserved)",
    "Unable to process configuration file",
    "Could not establish a configuration source",
    "Incompatible versions of client and server code",
)
EXPECTED = [
    (text, expected)
    for texts, expected in (
        (UNCERTAIN, Verdict.UNCERTAIN),
        (SITE_FULL, Verdict.SITE_FULL),
        (AUTHENTICATION, Verdict.AUTHENTICATION),
        (REFUSED, Verdict.REFUSED),
        (UNAVAILABLE, Verdict.UNAVAILABLE),
    )
    for text in texts
]


@pytest.mark.parametrize(("text", "expected"), EXPECTED)
def test_each_of_slurms_texts_has_its_verdict(text: str, expected: Verdict) -> None:
    assert verdict(f"sbatch: error: Batch job submission failed: {text}\n") is expected


def test_every_row_of_the_table_is_needed() -> None:
    deciding = {next(row for row in TABLE if row[0] in text) for text, _ in EXPECTED}
    assert deciding == set(TABLE)


def test_a_text_that_is_not_in_the_table_has_no_verdict() -> None:
    assert (
        verdict("sbatch: error: Batch job submission failed: Something from the year 2030") is None
    )


def test_a_submit_limit_is_a_full_site_though_slurm_also_calls_it_a_policy_violation() -> None:
    printed = (
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
        "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy"
        " (job submit limit, user's size and/or time limits)\n"
    )
    assert verdict(printed) is Verdict.SITE_FULL


def test_another_policy_violation_is_a_refusal() -> None:
    printed = (
        "sbatch: error: QOSMaxWallDurationPerJobLimit\n"
        "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy"
        " (job submit limit, user's size and/or time limits)\n"
    )
    assert verdict(printed) is Verdict.REFUSED


def test_doubt_outweighs_everything_else_that_is_printed() -> None:
    printed = (
        "sbatch: error: Invalid partition name specified\n"
        "sbatch: error: Unable to contact slurm controller (connect failure)\n"
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"
    )
    assert verdict(printed) is Verdict.UNCERTAIN


def test_a_missing_munge_socket_is_seen_before_anything_is_sent() -> None:
    printed = (
        "sbatch: error: If munged is up, restart with --num-threads=10\n"
        'sbatch: error: Munge encode failed: Failed to access "/run/munge/munge.socket.2":'
        " No such file or directory (Did you start munged?)\n"
        "sbatch: error: slurm_send_node_msg: auth_g_create:"
        " REQUEST_SUBMIT_BATCH_JOB has authentication error\n"
        "sbatch: error: Batch job submission failed: Protocol authentication error\n"
    )
    assert verdict(printed) is Verdict.AUTHENTICATION


def test_slurms_words_are_shown_without_the_programs_around_them() -> None:
    printed = (
        "sbatch: error: invalid partition specified: nope\n"
        "sbatch: error: Batch job submission failed: Invalid partition name specified\n"
    )
    assert said(printed) == "invalid partition specified: nope; Invalid partition name specified"


def test_words_without_end_are_cut() -> None:
    assert len(said("x" * 1_000_000)) == 2000
