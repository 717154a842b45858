"""Whether a host's key is the one that we know; sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. Pure."""

import binascii
import hmac
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import sha1

_LEAST_FIELDS = 3


class Trust(StrEnum):
    """What known_hosts makes of a key."""

    KNOWN = "known"
    UNKNOWN = "the host is not in"
    CHANGED = "the host has another key in"
    REVOKED = "the key is revoked in"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """A line that speaks of a host."""

    place: str
    """File and line."""
    is_revoked: bool
    kind: str
    """Such as ssh-ed25519."""
    key: bytes


def known_keys(text: str, name: str, *, file: str) -> Iterator[KnownKey]:
    """The lines of a known_hosts file that are about the host with this name.

    `name` is `host`, or `[host]:port` where the port is not 22. Lines that cannot be read, and
    authorities for host certificates, are passed over: they make no host known.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < _LEAST_FIELDS or fields[0].startswith("#"):
            continue
        if marker not in ("", "@revoked") or not _is_about(fields[0], name):
            continue
        try:
            key = b64decode(fields[2], validate=True)
        except binascii.Error:
            continue
        yield KnownKey(
            place=f"{file}, line {number}", is_revoked=bool(marker), kind=fields[1], key=key
        )


def judge(known: Iterable[KnownKey], key: bytes) -> tuple[Trust, tuple[str, ...]]:
    """What to make of the key that the host showed, and the lines that say so."""
    lines = tuple(known)
    revoked = tuple(it.place for it in lines if it.is_revoked and it.key == key)
    if revoked:
        return Trust.REVOKED, revoked
    good = [it for it in lines if not it.is_revoked]
    same = tuple(it.place for it in good if it.key == key)
    if same:
        return Trust.KNOWN, same
    return (Trust.CHANGED if good else Trust.UNKNOWN), tuple(it.place for it in good)


def _is_about(names: str, name: str) -> bool:
    if names.startswith("|"):
        return _is_hash_of(names, name)
    patterns = names.lower().split(",")
    host = name.lower()
    if any(it.startswith("!") and _matches(host, it[1:]) for it in patterns):
        return False
    return any(_matches(host, it) for it in patterns)


def _matches(host: str, pattern: str) -> bool:
    # Only * and ? are special here; in fnmatch brackets are, too.
    return fnmatchcase(host, pattern.replace("[", "[[]"))


def _is_hash_of(hashed: str, name: str) -> bool:
    parts = hashed.split("|")
    if len(parts) != len(("", "1", "salt", "hash")) or parts[1] != "1":
        return False
    try:
        salt, wanted = b64decode(parts[2], validate=True), b64decode(parts[3], validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), sha1).digest(), wanted)
