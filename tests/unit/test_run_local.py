"""Commands run on this machine: real processes, /bin/sh and what every Linux has."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest

from bridge.adapters.run_local import LocalRunner
from bridge.core.environment import scrubbed
from bridge.core.errors import UnavailableError

LONG = timedelta(seconds=60)
SHORT = timedelta(seconds=0.5)


def shell(text: str) -> list[str]:
    return ["/bin/sh", "-c", text]


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def is_gone(process: int) -> bool:
    """Whether the process ends (SIGKILL takes a moment), or only waits to be noticed."""
    stat = Path(f"/proc/{process}/stat")
    for _ in range(500):
        try:
            state = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        sleep(0.02)
    return False


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_command_answers_with_its_code_and_both_its_outputs() -> None:
    answer = LocalRunner().run(shell("echo out; echo err >&2; exit 7"), timeout=LONG)
    assert (answer.return_code, answer.stdout, answer.stderr) == (7, "out\n", "err\n")


def test_an_argument_reaches_the_command_as_it_is() -> None:
    hostile = "; touch /tmp/x $(id) `id` '\" \\ \n*"
    answer = LocalRunner().run(["/usr/bin/printf", "%s", hostile], timeout=LONG)
    assert answer.stdout == hostile


def test_stdin_reaches_the_command_as_utf_8() -> None:
    assert LocalRunner().run(["cat"], stdin="Grüße\n", timeout=LONG).stdout == "Grüße\n"


def test_a_command_that_is_given_nothing_reads_the_end_of_its_input() -> None:
    assert LocalRunner().run(["cat"], timeout=LONG).return_code == 0


def test_much_input_and_much_output_do_not_wait_for_each_other() -> None:
    text = "0123456789abcde\n" * 200_000
    answer = LocalRunner().run(["cat"], stdin=text, timeout=LONG)
    assert answer.return_code == 0
    assert answer.stdout == text


def test_a_command_has_all_its_input_when_it_starts() -> None:
    size = ["stat", "--dereference", "--format=%s", "/dev/stdin"]
    assert LocalRunner().run(size, stdin="x" * 1_000_000, timeout=LONG).stdout == "1000000\n"


def test_a_command_need_not_read_its_input() -> None:
    answer = LocalRunner().run(shell("exit 3"), stdin="x" * 1_000_000, timeout=LONG)
    assert answer.return_code == 3


def test_output_that_is_no_utf_8_is_replaced() -> None:
    assert LocalRunner().run(["/usr/bin/printf", r"a\377b"], timeout=LONG).stdout == "a\ufffdb"


def test_a_command_killed_by_a_signal_says_which() -> None:
    assert LocalRunner().run(shell("kill -TERM $$"), timeout=LONG).return_code == -15


@pytest.mark.parametrize("argv", [["/nonexistent/sbatch"], ["/etc/passwd"], ["/bin/echo", "a\0b"]])
def test_a_command_that_cannot_start_is_unavailable(argv: list[str]) -> None:
    with pytest.raises(UnavailableError, match="cannot be started"):
        LocalRunner().run(argv, timeout=LONG)


def test_a_command_whose_time_is_over_leaves_what_it_said_and_no_code() -> None:
    answer = LocalRunner().run(shell("echo 12; exec sleep 300"), timeout=SHORT)
    assert answer.return_code is None
    assert answer.stdout == "12\n"


def test_its_children_are_killed_with_it() -> None:
    answer = LocalRunner().run(shell("sleep 300 & echo $! $$; wait"), timeout=SHORT)
    assert answer.return_code is None
    assert [is_gone(int(it)) for it in answer.stdout.split()] == [True, True]


def test_a_command_that_closes_its_outputs_is_still_waited_for_only_so_long() -> None:
    answer = LocalRunner().run(shell("exec >&- 2>&-; exec sleep 300"), timeout=SHORT)
    assert answer.return_code is None


@pytest.mark.parametrize(("ending", "code"), [("exit 5", 5), ("kill -KILL $$", -9)])
def test_a_child_that_holds_the_outputs_does_not_hide_how_the_command_ended(
    ending: str, code: int
) -> None:
    answer = LocalRunner().run(shell(f"sleep 300 & echo $!; {ending}"), timeout=SHORT)
    assert answer.return_code == code
    assert is_gone(int(answer.stdout))


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_without_end_is_cut_and_its_source_killed(stream: str) -> None:
    runner = LocalRunner(most_output=100_000)
    endless = python(f"import sys\nwhile True: sys.{stream}.write('x' * 4096)")
    answer = runner.run(endless, timeout=LONG)
    assert answer.return_code is None
    assert getattr(answer, stream) == "x" * 100_000


def test_no_descriptor_is_left_open() -> None:
    runner = LocalRunner()
    before = open_descriptors()
    for text in ("exit 0", "exec >&- 2>&-; exec sleep 300", "exec sleep 300"):
        runner.run(shell(text), timeout=timedelta(seconds=0.2))
    assert open_descriptors() == before


def test_a_command_runs_in_a_session_of_its_own() -> None:
    answer = LocalRunner().run(python("import os; print(os.getsid(0))"), timeout=LONG)
    assert int(answer.stdout) != os.getsid(0)


def test_what_would_change_slurms_commands_is_not_handed_on() -> None:
    environment = {
        "PATH": "/usr/bin",
        "HOME": "/home/ada",
        "SLURMISH": "stays",
        "SBATCH_PARTITION": "debug",
        "SLURM_CONF": "/etc/other.conf",
        "SLURM_JOB_ID": "1",
        "SQUEUE_FORMAT": "%i",
        "SACCT_FORMAT": "jobid",
        "SCANCEL_VERBOSE": "1",
        "SALLOC_PARTITION": "debug",
        "SINFO_FORMAT": "%n",
        "SHIFTER_IMAGE": "x",
        "SHIFTERIMAGE": "x",
        "APPTAINERENV_A": "x",
        "APPTAINER_BIND": "/",
        "SINGULARITY_BIND": "/",
        "SINGULARITYENV_A": "x",
    }
    kept = {"PATH": "/usr/bin", "HOME": "/home/ada", "SLURMISH": "stays"}
    assert scrubbed(environment) == kept
    answer = LocalRunner(environment).run(["/usr/bin/env"], timeout=LONG)
    assert dict(line.split("=", 1) for line in answer.stdout.splitlines()) == kept
