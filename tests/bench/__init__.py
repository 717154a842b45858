"""What the bridge reaches on the testbed, beside what its parts reach alone: scripts/bench."""
