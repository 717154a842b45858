"""Facts become steps, and steps are recorded together or not at all."""

import pytest
from unit.house import GRACE, House, job_id, message

from bridge.core.errors import UnavailableError
from bridge.core.facts import (
    CancelRequested,
    EndMark,
    Fact,
    Refused,
    StartMark,
    SubmissionBegun,
)
from bridge.core.job import JobId
from bridge.core.retry import RetryPolicy
from bridge.flows.record import Recorded, Recorder


@pytest.fixture
def house() -> House:
    return House()


def marks(house: House) -> list[Fact]:
    now = house.clock.now()
    return [
        StartMark(at=now, restart=0, started_at=now, node="n1"),
        EndMark(at=now, restart=0, ended_at=now, exit_code=0),
    ]


def test_several_facts_of_one_job_stand_in_their_order(house: House) -> None:
    house.queued_job()
    job = house.job()
    recorded = house.recorder.tell((job, fact) for fact in marks(house))
    assert recorded == Recorded(changed=2, stale=frozenset())
    assert house.told() == ["accepted", "queued", "started", "exited"]


def test_a_fact_that_changes_nothing_is_not_recorded(house: House) -> None:
    house.queued_job()
    job, news = house.job(), house.news
    assert house.recorder.tell([(job, marks(house)[1])]) == Recorded(changed=0, stale=frozenset())
    assert (house.job(), house.news) == (job, news)


def test_a_fact_told_to_a_job_that_has_moved_on_is_left_out_and_named(house: House) -> None:
    house.receive(message(1), message(2))
    old, other = house.job(1), house.job(2)
    house.submission.submit_waiting()
    news, over = house.news, list(house.over)
    fact = CancelRequested(at=house.clock.now())
    recorded = house.recorder.tell([(old, fact), (house.job(2), fact)])
    assert recorded == Recorded(changed=1, stale=frozenset({job_id(1)}))
    assert house.told(1) == ["accepted", "queued"]
    assert house.recorder.tell([(other, fact)]).stale == {job_id(2)}
    # Neither of the two ends that were decided upon has become true.
    assert (house.news, house.over) == (news, over)


def test_nothing_is_announced_that_the_journal_does_not_take(house: House) -> None:
    house.receive(message())
    job, news = house.job(), house.news
    house.journal.failure = "database or disk is full"
    with pytest.raises(UnavailableError):
        house.recorder.tell([(job, CancelRequested(at=house.clock.now()))])
    assert (house.news, house.over) == (news, [])


def test_the_retry_policy_is_asked_about_jobs_that_fail_and_no_others(house: House) -> None:
    asked: list[JobId] = []

    def policy(of: JobId) -> RetryPolicy:
        asked.append(of)
        return RetryPolicy()

    recorder = Recorder(
        site=house.site,
        journal=house.journal,
        absence_grace=GRACE,
        retry_policy=policy,
    )
    house.receive(*(message(it) for it in (1, 2, 3)))
    now = house.clock.now()
    recorder.tell(
        [
            (house.job(1), SubmissionBegun(at=now)),
            (house.job(2), CancelRequested(at=now)),
            (house.job(3), Refused(at=now, words="Invalid qos specification")),
        ]
    )
    assert [house.told(it)[-1] for it in (1, 2, 3)] == ["accepted", "cancelled", "failed"]
    assert asked == [job_id(3)]
    recorder.tell((house.job(it), CancelRequested(at=now)) for it in (2, 3))
    assert asked == [job_id(3)]
