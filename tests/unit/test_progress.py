"""Progress files become events, over the fakes."""

import json
from datetime import timedelta
from typing import Any

import pytest
from unit.house import House, job_id, message

from bridge.core.errors import UnavailableError
from bridge.core.failure import FailureReason
from bridge.core.job import SlurmId
from bridge.core.lifecycle import Job, Phase
from bridge.core.retry import RetryPolicy
from bridge.flows.leavings import Leavings
from bridge.flows.progress import MOST_LOOKS, Progress
from bridge.flows.record import Recorder
from bridge.flows.watch import Watch
from bridge.ports import Acceptance
from bridge.testing.files import FakeFiles
from bridge.wire.progress import MOST_POINTS

JOB = job_id(1)
EVERY = timedelta(seconds=2)


class Site:
    """A site whose running jobs write progress."""

    def __init__(self) -> None:
        self.house = House()
        self.files = FakeFiles()
        self.news = 0
        self.progress = self._new_progress()
        leavings = Leavings(files=self.files, progress=self.progress)
        self.house.recorder = Recorder(
            site=self.house.site,
            journal=self.house.journal,
            absence_grace=timedelta(minutes=5),
            retry_policy=lambda _: self.house.retry,
            leavings=leavings.collect,
        )
        self.house.watch = Watch(
            scheduler=self.house.slurm,
            folders=self.house.folders,
            journal=self.house.journal,
            recorder=self.house.recorder,
            clock=self.house.clock,
        )

    def _new_progress(self) -> Progress:
        progress = Progress(
            site=self.house.site,
            files=self.files,
            journal=self.house.journal,
            clock=self.house.clock,
            every=EVERY,
        )
        progress.notify(self._count)
        return progress

    def _count(self) -> None:
        self.news += 1

    def restart(self) -> None:
        self.progress = self._new_progress()

    def run(self, number: int = 1) -> SlurmId:
        slurm_id = self.house.queued_job(number)
        self.house.cluster.start(slurm_id)
        self.house.watch.look()
        return slurm_id

    def writes(self, *steps: int, number: int = 1) -> None:
        for step in steps:
            line = json.dumps({"step": step, "total": 10, "metrics": {"loss": 1 / (step + 1)}})
            self.files.append(job_id(number), "progress.jsonl", line.encode() + b"\n")

    def publish(self) -> None:
        self.house.journal.mark_sent([it.position for it in self.house.journal.unsent(10_000)])

    def look(self) -> None:
        """What some seconds bring: what was recorded goes out, and the next look comes."""
        self.publish()
        self.house.clock.move(EVERY)
        self.progress.read_some()

    def told(self) -> list[dict[str, Any]]:
        """The events that wait to be published."""
        return [json.loads(it.message.body)["data"] for it in self.house.journal.unsent(10_000)]

    def steps(self) -> list[list[int]]:
        """The steps of the progress events among them."""
        return [
            [point["step"] for point in it["progress"]["points"]]
            for it in self.told()
            if it["event"] == "progress"
        ]


@pytest.fixture
def site() -> Site:
    return Site()


def test_what_a_running_job_writes_is_told_with_numbers_of_its_own(site: Site) -> None:
    slurm_id = site.run()
    site.writes(1, 2)
    site.look()
    (data,) = site.told()
    assert (data["event"], data["job_id"], data["sequence"]) == ("progress", JOB, 0)
    assert (data["attempt"], data["restart"], data["slurm_id"]) == (1, 0, slurm_id)
    assert data["progress"] == {
        "number": 1,
        "points": [
            {"step": 1, "total": 10, "metrics": {"loss": 0.5}, "message": None},
            {"step": 2, "total": 10, "metrics": {"loss": 1 / 3}, "message": None},
        ],
        "skipped": 0,
    }
    assert site.news == 1
    (entry,) = site.house.journal.unsent(10)
    assert entry.message.event_id == f"{JOB}/progress/1"
    assert entry.message.routing_key == "testbed.progress"
    assert site.house.job().sequence == 3


def test_a_job_that_writes_nothing_new_tells_nothing_and_costs_no_read(site: Site) -> None:
    site.run()
    site.look()
    site.writes(1)
    site.look()
    reads = site.files.reads
    site.look()
    assert (site.told(), site.files.reads) == ([], reads)


def test_jobs_that_do_not_run_are_not_looked_at(site: Site) -> None:
    site.house.queued_job(1)
    site.writes(1)
    site.look()
    assert (site.told(), site.files.looks) == ([], 0)


