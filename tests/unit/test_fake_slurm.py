"""The shipped fake of Slurm: its scripted failures, and time as it passes there."""

from datetime import timedelta

import pytest

from bridge.core.errors import (
    BridgeError,
    OverBudgetError,
    SiteFullError,
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.job import SlurmId, SubmissionTag
from bridge.core.slurm_state import SlurmState
from bridge.testing.clock import START, FakeClock
from bridge.testing.cluster import FakeCluster, job_name
from bridge.testing.slurm import Accounting, FakeSlurm, Submission

TAG = SubmissionTag("bridge-7c9e6679-7425-40de-944b-e07fc1f90ae7-1")
SCRIPT = f"#!/bin/bash\n#SBATCH --job-name={TAG}\ntrue\n"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def slurm(clock: FakeClock) -> FakeSlurm:
    return FakeSlurm(FakeCluster(clock))


@pytest.mark.parametrize(
    ("outcome", "error", "is_there"),
    [
        (Submission.REFUSED, SubmissionRefusedError, False),
        (Submission.SITE_FULL, SiteFullError, False),
        (Submission.UNAVAILABLE, UnavailableError, False),
        (Submission.UNCERTAIN_AND_NOT_THERE, SubmissionUncertainError, False),
        (Submission.UNCERTAIN_BUT_THERE, SubmissionUncertainError, True),
    ],
)
def test_a_submission_goes_as_it_was_scripted(
    slurm: FakeSlurm,
    outcome: Submission,
    error: type[BridgeError],
    is_there: bool,  # noqa: FBT001
) -> None:
    slurm.submissions.append(outcome)
    with pytest.raises(error) as caught:
        slurm.submit(SCRIPT)
    assert type(caught.value) is error
    assert len(slurm.find([TAG], since=START)[TAG]) == is_there
    assert slurm.submit(SCRIPT) in slurm.find([TAG], since=START)[TAG]


def test_a_late_submission_shows_only_after_a_while(slurm: FakeSlurm, clock: FakeClock) -> None:
    slurm.submissions.append(Submission.UNCERTAIN_AND_LATE)
    with pytest.raises(SubmissionUncertainError):
        slurm.submit(SCRIPT)
    assert (slurm.find([TAG], since=START)[TAG], slurm.queue()) == ((), ())
    clock.move(timedelta(seconds=10))
    assert slurm.find([TAG], since=START)[TAG] == ("1",)


def test_without_the_controller_only_accounting_answers(slurm: FakeSlurm) -> None:
    slurm_id = slurm.submit(SCRIPT)
    slurm.controller_answers = False
    for ask in (
        slurm.queue,
        lambda: slurm.submit(SCRIPT),
        lambda: slurm.find([TAG], since=START)[TAG],
        lambda: slurm.cancel([(slurm_id, TAG)]),
    ):
        with pytest.raises(UnavailableError):
            ask()
    assert len(slurm.accounting([slurm_id], since=START) or ()) == 1


def test_accounting_may_be_off_or_down(slurm: FakeSlurm) -> None:
    slurm_id = slurm.submit(SCRIPT)
    absent = SubmissionTag("bridge-nobody-1")
    slurm.accounting_is = Accounting.OFF
    assert slurm.accounting([slurm_id], since=START) is None
    assert slurm.find([absent], since=START)[absent] == ()
    slurm.accounting_is = Accounting.DOWN
    with pytest.raises(UnavailableError):
        slurm.accounting([slurm_id], since=START)
    with pytest.raises(UnavailableError):
        slurm.find([absent], since=START)[absent]
    assert slurm.find([TAG], since=START)[TAG] == (slurm_id,)


def test_accounting_may_lag_behind_the_queue(slurm: FakeSlurm, clock: FakeClock) -> None:
    slurm.accounting_lag = timedelta(seconds=30)
    slurm_id = slurm.submit(SCRIPT)
    assert slurm.accounting([slurm_id], since=START) == ()
    clock.move(timedelta(seconds=20))
    slurm.cluster.start(slurm_id)
    clock.move(timedelta(seconds=20))
    (record,) = slurm.accounting([slurm_id], since=START) or ()
    assert record.state is SlurmState.PENDING
    clock.move(timedelta(seconds=10))
    (record,) = slurm.accounting([slurm_id], since=START) or ()
    assert record.state is SlurmState.RUNNING


def test_a_job_leaves_the_queue_some_time_after_its_end(slurm: FakeSlurm, clock: FakeClock) -> None:
    slurm_id = slurm.submit(SCRIPT)
    slurm.cluster.start(slurm_id)
    slurm.cluster.end(slurm_id)
    clock.move(timedelta(seconds=299))
    assert [it.state for it in slurm.queue()] == [SlurmState.COMPLETED]
    clock.move(timedelta(seconds=1))
    assert slurm.queue() == ()
    assert slurm.find([TAG], since=START)[TAG] == (slurm_id,)


def test_accounting_leaves_out_what_ended_before_the_question(
    slurm: FakeSlurm, clock: FakeClock
) -> None:
    slurm_id = slurm.submit(SCRIPT)
    slurm.cluster.end_as(slurm_id, "CANCELLED")
    later = clock.move(timedelta(seconds=1))
    assert slurm.accounting([slurm_id], since=later) == ()


def test_a_job_can_be_lost_without_a_trace(slurm: FakeSlurm) -> None:
    slurm_id = slurm.submit(SCRIPT)
    slurm.cluster.lose(slurm_id)
    assert slurm.queue() == ()
    assert slurm.accounting([slurm_id], since=START) == ()


def test_a_call_over_the_budget_is_not_made(slurm: FakeSlurm) -> None:
    slurm.over_budget = {"queue", "accounting"}
    with pytest.raises(OverBudgetError, match="queue was called too often"):
        slurm.queue()
    with pytest.raises(OverBudgetError):
        slurm.accounting([SlurmId("1")], since=START)
    slurm.submit(SCRIPT)
    assert slurm.calls == ["submit"]


def test_things_may_happen_while_a_submission_is_on_its_way(slurm: FakeSlurm) -> None:
    slurm.meanwhile.append(lambda: setattr(slurm, "accounting_is", Accounting.OFF))
    slurm.submit(SCRIPT)
    slurm.submit(SCRIPT)
    assert slurm.accounting_is is Accounting.OFF
    assert slurm.calls == ["submit", "submit"]


def test_a_job_cancelled_in_the_queue_never_started(slurm: FakeSlurm, clock: FakeClock) -> None:
    slurm_id = slurm.submit(SCRIPT)
    now = clock.move(timedelta(seconds=5))
    slurm.cancel([(slurm_id, TAG)])
    (record,) = slurm.accounting([slurm_id], since=START) or ()
    assert (record.word, record.started_at, record.ended_at) == ("CANCELLED", None, now)
    assert record.nodes is None


def test_words_that_nobody_knows_are_told_from_those_that_mean_doubt(slurm: FakeSlurm) -> None:
    for outcome, is_understood in [
        (Submission.NOT_UNDERSTOOD, False),
        (Submission.UNCERTAIN_AND_NOT_THERE, True),
    ]:
        slurm.submissions.append(outcome)
        with pytest.raises(SubmissionUncertainError) as doubt:
            slurm.submit(SCRIPT)
        assert doubt.value.is_understood is is_understood
    assert slurm.cluster.scripts == {}


def test_what_was_asked_is_remembered(slurm: FakeSlurm) -> None:
    slurm.submit(SCRIPT)
    slurm.queue()
    slurm.accounting([SlurmId("1")], since=START)
    assert slurm.calls == ["submit", "queue", "accounting"]


@pytest.mark.parametrize(
    "line",
    [
        "#SBATCH --job-name=a-1",
        "#SBATCH --job-name a-1",
        "#SBATCH -J a-1",
        '#SBATCH --job-name="a-1"',
        "# a comment\n\n#SBATCH --time=1\n#SBATCH --job-name=a-1",
    ],
)
def test_the_name_is_read_from_the_scripts_options(line: str) -> None:
    assert job_name(f"#!/bin/bash\n{line}\ntrue\n") == "a-1"


@pytest.mark.parametrize("script", ["#!/bin/sh\ntrue\n", "#!/bin/sh\ntrue\n#SBATCH -J a-1\n"])
def test_a_script_without_a_name_is_a_mistake(script: str) -> None:
    with pytest.raises(ValueError, match="job-name"):
        job_name(script)
