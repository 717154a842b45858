"""Watch: what Slurm and the markers say, and nothing else, moves the jobs."""

from datetime import timedelta

import pytest
from unit.house import GRACE, House, job_id, message

from bridge.core.errors import OverBudgetError, UnavailableError
from bridge.core.job import SlurmId
from bridge.flows.watch import Look
from bridge.testing.slurm import Accounting
from bridge.testing.slurm import Submission as Outcome


@pytest.fixture
def house() -> House:
    return House()


def test_without_live_jobs_slurm_is_not_asked(house: House) -> None:
    assert house.watch.look() == Look(live=0, changed=0, unsettled=0)
    assert house.slurm.calls == []


def test_slurm_can_be_asked_also_without_live_jobs(house: House) -> None:
    assert house.watch.look(anyway=True) == Look(live=0, changed=0, unsettled=0)
    assert house.slurm.calls == ["queue"]
    house.slurm.controller_answers = False
    with pytest.raises(UnavailableError):
        house.watch.look(anyway=True)


def test_one_look_asks_once_for_all_jobs(house: House) -> None:
    for number in range(1, 101):
        house.queued_job(number)
    house.slurm.calls.clear()
    assert house.watch.look().live == 100
    assert house.slurm.calls == ["queue"]


def test_a_job_is_followed_from_the_queue_to_its_end(house: House) -> None:
    slurm_id = house.queued_job()
    house.watch.look()
    house.cluster.start(slurm_id)
    house.watch.look()
    house.cluster.end(slurm_id)
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "finished"]
    event = house.last_event()
    assert (event["exit_code"], event["nodes"], event["slurm_id"]) == (0, "n1", "1")


def test_a_job_too_short_to_be_seen_running_still_tells_that_it_started(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.cluster.end(slurm_id, exit_code=7)
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "failed"]
    assert house.last_event()["exit_code"] == 7


def test_only_jobs_that_left_the_queue_are_looked_up_in_accounting(house: House) -> None:
    slurm_id = house.queued_job(1)
    house.queued_job(2)
    house.cluster.start(slurm_id)
    house.cluster.end(slurm_id)
    house.slurm.calls.clear()
    house.watch.look()
    assert house.slurm.calls == ["queue", "accounting"]
    assert house.told(1)[-1] == "finished"
    assert house.told(2)[-1] == "queued"


def test_while_slurm_is_away_nothing_changes(house: House) -> None:
    house.queued_job()
    house.slurm.controller_answers = False
    for _ in range(10):
        house.clock.move(timedelta(hours=1))
        with pytest.raises(UnavailableError):
            house.watch.look()
    assert house.told() == ["accepted", "queued"]


def test_while_accounting_is_down_the_end_waits_and_the_others_are_followed(
    house: House,
) -> None:
    ended, running = house.queued_job(1), house.queued_job(2)
    house.cluster.start(ended)
    house.cluster.end(ended)
    house.cluster.start(running)
    house.slurm.accounting_is = Accounting.DOWN
    look = house.watch.look()
    assert look.unsettled == 1
    assert house.told(1) == ["accepted", "queued"]
    assert house.told(2) == ["accepted", "queued", "started"]
    house.slurm.accounting_is = Accounting.ON
    house.watch.look()
    assert house.told(1) == ["accepted", "queued", "started", "finished"]


def test_accounting_that_lags_behind_is_waited_for(house: House) -> None:
    house.slurm.accounting_lag = timedelta(seconds=3)
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.clock.move(timedelta(seconds=10))
    house.watch.look()
    house.cluster.end(slurm_id)
    assert house.watch.look().unsettled == 1
    assert house.told()[-1] == "started"
    house.clock.move(timedelta(seconds=4))
    house.watch.look()
    assert house.told()[-1] == "finished"


