"""Intake: every message ends as a recorded job or as a recorded rejection."""

from collections.abc import Sequence

import pytest
from unit.house import UNRENDERABLE, House, job_id, message

from bridge.core.errors import Problem, UnavailableError
from bridge.core.job import JobSpec
from bridge.core.lifecycle import Job
from bridge.flows.intake import Intake
from bridge.ports import Settlement


@pytest.fixture
def house() -> House:
    return House()


def test_a_good_message_is_recorded_and_acknowledged(house: House) -> None:
    assert house.receive(message()) == (Settlement.ACK,)
    assert house.told() == ["accepted"]


def test_the_accepted_event_repeats_what_was_asked_for(house: House) -> None:
    house.receive(message(labels={"experiment": "123"}, user="ada"))
    assert house.last_event()["job"] == {
        "name": "digits",
        "kind": "other",
        "image": "/images/sklearn.sif",
        "user": "ada",
        "labels": {"experiment": "123"},
    }


def test_the_same_message_again_changes_nothing_and_is_acknowledged(house: House) -> None:
    house.receive(message())
    assert house.receive(message()) == (Settlement.ACK,)
    assert house.told() == ["accepted"]


def test_the_same_message_twice_in_one_batch_is_one_job(house: House) -> None:
    assert house.receive(message(), message()) == (Settlement.ACK, Settlement.ACK)
    assert house.told() == ["accepted"]


def test_another_spelling_of_the_same_message_is_the_same_job(house: House) -> None:
    house.receive(message())
    assert house.receive(message().replace(b", ", b",\n   ")) == (Settlement.ACK,)
    assert house.rejections() == []


def test_the_same_id_with_other_content_is_rejected_and_the_first_job_lives_on(
    house: House,
) -> None:
    house.receive(message())
    assert house.receive(message(name="other")) == (Settlement.DEAD_LETTER,)
    (rejection,) = house.rejections()
    assert rejection["job_id"] == job_id(1)
    assert "another request bears this id" in str(rejection["detail"])
    assert house.job().phase == "accepted"


def test_a_bad_message_between_good_ones_stops_nobody(house: House) -> None:
    settlements = house.receive(message(1), b"\xff\x00garbage", message(2))
    assert settlements == (Settlement.ACK, Settlement.DEAD_LETTER, Settlement.ACK)
    assert house.told(1) == house.told(2) == ["accepted"]
    (rejection,) = house.rejections()
    assert rejection["job_id"] is None


def test_an_unknown_field_is_named_in_the_rejection(house: House) -> None:
    house.receive(message(gpu=True))
    (rejection,) = house.rejections()
    assert "gpu" in str(rejection["detail"])


def test_every_rule_that_a_job_breaks_is_told_at_once(house: House) -> None:
    house.receive(message(image="/elsewhere/x.sif", resources={"qos": "premium"}))
    (rejection,) = house.rejections()
    problems = rejection["problems"]
    assert isinstance(problems, list)
    assert [it["where"] for it in problems] == ["image", "resources.qos"]


def test_a_message_for_another_site_is_rejected(house: House) -> None:
    assert house.receive(message(site="elsewhere")) == (Settlement.DEAD_LETTER,)
    (rejection,) = house.rejections()
    assert "'elsewhere'" in str(rejection["detail"])


def test_a_job_for_which_no_script_can_be_written_is_rejected_at_once(house: House) -> None:
    assert house.receive(message(image=UNRENDERABLE)) == (Settlement.DEAD_LETTER,)
    (rejection,) = house.rejections()
    assert "a colon cannot be written" in str(rejection["detail"])


def test_the_same_bad_bytes_again_are_one_rejection(house: House) -> None:
    house.receive(b"garbage")
    assert house.receive(b"garbage") == (Settlement.DEAD_LETTER,)
    assert len(house.rejections()) == 1


def test_a_bug_in_reading_one_message_rejects_that_message_alone(house: House) -> None:
    def trip(spec: JobSpec) -> list[Problem]:
        if spec.job_id == job_id(1):
            raise ZeroDivisionError
        return []

    intake = Intake(site=house.site, journal=house.journal, clock=house.clock, examine=trip)
    deliveries = [house.delivery(message(1)), house.delivery(message(2))]
    assert intake.receive(deliveries) == (Settlement.DEAD_LETTER, Settlement.ACK)
    (rejection,) = house.rejections()
    assert "the bridge failed to read this message" in str(rejection["detail"])


def test_nothing_is_settled_while_the_journal_cannot_be_written(house: House) -> None:
    house.journal.failure = "database or disk is full"
    with pytest.raises(UnavailableError, match="disk is full"):
        house.receive(message())
    house.journal.failure = None
    assert house.receive(message()) == (Settlement.ACK,)


def test_arrivals_are_announced_before_they_are_settled_and_again_when_that_failed(
    house: House,
) -> None:
    announced: list[list[str]] = []

    def fail_once(arrived: Sequence[Job]) -> None:
        announced.append([it.job_id for it in arrived])
        if len(announced) == 1:
            raise UnavailableError("disk I/O error")

    intake = Intake(
        site=house.site,
        journal=house.journal,
        clock=house.clock,
        examine=lambda _: (),
        on_arrival=fail_once,
    )
    deliveries = [house.delivery(it) for it in (message(1), b"garbage", message(2))]
    with pytest.raises(UnavailableError, match="disk I/O error"):
        intake.receive(deliveries)
    assert intake.receive(deliveries) == (Settlement.ACK, Settlement.DEAD_LETTER, Settlement.ACK)
    assert announced == [[job_id(1), job_id(2)]] * 2
    assert house.told(1) == house.told(2) == ["accepted"]


def test_where_nothing_arrives_nothing_is_announced(house: House) -> None:
    announced: list[Sequence[Job]] = []
    intake = Intake(
        site=house.site,
        journal=house.journal,
        clock=house.clock,
        examine=lambda _: (),
        on_arrival=announced.append,
    )
    intake.receive([house.delivery(b"garbage")])
    assert announced == []
