"""Submit: each recorded job becomes one Slurm job, whatever Slurm answers."""

from datetime import timedelta

import pytest
from unit.house import BUG, SETTLE_TIME, UNRENDERABLE, House, job_id, message

from bridge.core.errors import UnavailableError
from bridge.core.failure import FailureReason
from bridge.core.job import SlurmId, submission_tag
from bridge.core.retry import RetryPolicy
from bridge.flows.submit import Pass
from bridge.testing.slurm import Accounting
from bridge.testing.slurm import Submission as Outcome

BETWEEN_LOOKS = timedelta(seconds=4)


@pytest.fixture
def house() -> House:
    return House()


def settle(house: House, *, times: int) -> None:
    """As many passes, each after the time in which a submission shows."""
    for _ in range(times):
        house.submission.submit_waiting()
        house.clock.move(SETTLE_TIME)


def test_a_recorded_job_is_submitted_under_its_tag(house: House) -> None:
    house.receive(message())
    assert house.submission.submit_waiting() == Pass(handled=1)
    assert house.told() == ["accepted", "queued"]
    (sighting,) = house.cluster.queue()
    assert sighting.tag == submission_tag("bridge", job_id(1), 1)
    assert house.job().slurm_id == sighting.slurm_id


def test_the_request_lies_in_the_jobs_folder(house: House) -> None:
    house.receive(message())
    house.submission.submit_waiting()
    assert house.folders.files[job_id(1)]["job.json"] == message().decode()


def test_nothing_waits_nothing_is_asked(house: House) -> None:
    assert house.submission.submit_waiting() == Pass(handled=0)
    assert house.slurm.calls == []


def test_a_refusal_fails_the_job_with_slurms_own_words(house: House) -> None:
    house.slurm.submissions.append(Outcome.REFUSED)
    house.receive(message())
    house.submission.submit_waiting()
    assert house.told() == ["accepted", "failed"]
    event = house.last_event()
    assert event["reason"] == "refused"
    assert event["detail"] == "Invalid account or account/partition combination specified"


def test_while_slurm_is_away_jobs_wait_and_are_submitted_later(house: House) -> None:
    house.slurm.controller_answers = False
    house.receive(message())
    done = house.submission.submit_waiting()
    assert done.handled == 0
    assert done.obstacle is not None
    assert not done.site_full
    assert house.told() == ["accepted"]
    house.slurm.controller_answers = True
    assert house.submission.submit_waiting().handled == 1
    assert house.told() == ["accepted", "queued"]


def test_a_full_site_is_told_from_one_that_is_away(house: House) -> None:
    house.slurm.submissions.append(Outcome.SITE_FULL)
    house.receive(message())
    assert house.submission.submit_waiting().site_full


def test_after_one_refusal_for_lack_of_room_the_others_are_not_tried(house: House) -> None:
    house.slurm.submissions.append(Outcome.SITE_FULL)
    house.receive(*(message(it) for it in range(1, 11)))
    house.submission.submit_waiting()
    assert house.slurm.calls.count("submit") == 1
    assert {house.job(it).phase for it in range(1, 11)} == {"accepted"}


def test_an_uncertain_submission_that_arrived_is_adopted_and_not_repeated(house: House) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.receive(message())
    assert house.submission.submit_waiting().doubtful == 1
    assert house.told() == ["accepted"]
    house.submission.submit_waiting()
    assert house.told() == ["accepted", "queued"]
    assert len(house.cluster.scripts) == 1


def test_an_uncertain_submission_that_arrives_late_is_adopted_and_not_repeated(
    house: House,
) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_AND_LATE)
    house.receive(message())
    for _ in range(30):
        house.submission.submit_waiting()
        house.clock.move(timedelta(seconds=1))
    assert house.told() == ["accepted", "queued"]
    assert len(house.cluster.scripts) == 1


