"""Jobs whose images are pulled before they are submitted."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from unit.house import House, message

from bridge.core.failure import FailureReason
from bridge.core.job import JobId
from bridge.core.retry import RetryPolicy
from bridge.flows.pull import Pulls
from bridge.testing.images import FakeImages

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE, OTHER = "/images/pulled-1.sif", "/images/pulled-2.sif"


class PullingHouse(House):
    """A site that pulls images before; what is spawned runs when a test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.images = FakeImages()
        self.spawned: list[Callable[[], None]] = []
        self.renew()

    def renew(self) -> None:
        """What a daemon begins with, but for the journal."""
        self.pulls = Pulls(
            images=self.images,
            journal=self.journal,
            recorder=self.recorder,
            clock=self.clock,
            image_of=self._image_of,
            spawn=self._spawn,
            at_once=2,
        )
        self.submission = self._new_submission(self.pulls.lacks_image)

    def step(self) -> None:
        """Submit what can be, and begin what has to be."""
        self.submission.submit_waiting()
        self.pulls.pull_awaited()

    def run_spawned(self) -> None:
        spawned, self.spawned = self.spawned, []
        for work in spawned:
            work()

    def settle(self) -> None:
        """All that can happen has happened."""
        for _ in range(4):
            self.step()
            self.run_spawned()

    def _spawn(self, work: "Callable[[], None]") -> None:
        self.spawned.append(work)

    def _image_of(self, job: JobId) -> str | None:
        image = str(json.loads(self.journal.request(job))["image"])
        return image if "pulled" in image else None


@pytest.fixture
def house() -> PullingHouse:
    return PullingHouse()


def test_an_image_that_is_there_holds_nobody_up(house: PullingHouse) -> None:
    house.images.there = {IMAGE}
    house.receive(message(1, image=IMAGE), message(2, image="/images/a.sif"))
    house.step()
    assert (house.job(1).phase, house.job(2).phase) == ("pulling", "queued")
    house.settle()
    assert house.told(1) == ["accepted", "queued"]
    assert house.images.pulls == {}
    house.receive(message(3, image=IMAGE))
    house.submission.submit_waiting()
    assert house.job(3).phase == "queued"
    assert house.images.looks == {IMAGE: 1}


def test_of_many_jobs_one_pull_and_each_is_told(house: PullingHouse) -> None:
    house.images.registry = {IMAGE}
    house.receive(*(message(number, image=IMAGE) for number in (1, 2, 3)))
    house.settle()
    assert house.images.pulls == {IMAGE: 1}
    for number in (1, 2, 3):
        assert house.told(number) == ["accepted", "pulling", "queued"]


def test_a_job_is_told_while_the_image_is_pulled(house: PullingHouse) -> None:
    house.images.registry = {IMAGE}
    house.receive(message(1, image=IMAGE))
    house.step()
    fetch = house.spawned.pop()
    told: list[list[str]] = []
    pull = house.images.pull

    def slow_pull(image: str) -> None:
        house.receive(message(2, image=IMAGE), message(3, image="/images/a.sif"))
        house.step()
        house.step()
        told.extend([house.told(1), house.told(2), house.told(3)])
        pull(image)

    house.images.pull = slow_pull  # type: ignore[method-assign]
    fetch()
    assert told == [["accepted", "pulling"], ["accepted", "pulling"], ["accepted", "queued"]]
    house.settle()
    assert house.told(2) == ["accepted", "pulling", "queued"]


def test_an_image_that_cannot_be_pulled_fails_those_that_want_it(house: PullingHouse) -> None:
    house.images.registry = {OTHER}
    house.receive(message(1, image=IMAGE), message(2, image=OTHER), message(3, image=IMAGE))
    house.settle()
    for number in (1, 3):
        assert house.told(number) == ["accepted", "pulling", "failed"]
        assert house.last_event(number)["reason"] == "image-pull"
        assert house.last_event(number)["detail"] == f"{IMAGE}: manifest unknown"
    assert house.told(2)[-1] == "queued"


