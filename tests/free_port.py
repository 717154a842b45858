"""Ports for the tests' own servers, which have to be told theirs before they listen."""

from testbed_parts.free_port import free_port as free_port_of

# Below the kernel's ephemeral range, so that no outgoing connection takes one meanwhile, and below
# the testbed's own ports, of which some are free while a part of it is stopped.
_PORTS = range(12_000, 20_000)


def free_port() -> int:
    """One of this machine that nobody listens at."""
    return free_port_of(_PORTS)