def test_an_uncertain_submission_is_repeated_only_when_it_surely_did_not_arrive(
    house: House,
) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_AND_NOT_THERE)
    house.receive(message())
    house.submission.submit_waiting()
    house.clock.move(SETTLE_TIME - timedelta(seconds=1))
    house.submission.submit_waiting()
    assert house.job().phase == "submitting"
    house.clock.move(timedelta(seconds=2))
    house.submission.submit_waiting()
    assert house.job().phase == "submitting"
    house.clock.move(BETWEEN_LOOKS)
    house.submission.submit_waiting()
    house.submission.submit_waiting()
    assert house.told() == ["accepted", "queued"]
    assert len(house.cluster.scripts) == 1


def test_the_others_wait_until_it_is_known_what_became_of_an_uncertain_submission(
    house: House,
) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.receive(message(1), message(2))
    first = house.submission.submit_waiting()
    assert (first.doubtful, first.obstacle is not None) == (1, True)
    assert len(house.cluster.scripts) == 1
    house.submission.submit_waiting()
    assert house.told(1) == ["accepted", "queued"]
    assert house.told(2) == ["accepted", "queued"]
    assert len(house.cluster.scripts) == 2


def test_what_the_queue_tells_of_some_doubts_counts_while_nobody_can_tell_of_the_others(
    house: House,
) -> None:
    house.slurm.submissions += [Outcome.UNCERTAIN_BUT_THERE, Outcome.NOT_UNDERSTOOD]
    house.receive(message(1), message(2))
    house.slurm.over_budget = {"queue"}
    house.submission.submit_waiting()
    house.submission.submit_waiting()
    house.slurm.accounting_is = Accounting.DOWN
    house.clock.move(SETTLE_TIME)
    settled = house.submission.submit_waiting()
    assert (settled.handled, settled.doubtful) == (1, 1)
    assert house.told(1) == ["accepted", "queued"]
    assert house.job(2).phase == "submitting"


def test_of_many_doubts_slurm_is_asked_at_once(house: House) -> None:
    jobs = range(1, 101)
    house.slurm.submissions += [Outcome.NOT_UNDERSTOOD] * len(jobs)
    house.receive(*map(message, jobs))
    assert house.submission.submit_waiting().doubtful == len(jobs)
    house.slurm.calls.clear()
    house.clock.move(SETTLE_TIME)
    house.submission.submit_waiting()
    house.clock.move(BETWEEN_LOOKS)
    house.submission.submit_waiting()
    assert house.slurm.calls == ["find", "find"]
    house.submission.submit_waiting()
    assert all(house.told(it) == ["accepted", "queued"] for it in jobs)


def test_while_a_submission_is_in_doubt_slurm_is_asked_less_and_less_often(house: House) -> None:
    house.slurm.submissions.append(Outcome.NOT_UNDERSTOOD)
    house.receive(message())
    for _ in range(190):
        house.submission.submit_waiting()
        house.clock.move(timedelta(milliseconds=100))
    assert house.slurm.calls.count("queue") == 6  # after 0, 1, 3, 7, 11 and 15 s
    assert house.slurm.calls.count("find") == 0


def test_a_budget_that_is_spent_on_doubts_keeps_no_new_job_from_slurm(house: House) -> None:
    house.slurm.submissions.append(Outcome.NOT_UNDERSTOOD)
    house.receive(message(1))
    house.submission.submit_waiting()
    house.slurm.over_budget = {"queue", "find"}
    house.receive(message(2))
    done = house.submission.submit_waiting()
    assert (done.handled, done.obstacle, done.doubtful) == (1, None, 1)
    assert house.told(2) == ["accepted", "queued"]


def test_a_daemon_that_has_run_for_long_gives_a_submission_as_much_time(house: House) -> None:
    house.clock.move(timedelta(days=1))
    house.slurm.submissions.append(Outcome.UNCERTAIN_AND_LATE)
    house.receive(message())
    for _ in range(30):
        house.submission.submit_waiting()
        house.clock.move(timedelta(seconds=1))
    assert house.told() == ["accepted", "queued"]
    assert len(house.cluster.scripts) == 1


