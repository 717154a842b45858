"""Ports for servers that have to be told theirs before they listen."""

import random
import socket
from collections.abc import Collection

from .console import UsageError


def free_port(ports: range, *, taken: Collection[int] = ()) -> int:
    """One of these that nobody listens at, and that is not taken otherwise."""
    for port in random.sample(ports, k=200):
        if port in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise UsageError(f"no free port between {ports[0]} and {ports[-1]}")
