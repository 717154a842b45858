"""The testbed: a private Slurm site, broker and login node on one Debian machine."""
