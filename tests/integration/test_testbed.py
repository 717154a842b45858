"""The testbed keeps its own promises: it looks like a site, and stays out of the machine's way."""

import json
import os
import shlex
import subprocess

import pytest
from testbed import CHECKOUT, Testbed

PARTS = ("rabbitmq", "munge", "mariadb", "slurmdbd", "slurmctld", "n1", "n2", "sshd")


def ask(testbed: Testbed, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs scripts/testbed for the testbed under test."""
    argv = [str(CHECKOUT / "scripts" / "testbed"), "--dir", str(testbed.folder), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)


def status(testbed: Testbed) -> dict[str, tuple[str, str]]:
    """Each part's state and process id, as `status` shows them."""
    lines = ask(testbed, "status").stdout.splitlines()[1:]
    rows = [line.split() for line in lines if line.split(" ", 1)[0] in PARTS]
    return {row[0]: (row[1], row[2]) for row in rows}


def submit(testbed: Testbed, *options: str) -> subprocess.CompletedProcess[str]:
    """Submits a job that does nothing, as the second user, whom no other test keeps busy."""
    argv = ["sbatch", "--parsable", "--output=/dev/null", "--time=1", *options, "--wrap=true"]
    argv = testbed.as_user(argv, user=testbed.second_user)
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def test_status_shows_every_part_running(testbed: Testbed) -> None:
    assert {part: state for part, (state, _) in status(testbed).items()} == dict.fromkeys(
        PARTS, "running"
    )
    assert ask(testbed, "status").returncode == 0


def test_a_second_up_restarts_nothing(testbed: Testbed) -> None:
    before = status(testbed)
    assert ask(testbed, "up").returncode == 0
    assert status(testbed) == before


def test_env_can_be_read_by_a_shell(testbed: Testbed) -> None:
    answer = ask(testbed, "env")
    exported = dict(
        shlex.split(line)[1].split("=", 1) for line in answer.stdout.splitlines() if line
    )
    assert exported["BRIDGE_TESTBED_DIR"] == str(testbed.folder)
    assert {name: os.environ[name] for name in exported} == exported


def test_every_port_of_the_testbed_is_on_loopback(testbed: Testbed) -> None:
    ports = set(json.loads((testbed.folder / "testbed.json").read_text())["ports"].values())
    listing = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True).stdout
    addresses = [line.split()[3].rpartition(":") for line in listing.splitlines()]
    heard = {int(port): host for host, _, port in addresses if int(port) in ports}
    assert set(heard) == ports
    assert set(heard.values()) <= {"127.0.0.1", "[::1]"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["start", "n99"], "n99"),
        (["kill", "sshd", "--with-jobs"], "nodes"),
        (["up", "--nodes", "one"], "one"),
        (["--dir", "/var/tmp/with space", "status"], "path"),
        (["--dir", "/etc", "up"], "/etc"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_in_words(
    testbed: Testbed, arguments: list[str], told: str
) -> None:
    answer = ask(testbed, *arguments)
    assert answer.returncode == 2
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_killed_node_is_shown_as_stopped_until_it_is_started(testbed: Testbed) -> None:
    testbed.kill("n2")
    try:
        assert status(testbed)["n2"] == ("stopped", "-")
        assert ask(testbed, "status").returncode == 1
    finally:
        testbed.start("n2")
    assert status(testbed)["n2"][0] == "running"


@pytest.mark.parametrize(
    ("options", "slurm_says"),
    [
        (["--account=unheard-of"], "Invalid account"),
        (["--qos=debug", "--time=31"], "QOSMaxWallDurationPerJobLimit"),
        (["--partition=unheard-of"], "invalid partition"),
        (["--partition=gpu", "--gres=gpu:3"], "Requested node configuration is not available"),
    ],
)
def test_the_site_refuses_what_a_site_refuses(
    testbed: Testbed, options: list[str], slurm_says: str
) -> None:
    answer = submit(testbed, *options)
    assert answer.returncode == 1
    assert slurm_says in answer.stderr


def test_the_debug_qos_takes_five_jobs_a_user(testbed: Testbed) -> None:
    answers = [submit(testbed, "--qos=debug", "--hold") for _ in range(6)]
    ids = [answer.stdout.strip() for answer in answers if answer.returncode == 0]
    try:
        assert len(ids) == 5
        assert "QOSMaxSubmitJobPerUserLimit" in answers[5].stderr
    finally:
        subprocess.run(
            testbed.as_user(["scancel", *ids], user=testbed.second_user), check=True, timeout=60
        )
