"""Send jobs to a site."""

from datetime import timedelta
from typing import Self

from bridge.adapters.rabbitmq import Confirmation, Outgoing, Publisher
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings
from bridge.wire.control import cancel_message

_LONGEST_RETRY = timedelta(seconds=3)
"""Somebody sits before a page and waits."""


class NoBridgeError(UnavailableError):
    """No bridge has ever served this site at this broker: nobody would read the job."""


class Submitter:
    """Sends job messages and waits until the broker has each safely.

    Threads may share it. Sending the same message again is harmless: the job's id makes it one job.
    """

    def __init__(
        self, broker: BrokerSettings, *, patience: timedelta = timedelta(seconds=10)
    ) -> None:
        """`patience` is how long `submit` waits for a connection, and then for a confirm."""
        self._jobs, self._control = broker.jobs_exchange, broker.control_exchange
        self._publisher = Publisher(
            broker,
            name=f"{broker.namespace} submitter",
            connect_patience=patience,
            confirm_patience=patience,
            longest_retry=_LONGEST_RETRY,
        )

    def __enter__(self) -> Self:
        self._publisher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._publisher.close()

    def submit(self, site: str, message: bytes, *, job_id: str) -> None:
        """Send a job message (see docs/messages.md) to a site.

        Raises NoBridgeError, and UnavailableError when it is not known to have arrived: then send
        it again, with the same id.
        """
        self._send(self._jobs, site, message, job_id)

    def cancel(self, site: str, job_id: str) -> None:
        """Ask a site to end a job, whatever it is doing. Its events tell what came of it.

        Raises ValueError when `job_id` is no UUID, and else as `submit`.
        """
        self._send(self._control, site, cancel_message(job_id), f"cancel/{job_id}")

    def _send(self, exchange: str, site: str, body: bytes, message_id: str) -> None:
        outgoing = Outgoing(
            exchange=exchange,
            routing_key=site,
            body=body,
            message_id=message_id,
            content_type="application/json",
        )
        (confirmation,) = self._publisher.send([outgoing])
        match confirmation:
            case Confirmation.CONFIRMED:
                return
            case Confirmation.UNROUTABLE:
                raise NoBridgeError(f"no bridge serves the site {site!r} at this broker")
            case _:
                raise UnavailableError("the broker did not confirm the message; send it again")
