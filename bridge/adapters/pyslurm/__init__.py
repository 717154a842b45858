"""Slurm through pyslurm: submission in processes of ours that import it."""

from bridge.adapters.pyslurm.scheduler import PyslurmScheduler, worker_argv

__all__ = ["PyslurmScheduler", "worker_argv"]
