"""Send jobs to a site."""

from datetime import timedelta
from typing import Self

from bridge.adapters.rabbitmq import Confirmation, Outgoing, Publisher
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings


class NoBridgeError(UnavailableError):
    """No bridge has ever served this site at this broker: nobody would read the job."""


class Submitter:
    """Sends job messages and waits until the broker has each safely.

    Threads may share it. Sending the same message again is harmless: the job's id makes it one job.
    """

    def __init__(
        self, broker: BrokerSettings, *, patience: timedelta = timedelta(seconds=10)
    ) -> None:
        """`patience` is how long `submit` waits for a connection to the broker."""
        self._exchange = broker.jobs_exchange
        self._publisher = Publisher(
            broker, name=f"{broker.namespace} submitter", connect_patience=patience
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
        outgoing = Outgoing(
            exchange=self._exchange,
            routing_key=site,
            body=message,
            message_id=job_id,
            content_type="application/json",
        )
        (confirmation,) = self._publisher.send([outgoing])
        match confirmation:
            case Confirmation.CONFIRMED:
                return
            case Confirmation.UNROUTABLE:
                raise NoBridgeError(f"no bridge serves the site {site!r} at this broker")
            case _:
                raise UnavailableError("the broker did not confirm the job; send it again")
