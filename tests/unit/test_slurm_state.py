"""Every word of squeue(1) and sacct(1), and what becomes of a job that shows it."""

import pytest
from unit.builders import queued, running, seen

from bridge.core.slurm_state import FINAL, MEANING, Meaning, SlurmState, meaning, read_state

WAITING = {"PENDING", "CONFIGURING", "REQUEUE_FED", "EXPEDITING", "REQUEUED"}
HELD = {"REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
RUNNING = {"RUNNING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING"}
SILENT = {
    "COMPLETING",
    "STAGE_OUT",
    "REVOKED",
    "LAUNCH_FAILED",
    "RECONFIG_FAIL",
    "POWER_UP_NODE",
    "UPDATE_DB",
    "GETENV_FAILED",
}
FAILED = {"FAILED", "OUT_OF_MEMORY", "TIMEOUT", "DEADLINE"}
INTERRUPTED = {"PREEMPTED", "NODE_FAIL", "BOOT_FAIL"}
EVERY_WORD = (
    WAITING | HELD | RUNNING | SILENT | FAILED | INTERRUPTED | {"COMPLETED", "CANCELLED"}
)  # fmt: skip


def test_the_table_has_every_word_of_slurm_and_no_other() -> None:
    assert {it.value for it in SlurmState} == EVERY_WORD
    assert set(MEANING) == set(SlurmState)


@pytest.mark.parametrize("word", sorted(EVERY_WORD))
def test_every_word_is_read_as_itself(word: str) -> None:
    state = read_state(word)
    assert state is not None
    assert state.value == word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("CANCELLED by 1001", "CANCELLED"),
        ("CANCELLED+", "CANCELLED"),
        ("COMPLETED+", "COMPLETED"),
        ("  RUNNING  ", "RUNNING"),
        ("OUT_OF_MEMORY+", "OUT_OF_MEMORY"),
    ],
)
def test_what_sacct_adds_to_a_word_is_taken_off(text: str, word: str) -> None:
    assert read_state(text) == word


@pytest.mark.parametrize(
    "text",
    ["", " ", "+", "TELEPORTED", "running", "PD", "OUT_OF_ME+", "COMPLETED_", "RUNNING,", "0"],
)
def test_a_word_that_is_not_slurms_is_not_guessed(text: str) -> None:
    assert read_state(text) is None


@pytest.mark.parametrize("word", sorted(EVERY_WORD))
def test_a_word_makes_of_a_waiting_job_what_the_facts_say(word: str) -> None:
    story = queued(seen(word, 3))
    expected = (
        "held" if word in HELD
        else "running" if word in RUNNING
        else "finished" if word == "COMPLETED"
        else "failed" if word in FAILED
        else "cancelled" if word == "CANCELLED"
        else "queued"
    )  # fmt: skip
    assert story.job.phase.value == expected
    assert not story.anomalies


@pytest.mark.parametrize("word", sorted(EVERY_WORD))
def test_a_word_makes_of_a_running_job_what_the_facts_say(word: str) -> None:
    story = running(seen(word, 4))
    expected = (
        "held" if word in HELD
        else "queued" if word in WAITING
        else "finished" if word == "COMPLETED"
        else "failed" if word in FAILED
        else "cancelled" if word == "CANCELLED"
        else "running"
    )  # fmt: skip
    assert story.job.phase.value == expected
    assert not story.anomalies


@pytest.mark.parametrize("word", sorted(SILENT))
def test_a_flag_that_hides_the_base_state_tells_nothing(word: str) -> None:
    for story in (queued(), running()):
        told, job = list(story.tells), story.job
        story.hears(seen(word, 4), seen(word, 40))
        assert story.tells == told
        assert story.job == job


@pytest.mark.parametrize(
    "reason",
    [
        "JobHeldUser",
        "JobHeldAdmin",
        "JobHoldMaxRequeue",
        "launch failed requeued held",
        "launch_failed_requeued_held",
    ],
)
@pytest.mark.parametrize("word", ["PENDING", "CONFIGURING", "REQUEUE_FED", "EXPEDITING"])
def test_a_waiting_job_whose_reason_is_a_hold_is_held(word: str, reason: str) -> None:
    assert meaning(SlurmState(word), reason) is Meaning.HELD


@pytest.mark.parametrize("reason", [None, "", "Priority", "Resources", "Dependency", "jobHeldUser"])
def test_any_other_reason_is_just_a_wait(reason: str | None) -> None:
    assert meaning(SlurmState.PENDING, reason) is Meaning.QUEUED


@pytest.mark.parametrize("word", ["RUNNING", "COMPLETED", "FAILED", "REQUEUED", "NODE_FAIL"])
def test_a_left_over_hold_reason_holds_no_job_that_has_gone_on(word: str) -> None:
    assert meaning(SlurmState(word), "JobHeldUser") is meaning(SlurmState(word), None)


def test_only_these_words_can_be_the_last_of_a_job() -> None:
    last = {it.value for it in SlurmState if MEANING[it] in FINAL}
    assert last == FAILED | INTERRUPTED | {"COMPLETED", "CANCELLED"}
