"""What a front end imports: addresses, events of one job, and a log that is the application's."""

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs
from unit.house import House, job_id, message

from bridge.client import Submitter, broker_at
from bridge.client.follow import of_jobs, status_events
from bridge.client.quiet import log_to_the_application
from bridge.core.errors import ConfigurationError, UnavailableError
from bridge.core.job import SlurmId
from bridge.wire.event import CloudEvent


@pytest.fixture
def unconfigured() -> Iterator[None]:
    """structlog as a program finds it, and again afterwards."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def house() -> House:
    return House()


def events(house: House) -> list[bytes]:
    return [it.message.body for it in house.journal.unsent(1000)]


def told(found: Iterator[CloudEvent]) -> list[str]:
    return [str(it.data.event) for it in found]


def test_an_address_names_all_there_is_to_know() -> None:
    settings = broker_at("amqps://ada:s3cret@rabbit.example.org:5555/science")
    assert settings.host == "rabbit.example.org"
    assert settings.port == 5555
    assert settings.virtual_host == "science"
    assert (settings.user, settings.password) == ("ada", "s3cret")
    assert settings.tls
    assert settings.namespace == "hpc-bridge"


@pytest.mark.parametrize(("url", "port"), [("amqp://u:p@host", 5672), ("amqps://u:p@host/", 5671)])
def test_what_an_address_leaves_out_is_what_the_specification_says(url: str, port: int) -> None:
    settings = broker_at(url)
    assert (settings.port, settings.virtual_host) == (port, "/")


def test_an_address_may_hold_any_character_in_its_escaped_form() -> None:
    settings = broker_at("amqp://a%40b:p%2Fw%3A%25@host/%2Fvh")
    assert (settings.user, settings.password) == ("a@b", "p/w:%")
    assert settings.virtual_host == "/vh"


def test_an_address_with_an_ipv6_host_is_read() -> None:
    settings = broker_at("amqp://u:p@[::1]:5673/")
    assert (settings.host, settings.port) == ("::1", 5673)


def test_the_namespace_is_chosen_beside_the_address() -> None:
    assert broker_at("amqp://u:p@host/", namespace="lab").jobs_exchange == "lab.jobs"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://u:s3cret@host/", "begin with amqp:// or amqps://"),
        ("u:s3cret@host", "begin with amqp:// or amqps://"),
        ("", "begin with amqp:// or amqps://"),
        ("amqp://host/", "user, password and host"),
        ("amqp://u@host/", "user, password and host"),
        ("amqp://u:s3cret@/", "user, password and host"),
        ("amqp://u:s3cret@host:many/", "cannot be read as a URL"),
        ("amqp://u:s3cret@host:70000/", "cannot be read as a URL"),
        ("amqp://u:s3cret@[::1/", "cannot be read as a URL"),
    ],
)
def test_a_wrong_address_is_told_why_and_its_password_is_not_repeated(url: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        broker_at(url)
    assert why in str(refusal.value)
    assert "amqp[s]://user:password@host[:port]/virtual-host" in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


def test_events_come_in_the_order_of_their_messages(house: House) -> None:
    house.queued_job()
    assert told(status_events(events(house))) == ["accepted", "queued"]


def test_a_message_that_is_no_status_event_is_logged_and_left_out(house: House) -> None:
    house.queued_job()
    first, second = events(house)
    with capture_logs() as logs:
        found = told(status_events([first, b"garbage", b"[]", b'{"id": 1}', second]))
    assert found == ["accepted", "queued"]
    assert [it["event"] for it in logs] == ["not_a_status_event"] * 3


def test_only_the_events_of_the_job_are_followed(house: House) -> None:
    house.queued_job(1)
    house.queued_job(2)
    found = list(of_jobs(status_events(events(house)), [job_id(2)]))
    assert {it.data.job_id for it in found} == {job_id(2)}
    assert told(iter(found)) == ["accepted", "queued"]


def test_a_job_is_followed_up_to_its_end_and_no_further(house: House) -> None:
    slurm_id = house.queued_job(1)
    house.cluster.start(slurm_id)
    house.cluster.end(slurm_id)
    house.watch.look()
    house.queued_job(2)
    stream = status_events(events(house))
    assert told(of_jobs(stream, [job_id(1)])) == ["accepted", "queued", "started", "finished"]
    assert [it.data.job_id for it in stream] == [job_id(2)] * 2


def test_several_jobs_are_followed_until_the_last_of_them_is_over(house: House) -> None:
    first, second = house.queued_job(1), house.queued_job(2)
    house.queued_job(3)
    for slurm_id in (second, first):
        house.cluster.cancel(slurm_id)
        house.watch.look()
    house.queued_job(4)
    stream = status_events(events(house))
    found = list(of_jobs(stream, [job_id(1), job_id(2)]))
    assert {it.data.job_id for it in found} == {job_id(1), job_id(2)}
    assert told(iter(found)).count("cancelled") == 2
    assert {it.data.job_id for it in stream} == {job_id(4)}


def test_a_rejected_message_ends_what_follows_its_id(house: House) -> None:
    house.receive(message(1, image="/elsewhere.sif"), message(1))
    assert told(of_jobs(status_events(events(house)), [job_id(1)])) == ["rejected"]


def test_the_rejection_of_another_message_with_the_same_id_does_not_end_the_job(
    house: House,
) -> None:
    house.queued_job()
    house.receive(message(name="another job under the same id"))
    house.cluster.cancel(SlurmId("1"))
    house.watch.look()
    found = told(of_jobs(status_events(events(house)), [job_id(1)]))
    assert found == ["accepted", "queued", "rejected", "cancelled"]


def test_without_a_broker_submitting_fails_within_the_patience_and_says_why() -> None:
    broker = broker_at("amqp://u:p@127.0.0.1:1/")
    with (
        capture_logs(),
        Submitter(broker, patience=timedelta(milliseconds=200)) as submitter,
        pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1: Connection refused"),
    ):
        submitter.submit("testbed", message(), job_id=job_id(1))


@pytest.mark.usefixtures("unconfigured")
def test_our_log_events_go_to_the_logging_of_the_application(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    log_to_the_application()
    with caplog.at_level(logging.INFO):
        structlog.get_logger("bridge.test").info("connected", host="here")
        structlog.get_logger("bridge.test").debug("a detail")
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert "connected" in record.getMessage()
    assert "here" in record.getMessage()
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("unconfigured")
def test_how_an_application_has_configured_structlog_is_left_alone() -> None:
    mine = [structlog.processors.JSONRenderer()]
    structlog.configure(processors=mine)
    log_to_the_application()
    assert structlog.get_config()["processors"] == mine