def test_a_job_that_slurm_lost_is_lost_only_after_the_grace(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.lose(slurm_id)
    house.watch.look()
    house.clock.move(GRACE - timedelta(seconds=1))
    house.watch.look()
    assert house.told() == ["accepted", "queued"]
    house.clock.move(timedelta(seconds=2))
    house.watch.look()
    assert house.told() == ["accepted", "queued", "failed"]
    assert house.last_event()["reason"] == "lost"


def test_another_job_that_was_given_the_same_slurm_id_tells_nothing_of_the_first(
    house: House,
) -> None:
    forgotten = house.queued_job(1)
    house.cluster.forget_from(forgotten)
    again = house.queued_job(2)
    assert again == forgotten
    house.cluster.start(again)
    house.watch.look()
    house.cluster.end(again)
    house.watch.look()
    assert house.told(1) == ["accepted", "queued"]
    assert house.told(2) == ["accepted", "queued", "started", "finished"]
    house.clock.move(GRACE)
    house.watch.look()
    assert house.told(1) == ["accepted", "queued", "failed"]


def test_the_grace_is_no_shorter_for_an_outage_in_it(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.lose(slurm_id)
    house.slurm.accounting_is = Accounting.DOWN
    house.watch.look()
    house.clock.move(10 * GRACE)
    house.slurm.accounting_is = Accounting.ON
    house.watch.look()
    assert house.told() == ["accepted", "queued"]


def test_the_grace_begins_anew_after_a_silence_of_the_queue(house: House) -> None:
    house.cluster.lose(house.queued_job())
    house.watch.look()
    house.clock.move(GRACE - timedelta(seconds=1))
    house.slurm.controller_answers = False
    with pytest.raises(UnavailableError):
        house.watch.look()
    house.slurm.controller_answers = True
    house.watch.look()
    house.clock.move(GRACE - timedelta(seconds=1))
    house.watch.look()
    assert house.told() == ["accepted", "queued"]
    house.clock.move(timedelta(seconds=1))
    house.watch.look()
    assert house.last_event()["reason"] == "lost"


@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_is_set_makes_no_grace_shorter_or_longer(house: House, days: int) -> None:
    house.cluster.lose(house.queued_job())
    house.watch.look()
    house.clock.set(house.clock.now() + timedelta(days=days))
    house.watch.look()
    assert house.told() == ["accepted", "queued"]
    house.clock.move(GRACE)
    house.watch.look()
    assert house.last_event()["reason"] == "lost"


def test_the_grace_begins_anew_with_a_new_daemon(house: House) -> None:
    house.cluster.lose(house.queued_job())
    house.watch.look()
    house.clock.move(2 * GRACE)
    house.restart()
    house.watch.look()
    assert house.told() == ["accepted", "queued"]


def test_a_question_that_was_not_asked_for_the_budget_breaks_no_grace(house: House) -> None:
    house.cluster.lose(house.queued_job())
    house.watch.look()
    house.clock.move(GRACE / 2)
    house.slurm.over_budget = {"accounting"}
    assert house.watch.look().unsettled == 1
    house.slurm.over_budget = {"queue"}
    with pytest.raises(OverBudgetError):
        house.watch.look()
    house.slurm.over_budget = set()
    house.clock.move(GRACE / 2)
    house.watch.look()
    assert house.last_event()["reason"] == "lost"


def test_a_job_that_shows_in_the_queue_again_is_not_missing_any_more(house: House) -> None:
    house.slurm.accounting_lag = timedelta(days=1)
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.cluster.end(slurm_id)
    house.clock.move(timedelta(minutes=10))
    assert house.cluster.queue() == ()
    house.watch.look()
    house.clock.move(GRACE / 2)
    house.cluster.requeue(slurm_id)
    house.watch.look()
    house.cluster.end_as(slurm_id, "CANCELLED")
    house.clock.move(timedelta(minutes=10))
    house.watch.look()
    assert house.told()[-1] != "failed"


def test_a_job_of_which_accounting_says_an_unknown_word_is_not_missing(house: House) -> None:
    house.cluster.end_as(house.queued_job(), "TELEPORTED")
    house.clock.move(timedelta(minutes=10))
    assert house.cluster.queue() == ()
    for knows in (False, True, False):
        house.slurm.accounting_lag = timedelta(0) if knows else timedelta(days=1)
        house.watch.look()
        house.clock.move(GRACE / 2)
    house.watch.look()
    assert house.told() == ["accepted", "queued"]
    house.clock.move(GRACE / 2)
    house.watch.look()
    assert house.last_event()["reason"] == "lost"


def test_a_job_whose_own_script_says_that_it_starts_is_not_missing_any_more(house: House) -> None:
    house.cluster.lose(house.queued_job())
    house.watch.look()
    house.clock.move(GRACE - timedelta(seconds=1))
    house.folders.drop_start(job_id(1))
    house.watch.read_marks()
    house.clock.move(timedelta(seconds=2))
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started"]
    house.clock.move(GRACE)
    house.watch.look()
    assert house.last_event()["reason"] == "lost"


def test_when_a_lost_job_ended_is_not_known(house: House) -> None:
    house.cluster.lose(house.queued_job())
    house.watch.look()
    house.clock.move(GRACE)
    house.watch.look()
    assert house.last_event()["ended_at"] is None


def test_an_end_waits_while_it_is_not_known_whether_another_slurm_job_has_the_container(
    house: House,
) -> None:
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.cluster.cancel(slurm_id)
    house.folders.claims[job_id(1), 1] = SlurmId("99")
    house.slurm.over_budget = {"find"}
    assert house.watch.look().unsettled == 1
    assert house.told() == ["accepted", "queued"]
    house.slurm.over_budget = set()
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "cancelled"]


def test_without_accounting_the_queues_last_word_counts(house: House) -> None:
    house.slurm.accounting_is = Accounting.OFF
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.cluster.end(slurm_id)
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "finished"]