def test_an_uncertain_submission_stays_uncertain_while_slurm_does_not_answer(
    house: House,
) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_AND_NOT_THERE)
    house.receive(message())
    house.submission.submit_waiting()
    house.slurm.controller_answers = False
    house.clock.move(timedelta(hours=3))
    for _ in range(5):
        house.submission.submit_waiting()
    assert house.job().phase == "submitting"


def test_a_daemon_killed_after_sbatch_finds_its_job_and_submits_no_second_one(
    house: House,
) -> None:
    house.receive(message())
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.submission.submit_waiting()
    house.restart()
    house.submission.submit_waiting()
    assert house.told() == ["accepted", "queued"]
    assert len(house.cluster.scripts) == 1


def test_of_two_slurm_jobs_of_one_attempt_the_first_is_kept_and_the_other_cancelled(
    house: House,
) -> None:
    house.receive(message())
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.submission.submit_waiting()
    (script,) = house.cluster.scripts.values()
    second = house.cluster.submit(script)
    house.submission.submit_waiting()
    assert house.job().slurm_id == SlurmId("1")
    words = {it.slurm_id: it.word for it in house.cluster.queue()}
    assert words == {SlurmId("1"): "PENDING", second: "CANCELLED"}


def test_a_job_that_ended_before_it_was_found_is_found_in_accounting(house: House) -> None:
    house.receive(message())
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.submission.submit_waiting()
    house.cluster.start(SlurmId("1"))
    house.cluster.end(SlurmId("1"))
    house.clock.move(timedelta(hours=1))
    house.submission.submit_waiting()
    assert house.job().slurm_id == SlurmId("1")
    assert len(house.cluster.scripts) == 1


def test_what_slurm_says_three_times_and_nobody_understands_means_no(house: House) -> None:
    house.slurm.submissions += [Outcome.NOT_UNDERSTOOD] * 9
    house.receive(message())
    settle(house, times=30)
    assert house.told() == ["accepted", "failed"]
    event = house.last_event()
    assert (event["reason"], event["detail"]) == ("refused", "The site's own plugin says no")
    assert house.slurm.calls.count("submit") == 3


def test_what_is_understood_as_doubt_never_means_no(house: House) -> None:
    house.slurm.submissions += [Outcome.UNCERTAIN_AND_NOT_THERE] * 9
    house.receive(message())
    settle(house, times=50)
    assert house.told() == ["accepted", "queued"]
    assert house.slurm.calls.count("submit") == 10


def test_what_was_not_understood_is_forgotten_once_a_submission_is_taken(house: House) -> None:
    house.retry = RetryPolicy(attempts=2, reasons=frozenset({FailureReason.TIMEOUT}))
    house.slurm.submissions += [
        Outcome.NOT_UNDERSTOOD,
        Outcome.NOT_UNDERSTOOD,
        Outcome.TAKEN,
        Outcome.NOT_UNDERSTOOD,
    ]
    house.receive(message())
    settle(house, times=10)
    house.cluster.start(SlurmId("1"))
    house.cluster.end_as(SlurmId("1"), "TIMEOUT")
    house.watch.look()
    settle(house, times=10)
    assert house.told() == ["accepted", "queued", "started", "retrying", "queued"]


@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_is_set_makes_no_doubt_shorter(house: House, days: int) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_AND_NOT_THERE)
    house.receive(message())
    house.submission.submit_waiting()
    house.clock.move(timedelta(seconds=1))
    house.clock.set(house.clock.now() + timedelta(days=days))
    for _ in range(5):
        house.submission.submit_waiting()
    assert house.job().phase == "submitting"
    assert house.slurm.calls.count("submit") == 1


def test_a_clock_that_is_set_back_makes_no_doubt_longer(house: House) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_AND_NOT_THERE)
    house.receive(message())
    house.submission.submit_waiting()
    house.clock.set(house.clock.now() - timedelta(days=400))
    settle(house, times=5)
    assert house.told() == ["accepted", "queued"]


