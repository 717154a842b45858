"""Slurm through pyslurm: submission in processes of ours that import it.

Nothing is imported here: a worker needs little, and starts in a quarter of the time.
"""
