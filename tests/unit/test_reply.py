"""Replies: one terminal answer for those who wait for it."""

import json
from dataclasses import replace

import pytest
from unit.builders import Story, begun, refused, site
from unit.house import House, job_id, message

from bridge.core.facts import Refused, SubmissionBegun
from bridge.flows.reply import MOST_LOG_BYTES, Replies
from bridge.ports import Delivery

REPLY_TO = {"queue": "results", "correlation_id": "run-7", "job_type": "training"}


@pytest.fixture
def house() -> House:
    return House(at=site(reply_queues=("results",)))


def waited_for(house: House) -> None:
    house.receive(message(reply_to=REPLY_TO, site="testbed"))


def run(house: House, exit_code: int = 0) -> None:
    house.submission.submit_waiting()
    slurm_id = house.job().slurm_id
    assert slurm_id is not None
    house.run_job(slurm_id, exit_code=exit_code)


def said(house: House) -> dict[str, object]:
    (reply,) = house.replies()
    found: dict[str, object] = json.loads(reply.body)
    return found


def test_a_job_that_finishes_replies_complete_with_what_it_has_written(house: House) -> None:
    waited_for(house)
    house.files.append(job_id(1), "stdout", b"epoch 1\nepoch 2\n")
    house.files.append(job_id(1), "stderr", b"a warning\n")
    run(house)
    assert said(house) == {
        "job_type": "training",
        "job_status": "complete",
        "logs": "epoch 1\nepoch 2\na warning",
        "job_id": job_id(1),
        "reason": None,
    }
    (reply,) = house.replies()
    assert (reply.reply_to, reply.correlation_id) == ("results", "run-7")
    assert (reply.event_id, reply.routing_key) == (f"reply/{job_id(1)}", "testbed.reply")
    assert house.told()[-1] == "finished"


def test_a_job_that_fails_replies_why(house: House) -> None:
    waited_for(house)
    run(house, exit_code=7)
    assert said(house)["job_status"] == "failed"
    assert said(house)["reason"] == "it exited with 7"


def test_a_job_that_slurm_refuses_replies_in_slurms_words_and_has_written_nothing(
    house: House,
) -> None:
    waited_for(house)
    house.files.append(job_id(1), "stdout", b"of somebody else")
    house.recorder.tell(
        [
            (house.job(), SubmissionBegun(at=house.clock.now())),
            (house.job(), Refused(at=house.clock.now(), words="Invalid qos specification")),
        ]
    )
    assert said(house)["job_status"] == "failed"
    assert said(house)["reason"] == "Invalid qos specification"
    assert said(house)["logs"] == ""


def test_a_job_that_is_cancelled_before_it_starts_replies_cancelled(house: House) -> None:
    waited_for(house)
    house.cancel(1)
    assert said(house)["job_status"] == "cancelled"
    assert said(house)["reason"] == "cancelled before it was submitted"


def test_a_job_that_is_stopped_while_it_runs_replies_terminated(house: House) -> None:
    waited_for(house)
    house.submission.submit_waiting()
    slurm_id = house.job().slurm_id
    assert slurm_id is not None
    house.cluster.start(slurm_id)
    house.watch.look()
    house.cancel(1)
    house.cancellation.cancel_waiting()
    house.watch.look()
    assert said(house)["job_status"] == "terminated"


def test_while_a_job_lives_nothing_is_replied(house: House) -> None:
    waited_for(house)
    house.submission.submit_waiting()
    assert house.replies() == []


def test_a_job_that_nobody_waits_for_replies_to_nobody(house: House) -> None:
    house.receive(message())
    run(house)
    assert house.replies() == []


def test_where_replies_are_not_sent_no_message_is_looked_into() -> None:
    house = House()
    house.receive(message())
    run(house)
    assert house.told()[-1] == "finished"
    assert house.replies() == []


def test_a_reply_holds_no_more_than_the_end_of_much_output(house: House) -> None:
    waited_for(house)
    house.files.append(job_id(1), "stdout", b"a" * MOST_LOG_BYTES + b"\xffb")
    run(house)
    assert said(house)["logs"] == "a" * (MOST_LOG_BYTES - 2) + "\N{REPLACEMENT CHARACTER}b"


def test_output_that_is_gone_between_two_looks_is_none(house: House) -> None:
    waited_for(house)
    house.files.append(job_id(1), "stdout", b"")
    run(house)
    assert said(house)["logs"] == ""


def test_output_that_cannot_be_read_is_told_by_its_place(house: House) -> None:
    waited_for(house)
    house.files.is_available = False
    run(house)
    assert said(house)["job_status"] == "complete"
    assert said(house)["logs"] == (
        f"(its output is in /work/bridge/{job_id(1)}, which cannot be read now: "
        "the file system does not answer)"
    )


def test_a_queue_that_gets_no_replies_is_told_before_the_job_is_taken(house: House) -> None:
    house.receive(message(reply_to={"queue": "hpc-bridge.jobs.testbed"}))
    (rejection,) = house.rejections()
    assert rejection["detail"] == (
        "reply_to.queue: 'hpc-bridge.jobs.testbed' gets no replies from testbed; accepted: results"
    )


def test_a_site_without_replies_says_so() -> None:
    house = House()
    house.receive(message(reply_to=REPLY_TO))
    (rejection,) = house.rejections()
    assert str(rejection["detail"]).endswith("gets no replies from testbed; accepted: none")


def test_a_job_that_was_taken_under_another_name_of_the_site_replies_to_nobody(
    house: House,
) -> None:
    waited_for(house)
    event = Story(begun(), refused()).last
    event = replace(event, job=replace(event.job, job_id=job_id(1)))
    renamed = replace(house.site, name="elsewhere")
    replies = Replies(site=renamed, journal=house.journal, files=house.files)
    assert replies.reply(event) is None


def test_deliveries_of_our_own_say_nothing_of_replies() -> None:
    house = House()
    delivery = Delivery(
        body=b"garbage",
        message_id=None,
        redelivered=False,
        connection=1,
        delivery_tag=1,
        reply_to="results",
    )
    house.intake.receive([delivery])
    assert house.replies() == []
