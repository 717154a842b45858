"""Container runtimes, images made without a registry, and the stand-in for Shifter."""
