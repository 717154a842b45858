"""Why a job failed, in words that front ends may rely on."""

from collections.abc import Mapping
from types import MappingProxyType

from bridge.core.facts import Sighting
from bridge.core.failure import FailureReason, Hindrance
from bridge.core.job import JobSpec
from bridge.core.slurm_state import SlurmState

BY_STATE: Mapping[SlurmState, tuple[FailureReason, str]] = MappingProxyType(
    {
        SlurmState.TIMEOUT: (FailureReason.TIMEOUT, "it ran into its time limit"),
        SlurmState.OUT_OF_MEMORY: (FailureReason.OUT_OF_MEMORY, "it used more memory than it had"),
        SlurmState.DEADLINE: (FailureReason.DEADLINE, "it could not end before its deadline"),
        SlurmState.PREEMPTED: (FailureReason.PREEMPTED, "another job took its place"),
        SlurmState.NODE_FAIL: (FailureReason.NODE_FAILURE, "its node failed"),
        SlurmState.BOOT_FAIL: (FailureReason.BOOT_FAILURE, "its node did not boot"),
    }
)


BY_HINDRANCE: Mapping[Hindrance, tuple[FailureReason, str]] = MappingProxyType(
    {
        Hindrance.IMAGE: (
            FailureReason.IMAGE_PULL,
            "its image is not there and could not be pulled; its stderr says more",
        ),
        Hindrance.NO_IMAGE: (
            FailureReason.NO_IMAGE,
            "its image or conda environment is not there or cannot be read; its stderr says which",
        ),
        Hindrance.SECRET: (
            FailureReason.REFUSED,
            "a secret of the site could not be read; its stderr says which",
        ),
        Hindrance.MOUNT: (
            FailureReason.REFUSED,
            "something that it mounts is not there; its stderr says what",
        ),
        Hindrance.PATH: (
            FailureReason.REFUSED,
            "something that it uses leads out of the site's folders; its stderr says what",
        ),
    }
)


def hindrance_detail(hindrance: Hindrance, spec: JobSpec, mount: int | None) -> str:
    """The words for a hindrance of this job, with the name of what is not there where we know it.

    The names are the job's own: what kept it from running was told by its script, which the job
    might have forged.
    """
    _, words = BY_HINDRANCE[hindrance]
    if hindrance is Hindrance.IMAGE:
        return f"its image {spec.image} is not there and could not be pulled; its stderr says more"
    if hindrance is Hindrance.NO_IMAGE:
        return (
            f"its image or conda environment {spec.image} is not there or cannot be read; "
            "its stderr says more"
        )
    if hindrance is Hindrance.MOUNT and mount is not None and mount < len(spec.mounts):
        return f"{spec.mounts[mount].source!r}, which it mounts, is not there"
    return words


def failure_of(sighting: Sighting) -> tuple[FailureReason, str]:
    """Why the job failed and the words for it: the state first, then the exit code.

    ExitCode is E:S (sacct(1)); a job killed by a signal shows E=0, so a signal outranks E.
    """
    if sighting.state is not None and sighting.state in BY_STATE:
        return BY_STATE[sighting.state]
    if sighting.signal:
        return FailureReason.SIGNAL, f"it was ended by signal {sighting.signal}"
    if not sighting.exit_code:
        return FailureReason.EXIT_CODE, "Slurm says that it failed, and not with which exit code"
    return FailureReason.EXIT_CODE, f"it exited with {sighting.exit_code}"
