"""What Slurm's commands on a machine are, and whether a pyslurm does what they do."""

from dataclasses import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmClient:
    """Slurm's commands where the bridge runs them."""

    version: Version
    cli_filters: tuple[str, ...]
    """The plugins that look at each sbatch before the controller does (slurm.conf(5))."""


def misfit(pyslurm: Version, client: SlurmClient) -> str | None:
    """Why a pyslurm of this version must not submit here; None when it may."""
    if pyslurm[:2] != client.version[:2]:
        return (
            f"pyslurm {written(pyslurm)} is for Slurm {pyslurm[0]}.{pyslurm[1]:02}, and this is "
            f"Slurm {written(client.version)}: install pyslurm {client.version[0]}."
            f"{client.version[1]}.*"
        )
    if client.cli_filters:
        return (
            f"CliFilterPlugins={','.join(client.cli_filters)} of slurm.conf looks at what sbatch "
            "submits, and would see nothing of what pyslurm submits"
        )
    return None


def written(version: Version) -> str:
    """As people write it."""
    return ".".join(map(str, version))
