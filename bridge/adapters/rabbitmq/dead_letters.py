"""Looks into a site's dead letter queue, and sends letters once more, without losing any."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import pika
from pika import BasicProperties, DeliveryMode
from pika.exceptions import AMQPError, ChannelClosedByBroker, NackError, UnroutableError

from bridge.adapters.rabbitmq.failure import explain
from bridge.adapters.rabbitmq.parameters import connection_parameters
from bridge.adapters.rabbitmq.pika_manners import quieten
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that was refused."""

    number: str
    """The first digits of the SHA-256 of its body; the event `rejected` bears them in its id."""
    body: bytes
    message_id: str | None
    queue: str
    """Where it was refused; empty where the broker does not say."""
    reason: str
    """The broker's word: rejected, delivery_limit, expired, maxlen."""
    died_at: datetime | None
    delivery_tag: int
    properties: BasicProperties


class DeadLetters:
    """A site's dead letters, as long as this is open: then all go back that were not sent again.

    Everything raises UnavailableError when the broker cannot be reached, or does not do it.
    """

    def __init__(self, settings: BrokerSettings, site: str) -> None:
        """Raises ConfigurationError when the settings name a file that cannot be read."""
        self._settings = settings
        self._queue = settings.dead_letter_queue(site)
        self._site = site
        name = f"{settings.namespace} {site} dead letters"
        self._parameters = connection_parameters(settings, name=name)
        self._connection: pika.BlockingConnection | None = None

    def __enter__(self) -> Self:
        quieten()
        try:
            self._connection = pika.BlockingConnection(self._parameters)
            self._reading = self._connection.channel()
            self._sending = self._connection.channel()
            self._sending.confirm_delivery()
        except (AMQPError, OSError) as error:
            raise self._unavailable(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        # What was taken and not acknowledged is in the queue again, as it was.
        with suppress(AMQPError, OSError):
            if self._connection is not None:
                self._connection.close()

    def letters(self, limit: int) -> Iterator[DeadLetter]:
        """Up to so many, the oldest first."""
        for _ in range(limit):
            letter = self._next()
            if letter is None:
                return
            yield letter

    def replay(self, letter: DeadLetter) -> None:
        """Send it once more where it was refused; it leaves this queue when it has arrived there.

        Should the connection break between the two, it is in both: a job's id makes that one job.
        """
        exchange = self._exchange_of(letter)
        before = letter.properties
        try:
            self._sending.basic_publish(
                exchange,
                self._site,
                letter.body,
                BasicProperties(
                    content_type=before.content_type,
                    delivery_mode=DeliveryMode.Persistent.value,
                    message_id=before.message_id,
                    correlation_id=before.correlation_id,
                    reply_to=before.reply_to,
                ),
                mandatory=True,
            )
            self._reading.basic_ack(letter.delivery_tag)
        except (NackError, UnroutableError) as error:
            raise UnavailableError(f"{letter.number} was not taken and stays here") from error
        except (AMQPError, OSError) as error:
            raise self._unavailable(error) from error

    def _next(self) -> DeadLetter | None:
        try:
            method, properties, body = self._reading.basic_get(self._queue)
        except ChannelClosedByBroker as error:
            if error.reply_code == _NOT_FOUND:
                raise UnavailableError(f"there is no queue {self._queue!r}: no such site") from None
            raise self._unavailable(error) from error
        except (AMQPError, OSError) as error:
            raise self._unavailable(error) from error
        if method is None:
            return None
        return read_letter(body, properties, delivery_tag=method.delivery_tag)

    def _exchange_of(self, letter: DeadLetter) -> str:
        settings = self._settings
        if letter.queue == settings.control_queue(self._site):
            return settings.control_exchange
        return settings.jobs_exchange

    def _unavailable(self, error: Exception) -> UnavailableError:
        return UnavailableError(f"the broker: {explain(error, self._settings).words}")


def read_letter(body: bytes, properties: BasicProperties, *, delivery_tag: int) -> DeadLetter:
    """A dead letter, as far as the broker says how it died (RabbitMQ: Dead Lettering, x-death)."""
    headers: dict[str, Any] = properties.headers or {}
    deaths: object = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, Sequence) and deaths else {}
    death: dict[str, Any] = last if isinstance(last, dict) else {}
    died_at = death.get("time")
    return DeadLetter(
        number=hashlib.sha256(body).hexdigest()[:12],
        body=body,
        message_id=properties.message_id,
        queue=str(death.get("queue", "")),
        reason=str(death.get("reason", "")),
        died_at=died_at if isinstance(died_at, datetime) else None,
        delivery_tag=delivery_tag,
        properties=properties,
    )
