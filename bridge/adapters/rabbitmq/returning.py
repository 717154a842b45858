"""What goes back to front ends beside the events: kept for nobody, lost where nobody listens."""

from collections.abc import Sequence

from bridge.adapters.rabbitmq.batch import Outgoing
from bridge.adapters.rabbitmq.confirms import Confirmation
from bridge.adapters.rabbitmq.events import Sender
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings
from bridge.ports import Passing, Reply

_JSON = "application/json"


class RabbitReturnChannel:
    """Fulfils ports.ReturnChannel over a Publisher, which it neither starts nor closes.

    Answers go through an exchange of their own: whoever asks cannot have the bridge write into
    any other queue, and the bridge needs no right to write outside its namespace.
    """

    def __init__(self, settings: BrokerSettings, publisher: Sender) -> None:
        self._answers = settings.answers_exchange
        self._logs = settings.logs_exchange
        self._presence = settings.presence_exchange
        self._publisher = publisher

    def answer(self, replies: Sequence[Reply]) -> None:
        """Send answers; one that nobody waits for any more is lost. Raises UnavailableError."""
        self._send(
            [
                _passing(self._answers, it.reply_to, it.body, correlation_id=it.correlation_id)
                for it in replies
            ]
        )

    def tell_logs(self, messages: Sequence[Passing]) -> None:
        """Tell what followed jobs have written. Raises UnavailableError."""
        self._send([_passing(self._logs, it.routing_key, it.body) for it in messages])

    def tell_presence(self, message: Passing) -> None:
        """Tell that this bridge is there. Raises UnavailableError."""
        self._send([_passing(self._presence, message.routing_key, message.body)])

    def _send(self, messages: Sequence[Outgoing]) -> None:
        lost = {Confirmation.UNKNOWN, Confirmation.REFUSED}
        if any(it in lost for it in self._publisher.send(messages)):
            raise UnavailableError("the broker has not confirmed all that was told in passing")


def _passing(
    exchange: str, routing_key: str, body: bytes, *, correlation_id: str | None = None
) -> Outgoing:
    return Outgoing(
        exchange=exchange,
        routing_key=routing_key,
        body=body,
        message_id="",
        content_type=_JSON,
        mandatory=False,
        durable=False,
        correlation_id=correlation_id,
    )
