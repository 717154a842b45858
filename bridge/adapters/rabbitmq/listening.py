"""What all have in common who read a queue for somebody who listens."""

from datetime import timedelta
from typing import Self

from bridge.adapters.rabbitmq.reader import QueueReader
from bridge.core.errors import UnavailableError

_CLOSE = timedelta(seconds=5)


class Listening:
    """Reads over one connection after the other, until it is closed."""

    def __init__(self, reader: QueueReader) -> None:
        self._reader = reader

    def start(self) -> None:
        """Begin to connect and to listen; does not wait."""
        self._reader.start()

    def close(self, timeout: timedelta = _CLOSE) -> None:
        """Stop listening; what was taken and not settled comes again where the queue goes on."""
        self._reader.close(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the broker as we see it, in words; empty when all is well."""
        return self._reader.problems

    def wait_until_listening(self, timeout: timedelta) -> bool:
        """Whether what comes reaches us, by then at the latest."""
        return self._reader.wait_until_consuming(timeout)

    def listen_within(self, patience: timedelta) -> None:
        """Return when what comes reaches us. Raises UnavailableError, with what is wrong."""
        if not self.wait_until_listening(patience):
            why = "; ".join(self.problems) or "no answer in time"
            raise UnavailableError(f"not connected to the broker: {why}")
