"""Commands run on the testbed's login node."""

import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from ssh_site import connected, login_node
from testbed import Testbed

from bridge.adapters.ssh import SshConnection, SshRunner
from bridge.core.errors import UnavailableError

LONG = timedelta(seconds=60)
SHORT = timedelta(seconds=5)


@pytest.fixture(scope="module")
def connection(testbed: Testbed) -> Iterator[SshConnection]:
    with connected(login_node(testbed)) as connection:
        yield connection


@pytest.fixture
def runner(connection: SshConnection) -> SshRunner:
    return SshRunner(connection)


def shell(text: str) -> list[str]:
    return ["/bin/sh", "-c", text]


def test_a_command_answers_with_its_code_and_both_its_outputs(runner: SshRunner) -> None:
    answer = runner.run(shell("echo out; echo err >&2; exit 7"), timeout=LONG)
    assert (answer.return_code, answer.stdout, answer.stderr) == (7, "out\n", "err\n")


def test_output_that_ends_without_a_line_feed_is_as_it_was(runner: SshRunner) -> None:
    assert runner.run(["printf", "%s", "no end"], timeout=LONG).stdout == "no end"


def test_a_command_that_ends_with_255_is_no_failure_of_ssh(runner: SshRunner) -> None:
    answer = runner.run(shell("echo no such option >&2; exit 255"), timeout=LONG)
    assert (answer.return_code, answer.stderr) == (255, "no such option\n")


def test_an_argument_reaches_the_command_as_it_is(runner: SshRunner) -> None:
    hostile = "; touch /tmp/x $(id) `id` '\" \\ \n* ! ~ # é \x1f"
    assert runner.run(["printf", "%s", hostile], timeout=LONG).stdout == hostile


def test_an_empty_argument_is_an_argument(runner: SshRunner) -> None:
    assert runner.run([*shell('echo $#; echo "$1"'), "sh", "", "b"], timeout=LONG).stdout == "2\n\n"


def test_stdin_reaches_the_command_as_utf_8_and_ends(runner: SshRunner) -> None:
    assert runner.run(["cat"], stdin="Grüße\n", timeout=LONG).stdout == "Grüße\n"
    assert runner.run(["cat"], timeout=LONG).return_code == 0


def test_much_input_and_much_output_do_not_wait_for_each_other(runner: SshRunner) -> None:
    text = "0123456789abcde\n" * 500_000
    answer = runner.run(shell("exec tee /dev/stderr"), stdin=text, timeout=LONG)
    assert answer.return_code == 0
    assert answer.stdout == text
    assert answer.stderr == text


def test_a_command_need_not_read_its_input(runner: SshRunner) -> None:
    assert runner.run(shell("exit 3"), stdin="x" * 5_000_000, timeout=LONG).return_code == 3


def test_output_that_is_no_utf_8_is_replaced(runner: SshRunner) -> None:
    assert runner.run(["printf", r"a\377b"], timeout=LONG).stdout == "a\ufffdb"


def test_a_command_killed_by_a_signal_says_which(runner: SshRunner) -> None:
    assert runner.run(shell("kill -TERM $$"), timeout=LONG).return_code == -15


def test_a_command_that_is_not_there_says_so_as_a_shell_does(runner: SshRunner) -> None:
    assert runner.run(["/nonexistent/sbatch"], timeout=LONG).return_code == 127
    assert runner.run(["env", "A=b", "nonexistent-sbatch"], timeout=LONG).return_code == 127


def test_an_argument_that_none_can_be_is_not_sent(runner: SshRunner) -> None:
    with pytest.raises(UnavailableError, match="NUL"):
        runner.run(["echo", "a\0b"], timeout=LONG)


def test_a_command_whose_time_is_over_leaves_what_it_said_and_no_code(runner: SshRunner) -> None:
    answer = runner.run(shell("echo 12; exec sleep 30"), timeout=SHORT)
    assert answer.return_code is None
    assert answer.stdout == "12\n"
    assert "the time was over" in answer.stderr


@pytest.mark.parametrize("redirect", ["", ">&2"])
def test_output_without_end_is_cut(connection: SshConnection, redirect: str) -> None:
    runner = SshRunner(connection, most_output=100_000)
    answer = runner.run(shell(f"yes {redirect}"), timeout=LONG)
    assert answer.return_code is None
    assert (answer.stderr if redirect else answer.stdout).startswith("y\n" * 50_000)


def test_a_child_that_holds_the_outputs_does_not_hide_how_the_command_ended(
    runner: SshRunner,
) -> None:
    answer = runner.run(shell("sleep 20 & echo early; exit 5"), timeout=LONG)
    assert (answer.return_code, answer.stdout) == (5, "early\n")


def test_what_would_change_slurms_commands_is_not_handed_on(
    runner: SshRunner, testbed: Testbed
) -> None:
    variables = runner.run(["env"], timeout=LONG).stdout
    # The testbed's sshd sets it for everybody.
    assert f"SLURM_CONF={testbed.slurm_conf}" not in variables
    assert f"USER={testbed.user}\n" in variables
    given = runner.run(["env", "SLURM_CONF=/ours", "env"], timeout=LONG).stdout
    assert "SLURM_CONF=/ours\n" in given


def test_many_commands_share_the_connection(runner: SshRunner, user_folder: Path) -> None:
    """Each waits till all others are there: none waits for another to end."""
    together = 6
    gate = shlex.quote(str(user_folder))
    wait = f"mkdir {gate}/$1; while [ $(ls {gate} | wc -l) -lt {together} ]; do sleep 0.1; done"
    with ThreadPoolExecutor(together) as pool:
        answers = pool.map(
            lambda it: runner.run([*shell(wait), "sh", str(it)], timeout=LONG), range(together)
        )
        assert [it.return_code for it in answers] == [0] * together