def test_a_site_that_is_away_is_told_from_one_that_answers_no(house: House) -> None:
    house.receive(message())
    house.slurm.submissions.append(Outcome.SITE_FULL)
    assert not house.submission.submit_waiting().away
    house.slurm.over_budget = {"submit"}
    assert not house.submission.submit_waiting().away
    house.slurm.over_budget = set()
    house.slurm.controller_answers = False
    assert house.submission.submit_waiting().away
    house.folders.is_available = False
    assert not house.submission.submit_waiting().away


def test_a_site_that_is_away_while_a_submission_is_in_doubt_is_told_too(house: House) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.receive(message())
    house.submission.submit_waiting()
    house.slurm.over_budget = {"queue"}
    over = house.submission.submit_waiting()
    assert (over.away, over.doubtful) == (False, 1)
    house.clock.move(SETTLE_TIME)
    house.slurm.over_budget = set()
    house.slurm.controller_answers = False
    away = house.submission.submit_waiting()
    assert (away.away, away.doubtful) == (True, 1)


def test_a_round_is_over_before_its_failure_is_told(house: House) -> None:
    # What still asked Slurm when the next round began would be taken for lost, and done again.
    house.receive(*(message(it) for it in (1, 2, 3)))
    house.slurm.meanwhile.append(lambda: setattr(house.journal, "failure", "disk I/O error"))
    with pytest.raises(UnavailableError, match="disk I/O error"):
        house.submission.submit_waiting()
    assert house.slurm.calls.count("submit") == 3
    house.journal.failure = None
    house.submission.submit_waiting()
    assert [house.told(it) for it in (1, 2, 3)] == [["accepted", "queued"]] * 3
    assert len(house.cluster.scripts) == 3


def test_a_submission_that_takes_long_holds_up_no_other_and_is_not_repeated(house: House) -> None:
    house.to_hang = 1
    house.receive(*(message(it) for it in (1, 2, 3)))
    assert house.submission.submit_waiting() == Pass(handled=2)
    house.receive(message(4))
    assert house.submission.submit_waiting() == Pass(handled=1)
    settle(house, times=30)
    assert [house.job(it).phase for it in (1, 2, 3, 4)] == ["submitting", *["queued"] * 3]
    # Nobody asks Slurm whether it has come, either.
    assert set(house.slurm.calls) == {"submit"}
    house.go_on()
    assert house.submission.submit_waiting() == Pass(handled=1)
    settle(house, times=30)
    assert [house.told(it) for it in (1, 2, 3, 4)] == [["accepted", "queued"]] * 4
    assert len(house.cluster.scripts) == 4


@pytest.mark.parametrize("outcome", [Outcome.UNCERTAIN_BUT_THERE, Outcome.UNCERTAIN_AND_LATE])
def test_a_submission_that_takes_long_and_ends_in_doubt_is_adopted_and_not_repeated(
    house: House, outcome: Outcome
) -> None:
    house.to_hang = 1
    house.receive(message(1))
    house.submission.submit_waiting()
    house.clock.move(timedelta(hours=1))
    house.slurm.submissions.append(outcome)
    house.go_on()
    ended = house.submission.submit_waiting()
    assert (ended.doubtful, ended.away) == (1, True)
    for _ in range(30):
        house.submission.submit_waiting()
        house.clock.move(timedelta(seconds=1))
    assert house.told() == ["accepted", "queued"]
    assert len(house.cluster.scripts) == 1


def test_what_a_submission_met_that_took_long_keeps_the_others_back(house: House) -> None:
    house.to_hang = 1
    house.receive(message(1))
    house.submission.submit_waiting()
    house.slurm.submissions.append(Outcome.SITE_FULL)
    house.go_on()
    house.receive(message(2))
    full = house.submission.submit_waiting()
    assert (full.handled, full.site_full) == (0, True)
    assert house.slurm.calls == ["submit"]
    assert house.submission.submit_waiting() == Pass(handled=2)
    assert [house.told(it) for it in (1, 2)] == [["accepted", "queued"]] * 2


