"""What of an environment may reach Slurm's commands."""

from collections.abc import Mapping

SCRUBBED = (
    *("SBATCH_", "SLURM_", "SQUEUE_", "SACCT_", "SCANCEL_", "SALLOC_", "SINFO_"),
    *("SHIFTER", "APPTAINER", "SINGULARITY"),
)
"""Variables with these prefixes override what a script says (sbatch(1), INPUT ENVIRONMENT)."""


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would silently change what Slurm's commands do."""
    return {
        name: value for name, value in environment.items() if not name.upper().startswith(SCRUBBED)
    }
