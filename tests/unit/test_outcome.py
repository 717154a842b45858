"""Why a job failed: the state first, then the signal, then the exit code."""

import pytest
from unit.builders import seen

from bridge.core.failure import FailureReason
from bridge.core.outcome import failure_of


def why(
    word: str, *, code: int | None = None, signal: int | None = None
) -> tuple[FailureReason, str]:
    return failure_of(seen(word, 9, code=code, signal=signal).sighting)


@pytest.mark.parametrize(
    ("word", "reason", "words"),
    [
        ("TIMEOUT", "timeout", "it ran into its time limit"),
        ("OUT_OF_MEMORY", "out-of-memory", "it used more memory than it had"),
        ("DEADLINE", "deadline", "it could not end before its deadline"),
        ("PREEMPTED", "preempted", "another job took its place"),
        ("NODE_FAIL", "node-failure", "its node failed"),
        ("BOOT_FAIL", "boot-failure", "its node did not boot"),
    ],
)
@pytest.mark.parametrize(("code", "signal"), [(0, 0), (1, 0), (0, 15), (0, 125), (None, None)])
def test_the_state_outranks_whatever_exit_code_stands_beside_it(
    word: str, reason: str, words: str, code: int | None, signal: int | None
) -> None:
    assert why(word, code=code, signal=signal) == (reason, words)


@pytest.mark.parametrize("code", [None, 0, 1])
def test_a_signal_outranks_the_exit_code(code: int | None) -> None:
    assert why("FAILED", code=code, signal=15) == ("signal", "it was ended by signal 15")


@pytest.mark.parametrize("signal", [None, 0])
def test_the_exit_code_is_told_where_there_is_no_signal(signal: int | None) -> None:
    assert why("FAILED", code=7, signal=signal) == ("exit-code", "it exited with 7")


@pytest.mark.parametrize("code", [None, 0])
def test_a_failure_without_an_exit_code_does_not_make_one_up(code: int | None) -> None:
    assert why("FAILED", code=code) == (
        "exit-code",
        "Slurm says that it failed, and not with which exit code",
    )


def test_a_word_that_is_not_known_has_no_reason_of_its_own() -> None:
    assert why("TELEPORTED", code=3) == ("exit-code", "it exited with 3")