def test_a_submission_that_took_long_and_could_not_be_recorded_is_found(house: House) -> None:
    house.to_hang = 1
    house.receive(message(1), message(2))
    house.submission.submit_waiting()
    house.journal.failure = "disk I/O error"
    house.go_on()
    house.journal.failure = None
    with pytest.raises(UnavailableError, match="disk I/O error"):
        house.submission.submit_waiting()
    house.submission.submit_waiting()
    assert [house.told(it) for it in (1, 2)] == [["accepted", "queued"]] * 2
    assert len(house.cluster.scripts) == 2


def test_a_daemon_killed_while_a_submission_takes_long_repeats_it_once_it_cannot_arrive(
    house: House,
) -> None:
    house.to_hang = 1
    house.receive(message(1))
    house.submission.submit_waiting()
    house.restart()
    assert house.submission.submit_waiting().doubtful == 1
    house.clock.move(SETTLE_TIME)
    settle(house, times=3)
    assert house.told() == ["accepted", "queued"]
    assert len(house.cluster.scripts) == 1


def test_what_is_being_submitted_is_waited_for_at_the_end(house: House) -> None:
    house.to_hang = 1
    house.receive(message(1))
    house.submission.submit_waiting()
    assert not house.submission.finish(within=timedelta(0))
    house.go_on()
    assert house.submission.finish(within=timedelta(0))
    assert house.told() == ["accepted", "queued"]


def test_nothing_is_submitted_while_the_work_root_is_away(house: House) -> None:
    house.folders.is_available = False
    house.receive(message())
    done = house.submission.submit_waiting()
    assert done.obstacle == "the file system does not answer"
    assert house.job().phase == "accepted"
    assert house.slurm.calls == []


def test_a_journal_that_cannot_be_written_after_sbatch_leaves_the_job_to_be_found(
    house: House,
) -> None:
    house.receive(message())
    house.journal.failure = "disk I/O error"
    with pytest.raises(UnavailableError):
        house.submission.submit_waiting()
    house.journal.failure = None
    assert house.submission.submit_waiting().handled == 1
    assert len(house.cluster.scripts) == 1


def test_jobs_are_submitted_in_the_order_in_which_they_came(house: House) -> None:
    house.receive(*(message(it) for it in (3, 1, 2)))
    house.submission.submit_waiting()
    assert [house.job(it).slurm_id for it in (3, 1, 2)] == ["1", "2", "3"]


def test_news_wakes_the_relay(house: House) -> None:
    house.receive(message())
    before = house.news
    house.submission.submit_waiting()
    assert house.news == before + 1


def test_a_job_whose_script_trips_over_a_bug_fails_alone(house: House) -> None:
    house.receive(message(1), message(2, image=BUG), message(3))
    assert house.submission.submit_waiting() == Pass(handled=3)
    assert house.told(1) == house.told(3) == ["accepted", "queued"]
    assert house.told(2) == ["accepted", "failed"]
    assert "the bridge failed" in str(house.last_event(2)["detail"])


def test_a_submission_that_trips_over_a_bug_is_looked_for_and_fails_alone_in_the_end(
    house: House,
) -> None:
    house.slurm.submissions += [Outcome.TAKEN, Outcome.BROKEN, Outcome.TAKEN]
    house.receive(message(1), message(2), message(3))
    assert house.submission.submit_waiting() == Pass(handled=2, doubtful=1)
    assert house.told(1) == house.told(3) == ["accepted", "queued"]
    house.slurm.submissions += [Outcome.BROKEN] * 2
    settle(house, times=9)
    assert house.told(2) == ["accepted", "failed"]
    assert len(house.cluster.scripts) == 2


def test_an_unrenderable_job_in_the_journal_fails_alone(house: House) -> None:
    # It was accepted by an older configuration under which it could be written.
    house.intake = house.lenient_intake()
    house.receive(message(1, image=UNRENDERABLE), message(2))
    assert house.submission.submit_waiting().handled == 2
    assert house.told(1) == ["accepted", "failed"]
    assert house.told(2) == ["accepted", "queued"]
