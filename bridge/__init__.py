"""hpc-batch-bridge: job messages in, container runs under Slurm out, status events back."""

__version__ = "0.1.0"
