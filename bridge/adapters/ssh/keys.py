"""The keys that open the login node, and for how long."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    SSHCertificate,
    load_ssh_public_identity,
)
from paramiko import PKey, SSHException

from bridge.adapters.ssh.route import Hop
from bridge.ports import Clock

FOREVER = 2**64 - 1
LATEST = datetime(9999, 12, 31, tzinfo=UTC)
LONGEST_NOTICE = timedelta(days=1)
ALARM_AGAIN = timedelta(hours=1)
RENEW = "renew the key; the bridge takes up the new file by itself"

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """When a certificate counts."""

    begins: datetime
    ends: datetime

    def is_near_its_end(self, now: datetime) -> bool:
        """Whether it is time for a new one: a quarter of its life is left, or a day."""
        notice = min((self.ends - self.begins) / 4, LONGEST_NOTICE)
        return now >= self.ends - notice


def validity_of(certificate: bytes) -> Validity | None:
    """When the certificate in this file (`*-cert.pub`, ssh-keygen(1)) counts; None: for ever.

    Raises ValueError when it is none.
    """
    try:
        read = load_ssh_public_identity(certificate)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if not isinstance(read, SSHCertificate):
        raise ValueError("this is a public key and no certificate")  # noqa: TRY004
    if read.valid_before == FOREVER:
        return None
    return Validity(begins=_time(read.valid_after), ends=_time(read.valid_before))


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(min(seconds, int(LATEST.timestamp())), UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A key that may open the login node."""

    label: str
    """Its file, and whether it goes with a certificate: for a person to read."""
    key: PKey


def load_credentials(hop: Hop) -> tuple[tuple[Credential, ...], tuple[str, ...]]:
    """The keys of this hop, read from disk now, and why others cannot be used."""
    credentials: list[Credential] = []
    problems: list[str] = []
    for path in hop.key_files:
        certificates = [it for it in certificates_of(hop, path) if it.exists()]
        # A key is offered with its certificate first; the server may know the key itself, too.
        for certificate in (*certificates, None):
            label = f"{path} with {certificate.name}" if certificate else str(path)
            try:
                credentials.append(Credential(label=label, key=_load(path, certificate)))
            except FileNotFoundError:
                problems.append(f"{label} does not exist")
            # TypeError: what cryptography raises for a key that wants a passphrase.
            except (OSError, SSHException, ValueError, TypeError, UnsupportedAlgorithm) as error:
                problems.append(f"{label} cannot be used: {error}")
    return tuple(credentials), tuple(dict.fromkeys(problems))


def _load(path: Path, certificate: Path | None) -> PKey:
    key = PKey.from_path(str(path))
    # It takes up the certificate beside the key by itself.
    key.public_blob = None
    if certificate is not None:
        key.load_certificate(str(certificate))
    return key


def certificates_of(hop: Hop, key_file: Path) -> tuple[Path, ...]:
    """Where certificates for this key may lie."""
    return (*hop.certificate_files, key_file.with_name(f"{key_file.name}-cert.pub"))


def stamp(route: Iterable[Hop]) -> tuple[tuple[str, int, int], ...]:
    """Differs when any file that decides about the login was written or replaced since."""
    return tuple(_stamps(route))


def _stamps(route: Iterable[Hop]) -> Iterator[tuple[str, int, int]]:
    for hop in route:
        certificates = (it for key in hop.key_files for it in certificates_of(hop, key))
        for path in (*hop.key_files, *certificates, *hop.known_hosts):
            try:
                status = path.stat()
            except OSError:
                continue
            yield str(path), status.st_mtime_ns, status.st_ino


def validities(route: Iterable[Hop]) -> Iterator[tuple[Path, Validity]]:
    """The certificates on the way that end some day, read from disk now."""
    for path in sorted(
        {it for hop in route for key in hop.key_files for it in certificates_of(hop, key)}
    ):
        # The login itself tells of files that cannot be used.
        with suppress(OSError, ValueError):
            if (validity := validity_of(path.read_bytes())) is not None:
                yield path, validity


class ExpiryAlarm:
    """Says in the log that a certificate ends soon, or has ended: at once, and then hourly."""

    def __init__(self, route: tuple[Hop, ...], clock: Clock) -> None:
        self._route = route
        self._clock = clock
        self._told: dict[tuple[Path, datetime], timedelta] = {}

    def check(self) -> None:
        """Read the certificates from disk and tell of those that need to be renewed."""
        for path, validity in validities(self._route):
            if validity.is_near_its_end(self._clock.now()):
                self._tell(path, validity)

    def _tell(self, path: Path, validity: Validity) -> None:
        now, key = self._clock.uptime(), (path, validity.ends)
        told = self._told.get(key)
        if told is not None and now - told < ALARM_AGAIN:
            return
        self._told[key] = now
        is_over = self._clock.now() >= validity.ends
        tell = log.error if is_over else log.warning
        tell(
            "ssh_key_expires",
            certificate=str(path),
            ends=validity.ends.isoformat(),
            is_over=is_over,
            remedy=RENEW,
        )