def test_without_accounting_and_gone_from_the_queue_the_end_marker_decides(
    house: House,
) -> None:
    house.slurm.accounting_is = Accounting.OFF
    house.queued_job()
    house.folders.drop_start(job_id(1))
    house.folders.drop_end(job_id(1), exit_code=3)
    house.watch.read_marks()
    house.cluster.lose(SlurmId("1"))
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "exited", "failed"]
    assert house.last_event()["exit_code"] == 3


def test_markers_tell_started_and_exited_before_slurm_is_asked(house: House) -> None:
    house.queued_job()
    house.slurm.calls.clear()
    house.folders.drop_start(job_id(1), node="n2")
    assert house.watch.read_marks().ended == 0
    house.folders.drop_end(job_id(1), exit_code=7)
    assert house.watch.read_marks().ended == 1
    assert house.told() == ["accepted", "queued", "started", "exited"]
    assert house.last_event()["exit_code"] == 7
    assert house.slurm.calls == []


def test_both_markers_found_at_once_are_told_in_order(house: House) -> None:
    house.queued_job()
    house.folders.drop_start(job_id(1))
    house.folders.drop_end(job_id(1))
    house.watch.read_marks()
    assert house.told() == ["accepted", "queued", "started", "exited"]


def test_exited_is_told_before_the_end_also_where_slurm_is_asked_first(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.folders.drop_start(job_id(1))
    house.folders.drop_end(job_id(1), exit_code=7)
    house.cluster.end(slurm_id, exit_code=7)
    house.watch.look()
    assert house.told() == ["accepted", "queued", "started", "exited", "failed"]


def test_an_end_is_told_also_where_the_spool_does_not_answer(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.cluster.end(slurm_id)
    house.folders.is_available = False
    house.watch.look()
    assert house.told()[-1] == "finished"


def test_an_end_marker_is_no_terminal_event(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.folders.drop_start(job_id(1))
    house.folders.drop_end(job_id(1))
    house.watch.read_marks()
    house.watch.look()
    assert house.told()[-1] == "exited"
    house.cluster.end(slurm_id)
    house.watch.look()
    assert house.told()[-1] == "finished"


def test_recorded_markers_are_forgotten(house: House) -> None:
    house.queued_job()
    house.folders.drop_start(job_id(1))
    house.watch.read_marks()
    assert house.folders.marks() == ()


def test_markers_wait_while_the_submission_is_not_recorded(house: House) -> None:
    house.slurm.submissions.append(Outcome.UNCERTAIN_BUT_THERE)
    house.receive(message())
    house.submission.submit_waiting()
    house.folders.drop_start(job_id(1))
    house.watch.read_marks()
    assert house.told() == ["accepted"]
    house.submission.submit_waiting()
    house.watch.read_marks()
    assert house.told() == ["accepted", "queued", "started"]
    assert house.folders.marks() == ()


def test_markers_stay_while_the_journal_cannot_be_written(house: House) -> None:
    house.queued_job()
    house.folders.drop_start(job_id(1))
    house.journal.failure = "database or disk is full"
    with pytest.raises(UnavailableError):
        house.watch.read_marks()
    assert len(house.folders.marks()) == 1
    house.journal.failure = None
    house.watch.read_marks()
    assert house.told()[-1] == "started"


def test_markers_of_a_job_that_is_none_of_ours_are_swept_away(house: House) -> None:
    house.folders.drop_start(job_id(99))
    assert house.watch.read_marks().changed == 0
    assert house.folders.marks() == ()


def test_markers_of_an_attempt_to_come_change_nothing(house: House) -> None:
    house.queued_job()
    house.folders.drop_start(job_id(1), attempt=2)
    house.watch.read_marks()
    assert house.told() == ["accepted", "queued"]


def test_a_requeued_job_is_followed_through_its_second_run(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.start(slurm_id)
    house.watch.look()
    house.clock.move(timedelta(minutes=1))
    house.cluster.requeue(slurm_id, word="NODE_FAIL")
    house.watch.look()
    house.clock.move(timedelta(minutes=1))
    house.cluster.start(slurm_id, node="n2")
    house.watch.look()
    house.cluster.end(slurm_id)
    house.watch.look()
    told = house.told()
    assert [it for it in told if it != "pending"] == [
        "accepted",
        "queued",
        "started",
        "requeued",
        "started",
        "finished",
    ]


def test_a_cancelled_job_tells_whether_it_had_started(house: House) -> None:
    waiting, running = house.queued_job(1), house.queued_job(2)
    house.cluster.start(running)
    house.cluster.cancel(waiting)
    house.cluster.cancel(running)
    house.watch.look()
    assert house.told(1) == ["accepted", "queued", "cancelled"]
    assert house.told(2) == ["accepted", "queued", "started", "cancelled"]


def test_an_unknown_state_word_changes_nothing(house: House) -> None:
    slurm_id = house.queued_job()
    house.cluster.say(slurm_id, "TELEPORTING")
    house.watch.look()
    assert house.told() == ["accepted", "queued"]
