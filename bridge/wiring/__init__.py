"""The only place where adapters, flows and the daemon are put together."""

from bridge.wiring.daemon import open_daemon
from bridge.wiring.reach import local_jobs_folder, open_pyslurm, open_runner
from bridge.wiring.rebuild import rebuild_journal
from bridge.wiring.world import World

__all__ = [
    "World",
    "local_jobs_folder",
    "open_daemon",
    "open_pyslurm",
    "open_runner",
    "rebuild_journal",
]