def test_what_comes_too_fast_is_told_together(site: Site) -> None:
    site.run()
    site.writes(1)
    site.look()
    site.writes(2)
    site.publish()
    site.house.clock.move(EVERY / 2)
    site.progress.read_some()
    assert site.steps() == []
    site.writes(3)
    site.house.clock.move(EVERY / 2)
    site.progress.read_some()
    assert site.steps() == [[2, 3]]


def test_nothing_piles_up_while_the_broker_takes_nothing(site: Site) -> None:
    site.run()
    site.publish()
    for step in range(1, 6):
        site.writes(step)
        site.house.clock.move(EVERY)
        site.progress.read_some()
    assert site.steps() == [[1]]
    site.look()
    assert site.steps() == [[2, 3, 4, 5]]


def test_reading_goes_on_after_a_restart_of_the_bridge(site: Site) -> None:
    site.run()
    site.writes(1, 2)
    site.look()
    assert site.steps() == [[1, 2]]
    site.restart()
    site.writes(3)
    site.look()
    assert site.steps() == [[3]]
    (data,) = site.told()
    assert data["progress"]["number"] == 2


def test_a_half_written_line_is_told_when_it_is_whole(site: Site) -> None:
    site.run()
    site.files.append(JOB, "progress.jsonl", b'{"step"')
    site.look()
    assert site.steps() == []
    site.files.append(JOB, "progress.jsonl", b": 1}\n")
    site.look()
    assert site.steps() == [[1]]


def test_lines_that_are_none_are_counted_in_the_next_event(site: Site) -> None:
    site.run()
    site.files.append(JOB, "progress.jsonl", b"Epoch 1/10\n\xff\n")
    site.writes(1)
    site.look()
    (data,) = site.told()
    assert (data["progress"]["skipped"], len(data["progress"]["points"])) == (2, 1)


def test_empty_lines_are_read_and_not_told(site: Site) -> None:
    site.run()
    site.files.append(JOB, "progress.jsonl", b"\n\n")
    site.look()
    assert site.told() == []
    reads = site.files.reads
    site.look()
    assert site.files.reads == reads


@pytest.mark.parametrize("steps", [(7,), (7, 8, 9)])
def test_a_file_that_a_later_run_begins_anew_is_read_from_its_beginning(
    site: Site, steps: tuple[int, ...]
) -> None:
    site.run()
    site.writes(1, 2)
    site.look()
    del site.files.contents[JOB, "progress.jsonl"]
    site.writes(*steps)
    site.look()
    assert site.steps() == [list(steps)]


def test_a_file_that_goes_between_look_and_read_is_waited_for(site: Site) -> None:
    class Vanishing(FakeFiles):
        def sizes(self, files: object) -> tuple[int | None, ...]:
            del files
            return (5,)

    site.files = Vanishing()
    site.restart()
    site.run()
    site.look()
    assert site.told() == []


def test_a_long_curve_comes_whole_in_several_events(site: Site) -> None:
    site.run()
    steps = list(range(3 * MOST_POINTS))
    site.writes(*steps)
    got: list[int] = []
    for _ in range(20):
        site.look()
        got += [step for event in site.steps() for step in event]
    assert got == steps


def test_of_many_running_jobs_each_gets_its_turn(site: Site) -> None:
    for number in range(1, MOST_LOOKS + 3):
        site.run(number)
        site.writes(number, number=number)
    seen: set[int] = set()
    for _ in range(2):
        looks = site.files.looks
        site.look()
        assert site.files.looks - looks <= MOST_LOOKS
        seen |= {step for event in site.steps() for step in event}
    assert seen == set(range(1, MOST_LOOKS + 3))


def test_a_job_from_a_lost_journal_bears_no_number_again_that_was_told(site: Site) -> None:
    restored = Job(
        job_id=JOB,
        accepted_at=site.house.clock.now(),
        phase=Phase.RUNNING,
        slurm_id=SlurmId("1"),
        sequence=1_772_366_000,
    )
    site.house.journal.admit([Acceptance(job=restored, request=b"", fingerprint="", messages=())])
    site.writes(1)
    site.look()
    site.writes(2)
    site.look()
    (data,) = site.told()
    began_at = int(site.house.clock.now().timestamp() - EVERY.total_seconds())
    assert data["progress"]["number"] == began_at + 2


# --- the end of a run


