"""Where pika has to be handled with care."""

import logging

from pika.connection import Connection
from pika.exceptions import StreamLostError


def cut(connection: Connection) -> None:
    """End a connection whose broker does not answer; its close callback comes soon.

    pika has no public way to do this; its own heartbeat checker does the same.
    """
    connection._terminate_stream(StreamLostError("given up"))  # noqa: SLF001


def quieten() -> None:
    """Silence pika's logger unless somebody has set its level.

    It tells every failure several times and with tracebacks; we tell it once, in words.
    """
    logger = logging.getLogger("pika")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
