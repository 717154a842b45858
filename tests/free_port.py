"""Ports for servers that have to be told theirs before they listen."""

import random
import socket

# Below the kernel's ephemeral range, so that no outgoing connection takes one meanwhile, and below
# the testbed's own ports, of which some are free while a part of it is stopped.
_RANGE = range(12_000, 20_000)


def free_port() -> int:
    """One of this machine that nobody listens at."""
    for port in random.sample(_RANGE, k=200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")
