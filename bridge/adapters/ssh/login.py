"""Logs in to the servers on the way, one through the other."""

import logging
import socket
from collections.abc import Sequence
from contextlib import closing

import structlog
from paramiko import Agent, AuthenticationException, Channel, SSHException, Transport

from bridge.adapters.ssh.keys import Credential, load_credentials
from bridge.adapters.ssh.known_hosts import KnownKey, Trust, judge, known_keys
from bridge.adapters.ssh.route import Hop
from bridge.core.errors import UnavailableError

STEP_SECONDS = 20
"""How long each step of a login may take: to connect, to agree on keys, to be let in."""
SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""By which signatures a server proves that it has a key, where they are not called as the key is
(RFC 8332)."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class LoginRefusedError(UnavailableError):
    """We are not let in, or do not trust the host: nothing but a person's act will change that."""


def log_in(route: Sequence[Hop]) -> tuple[Transport, ...]:
    """One transport for each hop, each through the one before it.

    Raises LoginRefusedError, and UnavailableError when a server cannot be reached.
    """
    _quieten()
    transports: list[Transport] = []
    try:
        for hop in route:
            via = transports[-1] if transports else None
            transports.append(_transport(hop, via))
            _authenticate(transports[-1], hop)
    except BaseException:
        log_out(transports)
        raise
    return tuple(transports)


def log_out(transports: Sequence[Transport]) -> None:
    """Close them, the farthest first."""
    for transport in reversed(transports):
        transport.close()


def _transport(hop: Hop, via: Transport | None) -> Transport:
    """A connection to a server that has proven to be who it is."""
    known = _known(hop)
    opened = _connect(hop, via)
    try:
        transport = Transport(opened)
        transport.banner_timeout = transport.handshake_timeout = STEP_SECONDS
        transport.auth_timeout = STEP_SECONDS
        _prefer(transport, [it.kind for it in known if not it.is_revoked])
        transport.start_client(timeout=STEP_SECONDS)
    except (SSHException, EOFError, OSError) as error:
        opened.close()
        raise UnavailableError(f"{hop} does not speak SSH with us: {_words(error)}") from error
    key = transport.get_remote_server_key()
    trust, places = judge(known, key.asbytes())
    if trust is not Trust.KNOWN:
        transport.close()
        shown = f"it showed {key.get_name()} {key.fingerprint}"
        raise _distrust(hop, trust, places, shown)
    return transport


def _connect(hop: Hop, via: Transport | None) -> socket.socket | Channel:
    try:
        if via is None:
            opened = socket.create_connection((hop.host, hop.port), timeout=STEP_SECONDS)
            # Small packets that wait for each other's acknowledgement cost 40 ms a command.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return opened
        return via.open_channel(
            "direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), timeout=STEP_SECONDS
        )
    except (SSHException, EOFError, OSError) as error:
        raise UnavailableError(f"{hop} cannot be reached: {_words(error)}") from error


def _known(hop: Hop) -> tuple[KnownKey, ...]:
    """What the known_hosts files say of the host; nothing is sent to one that they do not know."""
    found: list[KnownKey] = []
    for file in hop.known_hosts:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LoginRefusedError(f"{file}: {error.strerror or error}") from error
        found += known_keys(text, hop.known_as, file=str(file))
    if not found:
        files = ", ".join(map(str, hop.known_hosts))
        raise _distrust(hop, Trust.UNKNOWN, (files,), "nothing was sent to it")
    return tuple(found)


def _distrust(hop: Hop, trust: Trust, places: Sequence[str], shown: str) -> LoginRefusedError:
    where = ", ".join(places)
    log.error("ssh_host_not_trusted", host=hop.known_as, verdict=trust.value, where=where)
    return LoginRefusedError(
        f"the host key of {hop.known_as} is not trusted: {trust} {where}; {shown}. Ask the site "
        "for its host keys, and put the right one there"
    )


def _prefer(transport: Transport, kinds: Sequence[str]) -> None:
    """Ask the server for a key of a kind that we know of it."""
    options = transport.get_security_options()
    wanted = [name for kind in kinds for name in (*SIGNATURES.get(kind, ()), kind)]
    offered = options.key_types
    first = [it for it in dict.fromkeys(wanted) if it in offered]
    options.key_types = (*first, *(it for it in offered if it not in first))


def _authenticate(transport: Transport, hop: Hop) -> None:
    credentials, problems = load_credentials(hop)
    tried = [*problems]
    for credential in credentials:
        if _is_let_in(transport, hop, credential, tried):
            return
    if hop.use_agent:
        try:
            with closing(Agent()) as agent:
                for key in agent.get_keys():
                    held = Credential(
                        label=f"{key.comment or key.get_name()} of the agent", key=key
                    )
                    if _is_let_in(transport, hop, held, tried):
                        return
        except SSHException as error:
            tried.append(f"the agent does not answer: {error}")
    words = "; ".join(tried) or "there is no key to try"
    log.error("ssh_authentication_failed", server=str(hop), words=words)
    raise LoginRefusedError(f"{hop} does not let us in: {words}")


def _is_let_in(transport: Transport, hop: Hop, credential: Credential, tried: list[str]) -> bool:
    try:
        missing = transport.auth_publickey(hop.user, credential.key)
    except AuthenticationException as error:
        tried.append(f"{credential.label}: {_words(error)}")
        missing = ["refused"]
    except (SSHException, EOFError, OSError) as error:
        raise UnavailableError(f"{hop} ended the login: {_words(error)}") from error
    else:
        if missing:
            wanted = ", ".join(missing)
            tried.append(f"{credential.label}: accepted, but {wanted} is wanted as well")
    if not transport.is_active():
        # Such as after MaxAuthTries (sshd_config(5)).
        words = "; ".join(tried)
        log.error("ssh_authentication_failed", server=str(hop), words=words)
        raise LoginRefusedError(f"{hop} does not let us in: {words}")
    return not missing


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _quieten() -> None:
    """Silence paramiko's logger unless somebody has set its level: we tell each failure once."""
    logger = logging.getLogger("paramiko")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
