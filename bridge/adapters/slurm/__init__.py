"""Slurm through its command line: the words, the commands, and the scheduler made of them."""
