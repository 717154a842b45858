"""Facts become steps, and steps are recorded together or not at all."""

from dataclasses import replace

import pytest
from unit.builders import site
from unit.house import GRACE, House, job_id, message

from bridge.core.errors import UnavailableError
from bridge.core.facts import (
    CancelRequested,
    EndMark,
    Fact,
    HindranceMark,
    Refused,
    StartMark,
    SubmissionBegun,
)
from bridge.core.failure import Hindrance
from bridge.core.job import JobId
from bridge.core.retry import RetryPolicy
from bridge.core.site import BindRoot, ContainerRules, Runtime
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


MOUNTS = [{"source": "/data/here", "target": "/a"}, {"source": "/data/gone", "target": "/b"}]


def end_hindered(house: House, hindrance: Hindrance, mount: int | None = None) -> dict[str, object]:
    """The last event of a job whose script could not start its container."""
    house.receive(message(mounts=MOUNTS))
    house.submission.submit_waiting()
    slurm_id = house.job().slurm_id
    assert slurm_id is not None
    house.cluster.start(slurm_id)
    now = house.clock.now()
    fact = HindranceMark(at=now, restart=0, ended_at=now, hindrance=hindrance, mount=mount)
    house.recorder.tell([(house.job(), fact)])
    house.cluster.end(slurm_id, exit_code=76)
    house.watch.look()
    return house.last_event()


@pytest.mark.parametrize(
    ("hindrance", "mount", "words"),
    [
        (
            Hindrance.NO_IMAGE,
            None,
            "its image or conda environment /images/sklearn.sif is not there or cannot be read",
        ),
        (
            Hindrance.IMAGE,
            None,
            "its image /images/sklearn.sif is not there and could not be pulled",
        ),
        (Hindrance.MOUNT, 1, "'/data/gone', which it mounts, is not there"),
        # What a script of an older bridge says, and what a job might write itself.
        (Hindrance.MOUNT, None, "something that it mounts is not there; its stderr says what"),
        (Hindrance.MOUNT, 2, "something that it mounts is not there; its stderr says what"),
        (Hindrance.SECRET, None, "a secret of the site could not be read; its stderr says which"),
    ],
)
def test_the_event_names_what_is_not_there(
    hindrance: Hindrance, mount: int | None, words: str
) -> None:
    roots = (BindRoot(path="/data", read_only=False),)
    containers = ContainerRules(
        runtime=Runtime.APPTAINER, images=("/images/*.sif",), bind_roots=roots
    )
    house = House(at=site(containers=containers))
    event = end_hindered(house, hindrance, mount)
    assert event["event"] == "failed"
    assert str(event["detail"]).removesuffix("; its stderr says more") == words


def test_nothing_is_named_of_a_job_whose_message_can_no_longer_be_read() -> None:
    roots = (BindRoot(path="/data", read_only=False),)
    containers = ContainerRules(
        runtime=Runtime.APPTAINER, images=("/images/*.sif",), bind_roots=roots
    )
    house = House(at=site(containers=containers))
    house.receive(message(mounts=MOUNTS, site="testbed"))
    house.recorder = Recorder(
        site=replace(house.site, name="renamed"),
        journal=house.journal,
        absence_grace=GRACE,
        retry_policy=lambda _: RetryPolicy(),
    )
    house.restart()
    event = end_hindered(house, Hindrance.NO_IMAGE)
    assert "its stderr says which" in str(event["detail"])
