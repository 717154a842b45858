"""One verb each, with no I/O of their own: the world comes in through bridge.ports."""
