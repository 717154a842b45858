"""How pika is told to connect."""

import ssl
from datetime import timedelta

import pika

from bridge.core.errors import ConfigurationError, Problem
from bridge.core.settings import BrokerSettings

_CONNECT = timedelta(seconds=10)
_HANDSHAKE = timedelta(seconds=20)
"""For TCP, TLS and AMQP together."""
_BLOCKED = timedelta(minutes=5)
"""A connection that the broker blocks for longer is replaced."""


def connection_parameters(settings: BrokerSettings, *, name: str) -> pika.ConnectionParameters:
    """Parameters with which connecting cannot hang; `name` is shown by the broker's tools.

    Raises ConfigurationError when the certificate authority cannot be read.
    """
    ours = max(1, round(settings.heartbeat.total_seconds()))

    def heartbeat(_connection: object, offered: int) -> int:
        # Left to itself, pika overrides what the broker offers, and so would lengthen it.
        return min(ours, offered) if offered else ours

    return pika.ConnectionParameters(
        host=settings.host,
        port=settings.port,
        virtual_host=settings.virtual_host,
        credentials=pika.PlainCredentials(settings.user, settings.password),
        heartbeat=heartbeat,
        ssl_options=_tls(settings) if settings.tls else None,
        socket_timeout=_CONNECT.total_seconds(),
        stack_timeout=_HANDSHAKE.total_seconds(),
        blocked_connection_timeout=_BLOCKED.total_seconds(),
        client_properties={"connection_name": name, "product": "hpc-batch-bridge"},
    )


def _tls(settings: BrokerSettings) -> pika.SSLOptions:
    try:
        context = ssl.create_default_context(cafile=settings.certificate_authority)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            Problem(
                where="broker.certificate_authority",
                what=f"{settings.certificate_authority!r} cannot be read as a PEM file: "
                f"{error.strerror or error}",
            )
        ) from error
    return pika.SSLOptions(context, settings.host)
