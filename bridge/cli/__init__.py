"""The command `hpc-bridge`."""

from bridge.cli.main import main

__all__ = ["main"]