def test_all_is_told_before_the_end_and_the_last_line_needs_no_end(site: Site) -> None:
    slurm_id = site.run()
    site.publish()
    site.writes(*range(2 * MOST_POINTS))
    site.files.append(JOB, "progress.jsonl", b'{"step": 99}')
    site.house.cluster.end(slurm_id)
    site.house.watch.look()
    site.house.clock.move(timedelta(seconds=30))
    site.house.watch.look()
    events = [it["event"] for it in site.told()]
    assert events[-1] == "finished"
    assert set(events[:-1]) == {"progress"}
    assert [step for it in site.steps() for step in it] == [*range(2 * MOST_POINTS), 99]


def test_the_last_event_tells_what_the_job_has_left(site: Site) -> None:
    slurm_id = site.run()
    listing = b"3 " + b"a" * 64 + b" b.txt\0" + b"9 - a.bin\0" + b"total 2\0"
    site.files.append(JOB, "attempt-1.0.artifacts", listing)
    site.house.cluster.end(slurm_id)
    site.house.watch.look()
    site.house.clock.move(timedelta(seconds=30))
    site.house.watch.look()
    last = site.told()[-1]
    assert last["event"] == "finished"
    assert last["artifacts"] == {
        "files": [
            {"name": "a.bin", "size": 9, "sha256": None},
            {"name": "b.txt", "size": 3, "sha256": "a" * 64},
        ],
        "total": 2,
    }
    assert all(it["artifacts"] is None for it in site.told()[:-1])


@pytest.mark.parametrize("listing", [None, b"words"])
def test_what_the_job_has_left_may_not_be_known(site: Site, listing: bytes | None) -> None:
    slurm_id = site.run()
    if listing is not None:
        site.files.append(JOB, "attempt-1.0.artifacts", listing)
    site.house.cluster.end(slurm_id)
    site.house.watch.look()
    site.house.clock.move(timedelta(seconds=30))
    site.house.watch.look()
    assert (site.told()[-1]["event"], site.told()[-1]["artifacts"]) == ("finished", None)


def test_a_file_system_that_does_not_answer_holds_no_end_back(site: Site) -> None:
    slurm_id = site.run()
    site.writes(1)
    site.files.is_available = False
    with pytest.raises(UnavailableError):
        site.progress.read_some()
    site.house.cluster.end(slurm_id)
    site.house.watch.look()
    site.house.clock.move(timedelta(seconds=30))
    site.house.watch.look()
    assert (site.told()[-1]["event"], site.steps()) == ("finished", [])


def test_a_run_that_is_requeued_has_told_all_before_the_next_one(site: Site) -> None:
    slurm_id = site.run()
    site.publish()
    site.writes(1)
    site.house.cluster.requeue(slurm_id)
    site.house.watch.look()
    events = [it["event"] for it in site.told()]
    assert events.index("progress") < events.index("requeued")
    (data,) = (it for it in site.told() if it["event"] == "progress")
    assert (data["restart"], data["progress"]["number"]) == (0, 1)
    site.house.cluster.start(slurm_id)
    site.house.watch.look()
    del site.files.contents[JOB, "progress.jsonl"]
    site.writes(5)
    site.look()
    (data,) = (it for it in site.told() if it["event"] == "progress")
    assert (data["restart"], data["progress"]["number"]) == (1, 2)


def test_an_attempt_that_fails_has_told_all_before_the_next_one(site: Site) -> None:
    site.house.retry = RetryPolicy(attempts=2, reasons=frozenset({FailureReason.EXIT_CODE}))
    slurm_id = site.run()
    site.publish()
    site.writes(1)
    site.house.cluster.end(slurm_id, exit_code=7)
    site.house.watch.look()
    site.house.clock.move(timedelta(seconds=30))
    site.house.watch.look()
    assert [it["event"] for it in site.told()] == ["progress", "retrying"]
    assert site.told()[0]["attempt"] == 1


def test_an_endless_file_does_not_hold_the_end_back_for_ever(site: Site) -> None:
    class Endless(FakeFiles):
        def sizes(self, files: object) -> tuple[int | None, ...]:
            del files
            self.append(JOB, "progress.jsonl", b'{"step": 1}\n')
            return (len(self.contents[JOB, "progress.jsonl"]),)

    site.run()
    site.files = Endless()
    site.restart()
    site.progress.finish([JOB])
    assert len(site.steps()) > 1


def test_of_no_job_nothing_is_told(site: Site) -> None:
    site.house.receive(message(1))
    site.progress.finish([])
    assert site.files.looks == 0
