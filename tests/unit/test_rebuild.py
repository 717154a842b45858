"""A lost journal, made anew over the shipped fakes."""

from datetime import timedelta

import pytest
from unit.builders import end_mark, start_mark
from unit.house import House, job_id, message

from bridge.core.errors import ConfigurationError, UnavailableError
from bridge.core.job import JobId, SlurmId, submission_tag, task_id
from bridge.core.lifecycle import Phase
from bridge.core.restore import AttemptRemains, JobRemains, Outcome
from bridge.flows.rebuild import Findings, fill, search
from bridge.ports import Settlement
from bridge.testing.clock import START
from bridge.testing.memory_journal import MemoryJournal
from bridge.testing.remains import FakeRemains
from bridge.testing.slurm import Accounting
from bridge.wire.sweep import task_requests

LONG_AGO = START - timedelta(hours=5)


@pytest.fixture
def house() -> House:
    """A bridge whose journal is lost: Slurm and the clock are what is left."""
    return House()


def left_by(
    number: int,
    *,
    submitted: bool = True,
    claimed_by: SlurmId | None = None,
    outcome: Outcome | None = None,
    request: bytes | None = None,
) -> JobRemains:
    attempt = AttemptRemains(attempt=1, begun_at=LONG_AGO, claimed_by=claimed_by)
    return JobRemains(
        job_id=job_id(number),
        request=request or message(number),
        written_at=LONG_AGO + timedelta(minutes=number),
        attempts=(attempt,) if submitted else (),
        outcome=outcome,
    )


def in_slurm(house: House, number: int) -> SlurmId:
    tag = submission_tag("bridge", job_id(number), 1)
    return house.cluster.submit(f"#!/bin/bash\n#SBATCH --job-name={tag}\ntrue\n")


def found(house: House, remains: FakeRemains) -> Findings:
    return search(site=house.site, remains=remains, scheduler=house.slurm, clock=house.clock)


def rebuild(house: House, *left: JobRemains | tuple[JobId, str]) -> Findings:
    remains = FakeRemains(*left)
    findings = found(house, remains)
    fill(house.journal, findings, remains, hold_lock=lambda: None)
    return findings


def test_each_job_is_restored_to_where_it_is(house: House) -> None:
    over = Outcome(phase=Phase.FAILED, sequence=4, attempt=1, slurm_id=SlurmId("3"))
    queued, gone = in_slurm(house, 1), in_slurm(house, 2)
    house.cluster.start(gone)
    house.cluster.end(gone)
    house.clock.move(timedelta(hours=1))

    findings = rebuild(
        house,
        left_by(1),
        left_by(2, claimed_by=gone),
        left_by(3, outcome=over),
        left_by(4),
        left_by(5, submitted=False),
    )

    assert [house.job(it).phase for it in range(1, 6)] == [
        Phase.QUEUED,
        Phase.QUEUED,
        Phase.FAILED,
        Phase.SUBMITTING,
        Phase.ACCEPTED,
    ]
    assert [house.job(it).slurm_id for it in (1, 2)] == [queued, gone]
    assert findings.phases[Phase.QUEUED] == 2
    assert house.journal.unsent(10) == (), "no event is told by a rebuild"


def test_a_job_that_was_never_submitted_waits_again_for_those_it_depends_on(house: House) -> None:
    waiting = message(2, depends_on=[job_id(1)])
    over = Outcome(phase=Phase.FINISHED, sequence=4, attempt=1, slurm_id=SlurmId("3"))
    in_slurm(house, 3)
    rebuild(
        house,
        left_by(1, outcome=over),
        left_by(2, submitted=False, request=waiting),
        left_by(3, request=message(3, depends_on=[job_id(9)])),
    )
    assert [house.job(it).phase for it in (2, 3)] == [Phase.BLOCKED, Phase.QUEUED]
    house.restart()

    house.release.release_waiting()

    assert house.job(2).phase is Phase.ACCEPTED


def test_a_sweep_goes_on_with_the_tasks_that_are_left(house: House) -> None:
    body = message(1, sweep={"list": [{"n": it} for it in range(3)]})
    tag = submission_tag("bridge", job_id(1), 1)
    house.cluster.submit(f"#!/bin/bash\n#SBATCH --job-name={tag}\n#SBATCH --array=0-2\ntrue\n")
    first, second, third = (task_id(job_id(1), it) for it in range(3))
    attempt = AttemptRemains(attempt=1, begun_at=LONG_AGO)
    over = Outcome(phase=Phase.FINISHED, sequence=4, attempt=1, slurm_id=SlurmId("1_0"))
    bodies = dict(zip((first, second, third), task_requests(body), strict=True))
    rebuild(
        house,
        left_by(1, request=body),
        *(
            JobRemains(
                job_id=it,
                request=bodies[it],
                written_at=LONG_AGO,
                attempts=(attempt,),
                outcome=over if it == first else None,
            )
            for it in (first, second, third)
        ),
    )
    house.restart()
    for it in ("1_1", "1_2"):
        house.cluster.start(SlurmId(it))
        house.cluster.end(SlurmId(it))
    house.watch.look()
    while house.release.release_waiting().changed:
        pass

    assert house.job(1).phase is Phase.FINISHED
    assert house.last_event(1)["detail"] == "of 3 tasks 3 finished"
    jobs = {it.job_id: it for it in house.journal.jobs([second, third])}
    assert [jobs[it].slurm_id for it in (second, third)] == ["1_1", "1_2"]
    assert [jobs[it].task_index for it in (second, third)] == [1, 2]
    assert "submit" not in house.slurm.calls


