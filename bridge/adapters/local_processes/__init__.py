"""A scheduler without Slurm: batch scripts as processes of this machine, for laptops.

Nothing is imported here, so that a job's supervisor is small and starts soon.
"""
