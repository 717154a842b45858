"""A broker's address as one text."""

from urllib.parse import unquote, urlsplit

from bridge.core.errors import ConfigurationError, Problem
from bridge.core.settings import DEFAULT_NAMESPACE, BrokerSettings

_PORTS = {"amqp": 5672, "amqps": 5671}


def broker_at(url: str, *, namespace: str = DEFAULT_NAMESPACE) -> BrokerSettings:
    """The settings in `amqp[s]://user:password@host[:port]/virtual-host`.

    Source: the RabbitMQ URI specification; a missing path is the virtual host `/`.
    Raises ConfigurationError, which does not repeat the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise _wrong("it cannot be read as a URL") from error
    if parts.scheme not in _PORTS:
        raise _wrong("it must begin with amqp:// or amqps://")
    if not parts.hostname or parts.username is None or parts.password is None:
        raise _wrong("it must name user, password and host")
    return BrokerSettings(
        host=parts.hostname,
        port=port,
        virtual_host=unquote(parts.path[1:]) or "/",
        user=unquote(parts.username),
        password=unquote(parts.password),
        tls=parts.scheme == "amqps",
        namespace=namespace,
    )


def _wrong(what: str) -> ConfigurationError:
    accepted = "amqp[s]://user:password@host[:port]/virtual-host"
    return ConfigurationError(Problem(where="broker URL", what=f"{what}; accepted: {accepted}"))
