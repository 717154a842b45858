"""Messages of MLExchange front ends on their way in: several jobs or one, or a refusal."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from unit.builders import site
from unit.house import UNRENDERABLE, House, job_id
from unit.house import message as own_message
from unit.mlexchange_messages import broker_task, compute_jobs, flow_steps, listed_job, step

from bridge.core.job import JobId
from bridge.core.lifecycle import Job, Phase
from bridge.core.mlexchange import MlexchangeRules
from bridge.core.site import BindRoot, ContainerRules, Runtime
from bridge.flows.intake import Intake
from bridge.ports import Delivery, Settlement

CONTAINERS = ContainerRules(
    runtime=Runtime.APPTAINER,
    images=("/images/*.sif",),
    bind_roots=(BindRoot(path="/srv", read_only=False),),
)
RULES = MlexchangeRules(
    images=(
        ("forest", "/images/forest.sif"),
        ("unrenderable", UNRENDERABLE),
        ("registry/image:tag", "/images/image.sif"),
    ),
    folders=(("/data", "/srv/data"),),
)
RUN = "0b0f3f1e-4f0e-4f0e-9f5e-0d3d8f0c9a11"


@pytest.fixture
def house() -> House:
    return House(at=site(containers=CONTAINERS, reply_queues=("results",)))


@pytest.fixture
def intake(house: House) -> Intake:
    return house.front_end_intake(RULES)


def sent(house: House, message: Mapping[str, object] | bytes, **properties: str) -> Delivery:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return replace(house.delivery(body), **properties)  # type: ignore[arg-type]


def job_of(image: str = "forest", **changes: object) -> dict[str, object]:
    job = listed_job(**changes)
    return job | {"job_kwargs": job["job_kwargs"] | {"uri": image}}


def pair() -> dict[str, object]:
    return compute_jobs(job_of(), job_of(), dependencies={"1": [0]})


def jobs(house: House) -> list[Job]:
    """What was recorded, first to last."""
    return [*house.journal.waiting(10, now=house.clock.now()), *house.journal.blocked()]


def accepted(house: House) -> list[dict[str, object]]:
    bodies = [it.message for it in house.journal.unsent(100) if it.message.reply_to is None]
    data = [json.loads(it.body)["data"] for it in bodies]
    return [it for it in data if it["event"] == "accepted"]


def reply(house: House) -> dict[str, object]:
    (found,) = house.replies()
    said: dict[str, object] = json.loads(found.body)
    return said


def test_a_task_becomes_a_job_under_the_uuid_that_its_sender_knows(
    house: House, intake: Intake
) -> None:
    delivery = sent(house, broker_task(), correlation_id=RUN, reply_to="results")
    assert intake.receive([delivery]) == (Settlement.ACK,)
    (job,) = jobs(house)
    assert job.job_id == RUN
    assert house.replies() == []


def test_the_job_is_kept_as_a_message_of_our_own(house: House, intake: Intake) -> None:
    intake.receive([sent(house, broker_task(), correlation_id=RUN)])
    kept = json.loads(house.journal.request(JobId(RUN)))
    assert kept["version"] == 1
    assert kept["image"] == "/images/image.sif"


def test_all_jobs_of_a_message_are_recorded_and_wait_for_each_other(
    house: House, intake: Intake
) -> None:
    assert intake.receive([sent(house, pair())]) == (Settlement.ACK,)
    first, second = jobs(house)
    assert (first.phase, second.phase) == (Phase.ACCEPTED, Phase.BLOCKED)
    assert [it.job_id for it in second.waits_for] == [first.job_id]


def test_what_a_job_does_not_get_is_noted_when_it_is_accepted(house: House, intake: Intake) -> None:
    intake.receive([sent(house, compute_jobs(job_of()))])
    (event,) = accepted(house)
    assert event["notes"] == [
        "host_list: the jobs run at testbed, whatever 'vaughan.als.lbl.gov' is"
    ]


def test_the_same_message_again_changes_nothing(house: House, intake: Intake) -> None:
    deliveries = [sent(house, pair()), sent(house, dict(reversed(pair().items())))]
    assert intake.receive(deliveries) == (Settlement.ACK, Settlement.ACK)
    assert intake.receive(deliveries) == (Settlement.ACK, Settlement.ACK)
    assert len(jobs(house)) == 2


def test_a_message_that_comes_again_after_the_site_was_changed_is_the_same(house: House) -> None:
    delivery = sent(house, broker_task(), correlation_id=RUN)
    house.front_end_intake(RULES).receive([delivery])
    changed = replace(RULES, start_in=None)
    assert house.front_end_intake(changed).receive([delivery]) == (Settlement.ACK,)
    assert house.rejections() == []


def test_another_message_under_the_same_uuid_is_refused_and_its_sender_told(
    house: House, intake: Intake
) -> None:
    intake.receive([sent(house, broker_task(), correlation_id=RUN)])
    other = sent(house, broker_task(kw_args="other"), correlation_id=RUN, reply_to="results")
    assert intake.receive([other]) == (Settlement.DEAD_LETTER,)
    assert "another request bears this id" in str(reply(house)["reason"])


def test_of_several_jobs_none_is_taken_when_one_cannot_run(house: House, intake: Intake) -> None:
    message = compute_jobs(job_of(), job_of("elsewhere"), job_of("unrenderable"))
    assert intake.receive([sent(house, message)]) == (Settlement.DEAD_LETTER,)
    assert jobs(house) == []
    (rejection,) = house.rejections()
    assert rejection["job_id"] is None
    assert rejection["problems"] == [
        {
            "where": "job_list.1.job_kwargs.uri",
            "what": "'elsewhere' may not run at testbed; images accepted: /images/*.sif",
        },
        {"where": "job_list.2.working_directory", "what": "a colon cannot be written"},
    ]


def test_what_is_wrong_with_every_job_is_told_once(house: House, intake: Intake) -> None:
    message = pair() | {"user_uid": "a\nb", "requirements": {"bank": "m 1"}}
    intake.receive([sent(house, message)])
    (rejection,) = house.rejections()
    problems = rejection["problems"]
    assert isinstance(problems, list)
    assert [it["where"] for it in problems] == ["requirements.bank", "user_uid"]


def test_a_refused_job_that_came_alone_is_named(house: House, intake: Intake) -> None:
    task = broker_task(docker_uri="elsewhere")
    intake.receive([sent(house, task, correlation_id=RUN)])
    broken = broker_task(docker_uri="a b")
    intake.receive([sent(house, broken, correlation_id=RUN)])
    assert [it["job_id"] for it in house.rejections()] == [RUN, RUN]


def test_who_waits_for_a_job_that_is_refused_is_told_why(house: House, intake: Intake) -> None:
    task = broker_task(docker_uri="elsewhere")
    intake.receive([sent(house, task, correlation_id=RUN, reply_to="results")])
    assert reply(house) == {
        "job_type": "training",
        "job_status": "failed",
        "logs": "",
        "job_id": None,
        "reason": "rejected: docker_uri: 'elsewhere' may not run at testbed; "
        "images accepted: /images/*.sif",
    }
    (message,) = house.replies()
    assert (message.reply_to, message.correlation_id) == ("results", RUN)


@pytest.mark.parametrize("body", [b"garbage", b"[]", b'{"docker_uri": 1, "job_type": 2}', b"{}"])
def test_who_sends_no_message_at_all_is_told_too(body: bytes, house: House, intake: Intake) -> None:
    deliveries = [sent(house, body, reply_to="results")] * 2
    assert intake.receive(deliveries) == (Settlement.DEAD_LETTER, Settlement.DEAD_LETTER)
    assert reply(house)["job_status"] == "failed"
    assert reply(house)["job_type"] == ""


def test_a_queue_that_the_site_does_not_reply_to_gets_nothing(house: House, intake: Intake) -> None:
    intake.receive([sent(house, broker_task(), reply_to="hpc-bridge.jobs.testbed")])
    (rejection,) = house.rejections()
    assert "gets no replies from testbed" in str(rejection["detail"])
    assert house.replies() == []


@pytest.mark.parametrize("changed", ["reply_to", "correlation_id"])
def test_what_no_reply_can_bear_is_refused_without_one(
    changed: str, house: House, intake: Intake
) -> None:
    properties = {"reply_to": "results"} | {changed: "\u00fc" * 128}
    assert intake.receive([sent(house, broker_task(), **properties)]) == (Settlement.DEAD_LETTER,)
    (rejection,) = house.rejections()
    assert "at most 255 bytes are accepted" in str(rejection["detail"])
    assert house.replies() == []


def test_messages_of_our_own_are_taken_beside_them(house: House, intake: Intake) -> None:
    assert intake.receive([sent(house, own_message())]) == (Settlement.ACK,)
    refused = sent(house, own_message(2, image="elsewhere"), reply_to="results")
    assert intake.receive([refused]) == (Settlement.DEAD_LETTER,)
    assert house.told() == ["accepted"]
    assert house.replies() == []


def test_what_is_nobodys_message_is_told_what_would_be_one(house: House, intake: Intake) -> None:
    intake.receive([sent(house, {"image": "a"})])
    (rejection,) = house.rejections()
    assert rejection["detail"] == (
        "no message of an MLExchange front end, which has one of docker_uri, job_list, "
        "params_list, model_name; and none of our own, which has a version"
    )


def test_where_they_are_not_understood_they_are_messages_with_unknown_fields(house: House) -> None:
    house.intake.receive([sent(house, broker_task(), reply_to="results")])
    (rejection,) = house.rejections()
    assert "docker_uri: unknown field" in str(rejection["detail"])
    assert house.replies() == []


def test_a_chain_whose_first_step_fails_replies_once_and_says_so(
    house: House, intake: Intake
) -> None:
    steps = [step(image_name="forest", image_tag=None, volumes=[]) for _ in range(2)]
    intake.receive([sent(house, flow_steps(*steps), reply_to="results", correlation_id="7")])
    first, second = jobs(house)
    house.submission.submit_waiting()
    (queued,) = house.journal.live()
    assert queued.slurm_id is not None
    house.run_job(queued.slurm_id, exit_code=3)
    assert house.replies() == []
    house.release.release_waiting()
    assert reply(house)["job_status"] == "failed"
    assert reply(house)["reason"] == f"it waited for the job {first.job_id}, which has failed"
    assert reply(house)["job_id"] == second.job_id


def test_an_id_of_ours_is_none_of_theirs(house: House, intake: Intake) -> None:
    intake.receive([sent(house, own_message(7))])
    taken = sent(house, broker_task(), correlation_id=job_id(7), reply_to="results")
    assert intake.receive([taken]) == (Settlement.DEAD_LETTER,)
    assert reply(house)["job_status"] == "failed"
