"""The budget of questions to Slurm is kept whatever happens."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from counted_jobs import impatient, send, wait_for_ends
from site_bridge import UNTIL_LET_GO, Configuration, OpenBridge, SiteBridge
from stand_ins import stand_in, stand_ins_first
from testbed import Testbed

MOST = 8
NOTES_THE_TIME = """\
echo "$EPOCHREALTIME" >>'{folder}/questions'
exec {real} "$@"
"""
FOR_LONG = {"walltime": "00:30:00"}
LATE = 10
"""Seconds: on a busy machine the command notes its time so long after the decision."""

pytestmark = [pytest.mark.usefixtures("slurm_as_it_was"), pytest.mark.timeout(1200)]


def test_slurm_is_never_asked_more_often_than_allowed_and_all_ends_are_told(
    testbed: Testbed,
    open_bridge: OpenBridge,
    user_folder: Path,
    back_after: Callable[[str], None],
) -> None:
    # Each submission that is cut off is looked up before it is sent again: more questions.
    bridge = frugal_bridge(testbed, user_folder, open_bridge, parallel_submissions=1)
    jobs = [send(bridge) for _ in range(15)]
    for job_id in jobs:
        bridge.wait_for(job_id, {"exited"})
    back_after("slurmctld")
    testbed.stop("slurmctld")
    jobs += [send(bridge) for _ in range(15)] + [send(bridge, UNTIL_LET_GO, resources=FOR_LONG)]
    bridge.wait_for(None, {"unreachable"}, patience=timedelta(minutes=2))
    testbed.start("slurmctld")
    end_when_enough_was_asked(bridge, jobs[-1], user_folder / "questions")
    wait_for_ends(bridge, dict.fromkeys(jobs, "finished"), patience=timedelta(minutes=4))
    assert_within_budget(asked_at(user_folder / "questions"))


def test_a_daemon_that_is_killed_again_and_again_asks_no_more_often_than_one_that_lives(
    testbed: Testbed, open_bridge: OpenBridge, user_folder: Path
) -> None:
    bridge = frugal_bridge(testbed, user_folder, open_bridge)
    job_id = send(bridge, UNTIL_LET_GO, resources=FOR_LONG)
    bridge.wait_for(job_id, {"started"})
    questions = user_folder / "questions"
    # Each new daemon asks at once about the job that runs: together they would ask too often.
    for _ in range(MOST):
        bridge.kill()
        seen, since = len(asked_at(questions)), bridge.log.stat().st_size
        bridge.start()
        wait_until_it_asks(bridge, questions, seen=seen, since=since)
    end_when_enough_was_asked(bridge, job_id, questions)
    bridge.wait_for(job_id, {"exited"})
    assert_within_budget(asked_at(questions))


def frugal_bridge(
    testbed: Testbed, user_folder: Path, open_bridge: OpenBridge, **scheduler: object
) -> SiteBridge:
    """One that may ask Slurm rarely, and whose questions are noted."""
    for command in ("squeue", "sacct"):
        folder = stand_in(testbed, user_folder, command, NOTES_THE_TIME)

    def frugal(configuration: Configuration) -> None:
        impatient(configuration)
        stand_ins_first(configuration, folder)
        configuration["scheduler"] |= {"queries_per_minute": MOST, **scheduler}

    return open_bridge(frugal)


def wait_until_it_asks(bridge: SiteBridge, questions: Path, *, seen: int, since: int) -> None:
    """Or says in its log, from this byte on, that it may not."""
    bridge.wait_until(
        lambda: len(asked_at(questions)) > seen or "over_budget" in bridge.logged(since),
        "it has asked, or may not",
    )


def end_when_enough_was_asked(bridge: SiteBridge, job_id: str, questions: Path) -> None:
    """End the job once there were more questions than one minute may have."""
    bridge.wait_for(job_id, {"started"}, patience=timedelta(minutes=4))
    bridge.wait_until(
        lambda: len(asked_at(questions)) > MOST,
        f"Slurm has been asked more than {MOST} times",
        patience=timedelta(minutes=3),
    )
    bridge.let_go(job_id)


def asked_at(questions: Path) -> list[float]:
    return [float(it) for it in questions.read_text().split()] if questions.exists() else []


def assert_within_budget(asked: list[float]) -> None:
    spans = [later - earlier for earlier, later in zip(asked, asked[MOST:], strict=False)]
    assert min(spans) > 60 - LATE
