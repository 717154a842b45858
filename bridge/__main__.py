"""`python -m bridge` and `hpc-bridge` are the same."""

from bridge.cli import main

if __name__ == "__main__":
    main()