def test_slurm_is_asked_once_for_all_jobs(house: House) -> None:
    claims = [in_slurm(house, it) for it in range(1, 30)]
    for slurm_id in claims:
        house.cluster.start(slurm_id)
        house.cluster.end(slurm_id)
    house.clock.move(timedelta(hours=1))

    rebuild(house, *(left_by(it, claimed_by=claims[it - 1]) for it in range(1, 30)))

    assert house.slurm.calls == ["queue", "accounting"]


def test_slurm_is_not_asked_about_jobs_that_are_over(house: House) -> None:
    over = Outcome(phase=Phase.FINISHED, sequence=4, attempt=1, slurm_id=None)

    rebuild(house, left_by(1, outcome=over))

    assert house.slurm.calls == []


def test_a_restored_job_comes_to_its_end(house: House) -> None:
    slurm_id = in_slurm(house, 1)
    rebuild(house, left_by(1))
    house.cluster.start(slurm_id)
    house.watch.look()
    house.cluster.end(slurm_id)
    house.watch.look()

    assert house.told() == ["started", "finished"]


def test_a_job_in_doubt_is_looked_up_by_its_tag_before_it_is_submitted(house: House) -> None:
    slurm_id = in_slurm(house, 1)
    house.cluster.start(slurm_id)
    house.cluster.end(slurm_id)
    house.clock.move(timedelta(hours=1))
    rebuild(house, left_by(1))
    assert house.job().phase is Phase.SUBMITTING
    house.restart()
    house.clock.move(timedelta(minutes=1))

    house.submission.submit_waiting()

    assert house.job().slurm_id == slurm_id
    assert "submit" not in house.slurm.calls


def test_the_message_of_a_restored_job_is_a_duplicate(house: House) -> None:
    in_slurm(house, 1)
    rebuild(house, left_by(1))

    assert house.receive(message(1)) == (Settlement.ACK,)
    assert house.told() == []


def test_the_markers_of_a_run_are_put_into_the_spool_again(house: House) -> None:
    marks = (start_mark(1), end_mark(2, 0))
    attempt = AttemptRemains(attempt=3, begun_at=LONG_AGO, claimed_by=SlurmId("7"), marks=marks)
    left = JobRemains(
        job_id=job_id(1), request=message(1), written_at=LONG_AGO, attempts=(attempt,)
    )
    remains = FakeRemains(left)

    fill(house.journal, found(house, remains), remains, hold_lock=lambda: None)

    assert remains.told_again == [(job_id(1), 3, it) for it in marks]


@pytest.mark.parametrize(
    ("request_body", "words"),
    [
        (b"{", "its job.json is no job: not JSON"),
        (message(2), f"its job.json is that of the job {job_id(2)}"),
        (message(1, site="elsewhere"), "its job.json is no job: site"),
        (message(1, image="/home/mallory/any.sif"), "its job.json is not admitted: image"),
    ],
)
def test_a_folder_that_is_not_to_be_trusted_is_skipped_and_named(
    house: House, request_body: bytes, words: str
) -> None:
    unreadable = (job_id(9), "Permission denied")

    findings = rebuild(house, left_by(1, request=request_body), unreadable, left_by(3))

    assert [it.job.job_id for it in findings.restored] == [job_id(3)]
    (_, why), last = sorted(findings.skipped)
    assert why.startswith(words)
    assert last == unreadable


@pytest.mark.parametrize("silent", ["controller", "accounting", "folders"])
def test_nothing_is_restored_while_somebody_does_not_answer(house: House, silent: str) -> None:
    remains = FakeRemains(left_by(1, claimed_by=SlurmId("7")))
    house.slurm.controller_answers = silent != "controller"
    house.slurm.accounting_is = Accounting.DOWN if silent == "accounting" else Accounting.ON
    remains.is_available = silent != "folders"

    with pytest.raises(UnavailableError):
        found(house, remains)

    assert house.journal.is_empty()


def test_without_accounting_a_claim_is_believed(house: House) -> None:
    house.slurm.accounting_is = Accounting.OFF

    rebuild(house, left_by(1, claimed_by=SlurmId("7")))

    assert (house.job().phase, house.job().slurm_id) == (Phase.QUEUED, SlurmId("7"))


def test_a_journal_that_holds_anything_is_left_alone(house: House) -> None:
    house.receive(b"no job at all")

    with pytest.raises(ConfigurationError, match="not lost"):
        rebuild(house, left_by(1))

    assert house.journal.jobs([job_id(1)]) == ()


def test_a_rebuild_that_was_cut_off_is_done_again(house: House) -> None:
    remains = FakeRemains(left_by(1), left_by(2, submitted=False))
    findings = found(house, remains)
    broken = MemoryJournal(house.clock)

    def cut() -> None:
        raise UnavailableError("the lock was not renewed")

    with pytest.raises(UnavailableError):
        fill(broken, findings, remains, hold_lock=cut)
    assert broken.is_empty()
    fill(broken, findings, remains, hold_lock=lambda: None)

    assert len(broken.waiting(10, now=START)) == 2


def test_jobs_keep_the_order_in_which_they_came(house: House) -> None:
    rebuild(house, *(left_by(it, submitted=False) for it in (3, 1, 2)))

    waiting = house.journal.waiting(10, now=START)
    assert [it.job_id for it in waiting] == [job_id(it) for it in (1, 2, 3)]
