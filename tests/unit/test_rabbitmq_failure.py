"""Why there is no connection, in words; and when to come back."""

from datetime import timedelta

import pytest
from pika.adapters.utils.connection_workflow import (
    AMQPConnectionWorkflowFailed,
    AMQPConnectorSocketConnectError,
)
from pika.exceptions import (
    AMQPConnectionError,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    StreamLostError,
)

from bridge.adapters.rabbitmq.failure import Failure, Retry, explain
from bridge.adapters.rabbitmq.parameters import connection_parameters
from bridge.core.errors import ConfigurationError
from bridge.core.settings import BrokerSettings

SETTINGS = BrokerSettings(
    host="rabbit.example", port=5672, virtual_host="hpc", user="bridge", password="s3cr3t"
)


def test_a_wrong_password_is_told_without_the_password() -> None:
    closed = ConnectionClosedByBroker(403, "ACCESS_REFUSED - Login was refused")
    failure = explain(ProbableAuthenticationError(repr(closed)), SETTINGS)
    assert failure == Failure(
        words="rabbit.example:5672 refuses user 'bridge': unknown user or wrong password",
        lasting=True,
    )


def test_a_missing_virtual_host_is_told_by_name() -> None:
    closed = ConnectionClosedByBroker(530, "NOT_ALLOWED - vhost hpc not found")
    failure = explain(ProbableAccessDeniedError(repr(closed)), SETTINGS)
    assert failure.lasting
    assert "the virtual host 'hpc'" in failure.words
    assert "vhost hpc not found" in failure.words


def test_a_stream_lost_while_logging_in_says_nothing_of_passwords() -> None:
    lost = ProbableAuthenticationError(repr(StreamLostError("Transport indicated EOF")))
    failure = explain(lost, SETTINGS)
    assert not failure.lasting
    assert failure.words.startswith("rabbit.example:5672: the connection was lost during log-in")


def test_a_port_where_nobody_listens_is_told_in_the_words_of_the_system() -> None:
    refused = AMQPConnectorSocketConnectError(ConnectionRefusedError(111, "Connection refused"))
    error = AMQPConnectionError(AMQPConnectionWorkflowFailed([refused]))
    assert explain(error, SETTINGS) == Failure(words="rabbit.example:5672: Connection refused")


def test_what_a_broker_says_at_the_end_is_repeated() -> None:
    error = ConnectionClosedByBroker(320, "CONNECTION_FORCED - broker forced connection closure")
    words = "rabbit.example:5672: 320 CONNECTION_FORCED - broker forced connection closure"
    assert explain(error, SETTINGS) == Failure(words=words)


def test_waits_grow_to_half_a_minute() -> None:
    retry = Retry(jitter=lambda: 0.0)
    never = timedelta(0)
    waits = [retry.after(stood=never, lasting=False).total_seconds() for _ in range(9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_no_wait_is_longer_than_the_longest() -> None:
    retry = Retry(jitter=lambda: 0.0, longest=timedelta(seconds=3))
    never = timedelta(0)
    assert [retry.after(stood=never, lasting=it) for it in (True, False, False, False)] == [
        timedelta(seconds=it) for it in (3, 1, 2, 3)
    ]


def test_what_stood_for_long_is_tried_again_at_once() -> None:
    retry = Retry(jitter=lambda: 0.0)
    for _ in range(5):
        retry.after(stood=timedelta(0), lasting=False)
    assert retry.after(stood=timedelta(hours=1), lasting=False) == timedelta(seconds=0.5)


def test_what_opens_and_falls_is_not_hammered() -> None:
    retry = Retry(jitter=lambda: 0.0)
    waits = [retry.after(stood=timedelta(seconds=1), lasting=False) for _ in range(7)]
    assert waits[-1] == timedelta(seconds=30)


def test_what_only_a_person_can_mend_is_tried_at_the_longest_interval() -> None:
    retry = Retry(jitter=lambda: 0.5)
    assert retry.after(stood=timedelta(0), lasting=True) == timedelta(seconds=22.5)


@pytest.mark.parametrize(
    ("ours", "offered", "agreed"), [(60, 30, 30), (30, 60, 30), (60, 0, 60), (0.2, 60, 1)]
)
def test_the_shorter_heartbeat_wins_and_there_always_is_one(
    ours: float, offered: int, agreed: int
) -> None:
    settings = BrokerSettings(
        host="rabbit.example",
        port=5672,
        virtual_host="hpc",
        user="bridge",
        password="s3cr3t",
        heartbeat=timedelta(seconds=ours),
    )
    assert connection_parameters(settings, name="test").heartbeat(None, offered) == agreed


def test_a_certificate_authority_that_is_not_there_is_told_at_once() -> None:
    settings = BrokerSettings(
        host="rabbit.example",
        port=5671,
        virtual_host="hpc",
        user="bridge",
        password="s3cr3t",
        tls=True,
        certificate_authority="/nowhere/ca.pem",
    )
    with pytest.raises(ConfigurationError, match=r"certificate_authority: '/nowhere/ca.pem'"):
        connection_parameters(settings, name="test")