def test_who_comes_later_has_it_tried_again(house: PullingHouse) -> None:
    house.receive(message(1, image=IMAGE))
    house.settle()
    house.images.registry = {IMAGE}
    house.receive(message(2, image=IMAGE))
    house.settle()
    assert house.told(2)[-1] == "queued"
    assert house.images.pulls == {IMAGE: 2}


def test_a_retry_may_name_a_failed_pull(house: PullingHouse) -> None:
    house.retry = RetryPolicy(
        attempts=2, reasons=frozenset({FailureReason.IMAGE_PULL}), wait=timedelta(minutes=1)
    )
    house.receive(message(1, image=IMAGE))
    house.settle()
    assert house.told(1) == ["accepted", "pulling", "retrying"]
    house.images.registry = {IMAGE}
    house.clock.move(timedelta(minutes=1))
    house.settle()
    assert house.told(1)[-1] == "queued"


def test_a_silent_site_is_asked_again_later_and_fails_nobody(house: PullingHouse) -> None:
    house.images.registry = {IMAGE}
    house.images.is_available = False
    house.receive(message(1, image=IMAGE))
    house.settle()
    assert house.told(1) == ["accepted"]
    house.images.is_available = True
    house.settle()
    assert house.images.looks == {}
    house.clock.move(timedelta(seconds=15))
    house.settle()
    assert house.told(1)[-1] == "queued"


def test_only_so_many_images_at_once(house: PullingHouse) -> None:
    house.receive(*(message(it, image=f"/images/pulled-{it}.sif") for it in (1, 2, 3)))
    house.step()
    house.step()
    assert len(house.spawned) == 2


def test_a_cancelled_job_waits_no_longer(house: PullingHouse) -> None:
    house.images.registry = {IMAGE}
    house.receive(message(1, image=IMAGE))
    house.step()
    house.cancel(1)
    assert house.told(1) == ["accepted", "cancelled"]
    house.settle()
    assert house.told(1) == ["accepted", "cancelled"]


def test_what_was_pulled_when_the_daemon_died_is_looked_for_anew(house: PullingHouse) -> None:
    house.images.registry = {IMAGE}
    house.receive(message(1, image=IMAGE))
    house.step()
    house.spawned.clear()
    house.renew()
    house.settle()
    assert house.told(1)[-1] == "queued"


def test_an_image_is_not_believed_in_for_ever(house: PullingHouse) -> None:
    house.images.there = {IMAGE}
    house.receive(message(1, image=IMAGE))
    house.settle()
    house.images.there.clear()
    house.clock.move(timedelta(minutes=11))
    house.receive(message(2, image=IMAGE))
    house.settle()
    assert house.told(2)[-1] == "failed"


def test_a_job_that_wants_nothing_any_more_goes_on(house: PullingHouse) -> None:
    house.receive(message(1, image=IMAGE))
    house.step()
    house.pulls = Pulls(
        images=house.images,
        journal=house.journal,
        recorder=house.recorder,
        clock=house.clock,
        image_of=lambda _: None,
        spawn=house.spawned.append,
    )
    house.pulls.pull_awaited()
    assert house.job(1).phase == "accepted"


def test_a_journal_that_cannot_be_written_keeps_the_job_waiting(house: PullingHouse) -> None:
    house.receive(message(1, image=IMAGE))
    house.step()
    house.journal.failure = "disk full"
    house.run_spawned()
    house.journal.failure = None
    assert house.job(1).phase == "pulling"
    house.clock.move(timedelta(seconds=15))
    house.settle()
    assert house.told(1)[-1] == "failed"


def test_a_failed_pull_that_cannot_be_recorded_is_tried_again(house: PullingHouse) -> None:
    house.receive(message(1, image=IMAGE))
    house.step()
    pull = house.images.pull

    def with_a_full_disk(image: str) -> None:
        house.journal.failure = "disk full"
        pull(image)

    house.images.pull = with_a_full_disk  # type: ignore[method-assign]
    house.run_spawned()
    house.images.pull = pull  # type: ignore[method-assign]
    house.journal.failure = None
    assert house.told(1) == ["accepted", "pulling"]
    house.settle()
    assert house.told(1) == ["accepted", "pulling", "failed"]
    assert house.images.pulls == {IMAGE: 2}
