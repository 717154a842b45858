"""Looks at the certificates that open the way to a login node."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from bridge.adapters.ssh.keys import RENEW, validities
from bridge.adapters.ssh.route import Hop
from bridge.core.finding import Finding, note, ok, wrong


def examine_certificates(route: Iterable[Hop], now: datetime) -> Iterator[Finding]:
    """One finding for each certificate that ends some day."""
    for path, validity in validities(route):
        subject, ends = f"certificate {path}", validity.ends.isoformat()
        if now >= validity.ends:
            yield wrong(subject, f"has ended, at {ends}", RENEW)
        elif validity.is_near_its_end(now):
            yield note(subject, f"ends soon, at {ends}", RENEW)
        else:
            yield ok(subject, f"ends at {ends}")
